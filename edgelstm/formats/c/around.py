"""What stands around the layers that compute: the way in, what is read of the steps, repetition."""

from collections.abc import Callable
from typing import Any

from edgelstm.formats.c.building import Building
from edgelstm.formats.c.calls import Call
from edgelstm.formats.c.layer import COPIES
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.quantization.fixedpoint import quantize_reals

ENDS = "edgelstm_ends.c"
AROUND = {"s16": "edgelstm_around.c", "f32": "edgelstm_around_f32.c"}
SHORT = {"int8": "s8", "int16": "s16", "float32": "f32"}
LEAST = {"s16": "INT16_MIN", "f32": "-3.40282347e38F"}


# ---- in front


def enter(built: Building, network: Any) -> None:
    """x of a step as the first layer takes it."""
    if network.indices:
        return  # the embedding reads it
    built.sizes["x"] = n = network.input_size
    numbers = (("mean", network.input_mean), ("std", network.input_std))
    given = [built.constants.array(f"input_{k}", v) for k, v in numbers if v is not None]
    if network.input is None and given:
        mean, std = given
        text, kernel = f"edgelstm_normalize_f32(x, {n}, {mean}, {std}, {{x}});", AROUND["f32"]
    else:
        scale = network.input
        kind, zero_point = ("f32", "") if scale is None else (SHORT[scale.type], scale.zero_point)
        zero = "" if scale is None else f"{zero_point}, "
        text, kernel = f"edgelstm_enter_{kind}(x, {n}, {zero}{{x}});", ENDS
    built.plain("enter", Call(text, (), ("x",), kernels=(kernel,)))


def embedding(built: Building, layer: Embedding, network: Any) -> None:
    """A row of the table, by the index that x is."""
    into, called, table = network.input, built.names[layer.name], layer.weight
    zero = ""
    if into is not None:
        stored = quantize_reals(table, into.scale, into.zero_point, into.limits)
        table, zero = stored.astype(into.type), f"{into.zero_point}, "
    array = built.constants.array(f"{called}_weight", table)
    rows, n = layer.weight.shape
    kind = "f32" if into is None else SHORT[into.type]
    built.value = row = built.buffer(f"{called}.row", n)
    text = f"edgelstm_row_{kind}({array}, {rows}, {n}, {zero}x[0], {{{row}}});"
    built.plain("enter", Call(text, (), (row,), kernels=(AROUND[built.inside],)))


def leave(built: Building, network: Any) -> None:
    """The last value as y."""
    scale = network.output
    kind = "f32" if scale is None else SHORT[scale.type]
    zero = "" if scale is None else f"{scale.zero_point}, "
    text = f"edgelstm_leave_{kind}({{{built.value}}}, {network.output_size}, {zero}y);"
    built.plain("leave", Call(text, (built.value,), kernels=(ENDS,)))


# ---- read of the steps


def read_steps(built: Building, layer: ReadSteps, network: Any) -> None:
    """What is kept of each step, and what the last one makes of it."""
    value, n = built.value, layer.size
    kept = {name: KEPT[name](built, value, layer) for name in layer.reads if name in KEPT}
    built.once = True
    if len(layer.reads) == 1 and layer.reads[0] != "mean":
        built.value = kept.get(layer.reads[0], value)
        return
    built.value = made = built.buffer("read", layer.output_size)
    texts, at, steps = [], 0, built.loops[-1]
    for name in layer.reads:
        size = n * (layer.steps or 1) if name == "flatten" else n
        place = f"{{{made}}} + {at}" if at else f"{{{made}}}"
        source = f"{{{kept.get(name, value)}}}"
        if name == "mean":
            texts.append(f"edgelstm_mean_{built.inside}({source}, {size}, {steps}, {place});")
        else:
            texts.append(f"edgelstm_copy_{built.inside}({source}, {size}, {place});")
        at += size
    kernels = (AROUND[built.inside], COPIES[built.inside])
    reads = (*kept.values(), value)
    built.plain("read", Call("\n".join(texts), reads, (made,), kernels=kernels))


def _largest(built: Building, value: str, layer: ReadSteps) -> str:
    field = built.keep("largest", layer.size, LEAST[built.inside])
    text = f"edgelstm_largest_{built.inside}({{{value}}}, {layer.size}, {{{field}}});"
    built.plain("largest", Call(text, (value, field), kernels=(AROUND[built.inside],)))
    return field


def _sums(built: Building, value: str, layer: ReadSteps) -> str:
    n = layer.size
    if built.inside == "f32":
        field = built.keep("sums", n, "0.0F")
        text = f"edgelstm_add_f32({{{field}}}, {{{value}}}, {n}, {{{field}}});"
    else:
        field = built.keep("sums", 2 * n, "0", "int32_t")
        text = f"edgelstm_sum_s16({{{value}}}, {n}, {{{field}}});"
    built.plain("sums", Call(text, (value, field), kernels=(SUMS[built.inside],)))
    return field


def _every(built: Building, value: str, layer: ReadSteps) -> str:
    n = layer.size
    field = built.keep("every_step", n * (layer.steps or 1))
    text = f"edgelstm_copy_{built.inside}({{{value}}}, {n}, {{{field}}} + t * {n});"
    built.plain("every_step", Call(text, (value, field), kernels=(COPIES[built.inside],)))
    return field


SUMS = {"s16": AROUND["s16"], "f32": "edgelstm_float32.c"}
# What is read to what keeps it from step to step; the last step needs nothing.
KEPT: dict[str, Callable[[Building, str, ReadSteps], str]] = {
    "max": _largest,
    "mean": _sums,
    "flatten": _every,
}
READ = ("last", *KEPT)


def repeat(built: Building, layer: Repeat, network: Any) -> None:
    """What was read is kept, and a loop of its own begins, each of whose steps takes it."""
    field = built.keep("repeated", layer.size)
    text = f"edgelstm_copy_{built.inside}({{{built.value}}}, {layer.size}, {{{field}}});"
    built.plain("repeat", Call(text, (built.value, field), kernels=(COPIES[built.inside],)))
    built.value, built.once = field, False
    built.loops.append(str(layer.steps))
