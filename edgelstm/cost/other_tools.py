"""What other tools print for the same recurrent layers, and why it differs.

Each expression reproduces what the stated version printed for `nn.LSTM(64, 64)` and `nn.GRU(64,
64)` over 100 steps (NNoM: what its source computes).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from edgelstm.cost.counts import Counts, LayerCounts

Formula = Callable[[int, int, int], int]  # of steps, input_size, hidden_size


@dataclasses.dataclass(frozen=True)
class Tool:
    """A counter of others.

    Attributes:
        name, version: Of the tool.
        unit: What it calls its number: MAC or FLOP (2 x MAC).
        formulas: Cell to expression; cells that were not tried are absent.
        why: What it counts otherwise.
    """

    name: str
    version: str
    unit: str
    formulas: Mapping[str, Formula]
    why: str


@dataclasses.dataclass(frozen=True)
class Foreign:
    """What a tool prints for a network's recurrent layers.

    Attributes:
        tool, version: Of the counter.
        unit: What it calls its number: MAC or FLOP (2 x MAC).
        prints: None where the tool was not tried on one of the cells.
        truth: Of the same layers, in the tool's unit.
        ratio: prints / truth.
        why: What it counts otherwise.
        reason: Why `prints` is None.
    """

    tool: str
    version: str
    unit: str
    prints: int | None
    truth: int
    ratio: float | None
    why: str
    reason: str | None

    def to_dict(self) -> dict[str, Any]:
        """An object of `counters` in reports."""
        return dataclasses.asdict(self)


def _lstm(extra: int, macs: int = 1) -> Formula:
    """T times (`macs` x the true MACs + `extra` x H)."""
    return lambda t, i, h: t * (macs * 4 * h * (i + h) + extra * h)


def _gru(extra: int, macs: int = 1) -> Formula:
    return lambda t, i, h: t * (macs * 3 * h * (i + h) + extra * h)


def _nothing(t: int, i: int, h: int) -> int:
    return 0


BLIND = {"lstm": _nothing, "gru": _nothing}
TOOLS = (
    Tool("fvcore", "0.1.5.post20221221", "MAC", BLIND, "no handler for recurrent operators"),
    Tool(
        *("torch FlopCounterMode", "2.15", "FLOP"),
        {"lstm": _nothing, "gru": _gru(0, 2)},
        "the CPU runs an LSTM in oneDNN, unseen by the counter; a GRU is exact (2 x MAC)",
    ),
    Tool(
        *("torch FlopCounterMode, oneDNN off", "2.15", "FLOP"),
        {"lstm": _lstm(0, 2)},
        "exact (2 x MAC)",
    ),
    Tool(
        *("ptflops, aten backend", "0.7.5", "MAC"),
        {"lstm": _nothing, "gru": _gru(6)},
        "an LSTM is unseen; of a GRU both biases count as MACs",
    ),
    Tool(
        *("onnx-tool", "0.8.5", "MAC"),
        {
            "lstm": lambda t, i, h: 4 * h * (i + h) + 8 * h,
            "gru": lambda t, i, h: 3 * h * (i + h) + 6 * h,
        },
        "one step only, and both biases count as MACs",
    ),
    Tool(
        *("torchinfo, batched input", "1.8.0", "MAC"),
        {"lstm": _lstm(8), "gru": _gru(6)},
        "parameters x steps: both biases count as MACs",
    ),
    Tool(
        *("NNoM", "4d1d8fc (2024-04-08)", "MAC"),
        {"lstm": _lstm(10), "gru": lambda t, i, h: t * (3 * h * i + 8 * h * h + 11 * h)},
        "the element-wise part counts as MACs; a GRU's recurrent part as 8 H^2 instead of 3 H^2",
    ),
    Tool(
        *("thop", "0.1.1", "MAC"),
        {"lstm": _lstm(16), "gru": _gru(13)},
        "sums, both biases and element-wise products count as MACs",
    ),
    Tool(
        *("ptflops, pytorch backend", "0.7.5", "MAC"),
        {"lstm": _lstm(18), "gru": _gru(13)},
        "sums, both biases and element-wise products count as MACs",
    ),
    Tool(
        *("onnx-tool", "1.0.1", "MAC"),
        {"lstm": _lstm(188), "gru": _gru(116)},
        "prices an exp at 32 and a tanh at 38 MACs",
    ),
    Tool(
        *("DeepSpeed profiler", "0.19.8", "FLOP"),
        {"lstm": _lstm(10, 2), "gru": _gru(7, 2)},
        "2 x MAC, and a part of the element-wise operations",
    ),
    Tool(
        *("calflops", "0.3.2", "FLOP"),
        {"lstm": _lstm(10, 2), "gru": _gru(7, 2)},
        "2 x MAC, and a part of the element-wise operations",
    ),
    Tool(
        *("torchinfo, unbatched 2-D input", "1.8.0", "MAC"),
        {
            "lstm": lambda t, i, h: t * h * (4 * h * (i + h) + 8 * h),
            "gru": lambda t, i, h: t * h * (3 * h * (i + h) + 6 * h),
        },
        "takes steps x units for the number of steps",
    ),
)


def foreign_counts(counts: Counts) -> tuple[Foreign, ...]:
    """What each tool of `TOOLS` prints for the recurrent layers, over the sequence or one step."""
    layers = [layer for layer in counts.layers if layer.gates]
    steps = counts.sequence.steps if counts.sequence else 1
    return tuple(_foreign(tool, layers, steps) for tool in TOOLS) if layers else ()


def _foreign(tool: Tool, layers: list[LayerCounts], steps: int) -> Foreign:
    truth = steps * sum(layer.total.macs for layer in layers) * (2 if tool.unit == "FLOP" else 1)
    unknown = [_what(layer) for layer in layers if _what(layer) not in tool.formulas]
    if unknown:
        reason = f"was not tried on a {unknown[0]}"
        return Foreign(tool.name, tool.version, tool.unit, None, truth, None, tool.why, reason)
    prints = sum(
        tool.formulas[_what(layer)](steps, layer.input_size, layer.hidden_size) for layer in layers
    )
    ratio = prints / truth
    return Foreign(tool.name, tool.version, tool.unit, prints, truth, ratio, tool.why, None)


def _what(layer: LayerCounts) -> str:
    projection = " with a projection" if layer.cell.macs else ""
    return f"{layer.cell_name}{projection}{' in reverse' if layer.reverse else ''}"
