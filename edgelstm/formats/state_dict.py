"""State dicts: named weights alone, in PyTorch's names and order of gates; the rest is assumed."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.directions import REVERSE
from edgelstm.errors import ModelError
from edgelstm.formats.tensors import at, float32, rounding
from edgelstm.network import (
    ACTIVATIONS,
    Bidirectional,
    Dense,
    Layer,
    Network,
    Recurrent,
    layer_names,
)

Tensors = Mapping[str, NDArray[Any]]

CELL_OF_ROWS = {4: "lstm", 3: "gru"}  # rows of weight_hh per column
RECURRENT = re.compile(r"(.*?)((?:weight|bias)_(?:ih|hh|hr))(_l[0-9]{1,4})?(_reverse)?", re.DOTALL)
MAX_ORDERED = 8  # all orders of more blocks take too long


@dataclasses.dataclass(frozen=True)
class _Part:
    """One layer: `kind` is the cell's name or dense, `tensors` have the names that layers use."""

    kind: str
    file_name: str
    tensors: Tensors
    missing: tuple[str, ...]
    reverse: "_Part | None" = None

    @property
    def sizes(self) -> tuple[int, int]:
        """Values that come in, and go out."""
        if self.kind == "dense":
            rows, columns = self.tensors["weight"].shape
            return columns, rows
        outputs = self.tensors["weight_hh"].shape[1] * (2 if self.reverse else 1)
        return self.tensors["weight_ih"].shape[1], outputs


@dataclasses.dataclass(frozen=True)
class _Block:
    """The layers of one prefix, which follow each other."""

    prefix: str
    parts: tuple[_Part, ...]

    @property
    def name(self) -> str:
        return self.prefix.rstrip(".") or "the file"


def to_network(
    tensors: Tensors, where: str, *, last_step: bool | None = None, activation: str | None = None
) -> Network:
    """The network of a state dict.

    Args:
        tensors: Name to array: `weight_ih_l0` and the like, `weight_ih` of single cells, and
            `weight` and `bias` of dense layers, each behind any prefix.
        where: The file's name, for errors.
        last_step: Whether the dense head reads the last step; None: it does, and without a head
            the result is each step.
        activation: Of the one dense layer. Of two or more, which need it: of each but the last.

    Raises:
        ModelError: A tensor has no place in a network, or the layers in no order.
    """
    with at(where):
        recurrent = _recurrent_blocks(tensors)
        blocks, reordered = _ordered([*recurrent, *_dense_blocks(tensors)])
        parts = [part for block in blocks for part in block.parts]
        activations = _activations(parts, activation)
        layers = tuple(
            _layer(part, name, chosen)
            for part, name, chosen in zip(
                parts, layer_names(p.kind for p in parts), activations, strict=True
            )
        )
        has_head = bool(recurrent) and parts[-1].kind == "dense"
        assumed = [*_assumed_layers(blocks, reordered), *_assumed_activation(parts, activations)]
        if has_head and last_step is None:
            finals = ", not the final states of both directions (h_n)"
            both = finals if any(part.reverse for part in parts) else ""
            assumed.append(f"'{parts[-1].file_name}' reads the last step{both}")
        is_last = has_head if last_step is None else last_step
        return Network(layers, is_last, (*assumed, *rounding(tensors.values())))


def _recurrent_blocks(tensors: Tensors) -> list[_Block]:
    found: dict[tuple[str, bool], dict[str, dict[str, NDArray[Any]]]] = {}
    for name, array in tensors.items():
        match = RECURRENT.fullmatch(name)
        if not match:
            continue
        prefix, kind, layer, reverse = match.groups()
        if kind.endswith("hr"):
            raise ModelError(f"tensor '{name}': a projection is not supported yet")
        layers = found.setdefault((prefix, layer is None), {})
        layers.setdefault(layer or "", {})[kind + (reverse or "")] = array
    blocks = []
    for (prefix, _), layers in sorted(found.items(), key=lambda item: _natural(item[0][0])):
        numbers = sorted(int(layer[2:] or 0) for layer in layers)
        if numbers != list(range(len(layers))):
            raise ModelError(f"'{prefix}weight_ih' stands for layers {numbers}; some are missing")
        parts = (_both_directions(prefix, n, layers[n]) for n in sorted(layers, key=_natural))
        blocks.append(_Block(prefix, tuple(parts)))
    return blocks


def _both_directions(prefix: str, suffix: str, tensors: dict[str, NDArray[Any]]) -> _Part:
    """The part, with its reverse direction where there is one."""
    back = {k.removesuffix(REVERSE): v for k, v in tensors.items() if k.endswith(REVERSE)}
    there = {k: v for k, v in tensors.items() if not k.endswith(REVERSE)}
    forward = _recurrent_part(prefix, suffix, there)
    if not back:
        return forward
    return dataclasses.replace(forward, reverse=_recurrent_part(prefix, suffix + REVERSE, back))


def _recurrent_part(prefix: str, suffix: str, tensors: dict[str, NDArray[Any]]) -> _Part:
    for kind in ("weight_ih", "weight_hh"):
        if kind not in tensors:
            raise ModelError(f"tensor '{prefix}{kind}{suffix}' is missing")
        if tensors[kind].ndim != 2 or 0 in tensors[kind].shape:
            raise ModelError(
                f"tensor '{prefix}{kind}{suffix}' has shape {tensors[kind].shape}; "
                "a matrix is needed"
            )
    rows, hidden_size = tensors["weight_hh"].shape
    if rows == hidden_size:
        raise ModelError(
            f"tensor '{prefix}weight_hh{suffix}' has shape {(rows, hidden_size)}: a plain RNN, "
            "which is not supported yet; LSTM and GRU are"
        )
    if rows % hidden_size or rows // hidden_size not in CELL_OF_ROWS:
        raise ModelError(
            f"tensor '{prefix}weight_hh{suffix}' has shape {(rows, hidden_size)}; "
            "4 rows per column (LSTM) or 3 (GRU) are needed"
        )
    absent = tuple(b for b in ("bias_ih", "bias_hh") if b not in tensors)
    zeros = {b: np.zeros(rows, np.float32) for b in absent}
    cell_name = CELL_OF_ROWS[rows // hidden_size]
    return _Part(cell_name, f"{prefix}*{suffix}", {**tensors, **zeros}, absent)


def _dense_blocks(tensors: Tensors) -> list[_Block]:
    weights = [n for n in tensors if n == "weight" or n.endswith(".weight")]
    prefixes = sorted((n.removesuffix("weight") for n in weights), key=_natural)
    used = {prefix + kind for prefix in prefixes for kind in ("weight", "bias")}
    for name, array in tensors.items():
        if name not in used and not RECURRENT.fullmatch(name):
            raise ModelError(
                f"tensor '{name}' of shape {array.shape} belongs to no LSTM, GRU or dense layer; "
                "other layers are not supported"
            )
    return [_Block(p, (_dense_part(p, tensors),)) for p in prefixes]


def _dense_part(prefix: str, tensors: Tensors) -> _Part:
    weight, name = tensors[f"{prefix}weight"], f"{prefix}weight"
    kinds = {1: "a normalization or a loss", 3: "a convolution", 4: "a convolution"}
    if weight.ndim != 2 or 0 in weight.shape:
        kind = f", as of {kinds[weight.ndim]}" if weight.ndim in kinds else ""
        raise ModelError(
            f"tensor '{name}' has shape {weight.shape}{kind}; "
            "beside LSTM and GRU, dense layers (a matrix each) are supported"
        )
    bias = tensors.get(f"{prefix}bias")
    if bias is None and "emb" in prefix.lower():
        raise ModelError(f"tensor '{name}': an embedding is not supported yet")
    if bias is None:
        zeros = np.zeros(len(weight), np.float32)
        return _Part("dense", f"{prefix}*", {"weight": weight, "bias": zeros}, ("bias",))
    return _Part("dense", f"{prefix}*", {"weight": weight, "bias": bias}, ())


def _ordered(blocks: list[_Block]) -> tuple[Sequence[_Block], bool]:
    """The blocks as named if they chain so, else in the one order that chains, and whether else."""
    if not blocks:
        raise ModelError(
            "holds no weights under PyTorch's names: weight_ih_l0, weight_hh_l0 and so on"
        )
    if _chains(blocks):
        return blocks, False
    orders = [] if len(blocks) > MAX_ORDERED else _orders((), blocks)
    if len(orders) == 1:
        return orders[0], True
    parts = [part for block in blocks for part in block.parts]
    listed = ", ".join(f"'{p.file_name}' {p.kind} {p.sizes[0]} -> {p.sizes[1]}" for p in parts[:20])
    fits = "in more than one order" if orders else "in no order"
    raise ModelError(
        f"the sizes of the layers fit {fits}: {listed}; rename the modules in the order in which "
        "they run, or leave embeddings and other branches out"
    )


def _orders(done: tuple[_Block, ...], left: Sequence[_Block]) -> list[tuple[_Block, ...]]:
    if not left:
        return [done]
    return [
        order
        for k, block in enumerate(left)
        if _chains([*done, block])
        for order in _orders((*done, block), [*left[:k], *left[k + 1 :]])
    ]


def _chains(blocks: Sequence[_Block]) -> bool:
    sizes = [part.sizes for block in blocks for part in block.parts]
    return all(a[1] == b[0] for a, b in zip(sizes, sizes[1:], strict=False))


def _activations(parts: list[_Part], activation: str | None) -> list[str | None]:
    dense = [k for k, part in enumerate(parts) if part.kind == "dense"]
    if activation is not None and activation not in ACTIVATIONS:
        raise ModelError(
            f"activation '{activation}' is not supported; supported: {', '.join(ACTIVATIONS)}"
        )
    if activation is not None and not dense:
        raise ModelError(f"activation '{activation}' has no dense layer to stand behind")
    if activation is None and len(dense) > 1:
        names = ", ".join(f"'{parts[k].file_name}'" for k in dense)
        raise ModelError(
            f"holds the dense layers {names}, but not what stands between them; if it is the same "
            "behind each but the last, name it: --activation relu, in Python activation='relu' "
            f"(known: {', '.join(ACTIVATIONS)}); else write .onnx, or give the module to from_torch"
        )
    active = dense[:-1] if len(dense) > 1 else dense
    return [activation if k in active else None for k in range(len(parts))]


def _layer(part: _Part, name: str, activation: str | None) -> Layer:
    with at(f"'{part.file_name}'"):
        tensors = {
            kind: float32(array, part.file_name.replace("*", kind))
            for kind, array in part.tensors.items()
        }
        if part.kind == "dense":
            return Dense(name, tensors["weight"], tensors["bias"], activation)
        forward = Recurrent(
            name,
            part.kind,
            tensors["weight_ih"],
            tensors["weight_hh"],
            tensors["bias_ih"],
            tensors["bias_hh"],
        )
    if part.reverse is None:
        return forward
    backward = _layer(part.reverse, name + REVERSE, None)
    assert isinstance(backward, Recurrent)
    with at(f"'{part.file_name}'"):
        return Bidirectional(forward, backward)


def _assumed_layers(blocks: Sequence[_Block], reordered: bool) -> list[str]:
    sentences = []
    for part in (p for block in blocks for both in block.parts for p in (both, both.reverse) if p):
        if part.kind != "dense":
            gates = " ".join(CELLS[part.kind].gates)
            sentences.append(
                f"'{part.file_name}' is PyTorch's {part.kind.upper()}, with its gates in the order "
                f"{gates}"
            )
        sentences += [
            f"'{part.file_name.replace('*', kind)}' is absent: zeros" for kind in part.missing
        ]
    if len(blocks) > 1:
        why = ", the only one in which the sizes fit" if reordered else ""
        names = ", ".join(f"'{block.name}'" for block in blocks)
        sentences.append(f"the layers run in the order {names}{why}")
    return sentences


def _assumed_activation(parts: list[_Part], activations: list[str | None]) -> list[str]:
    sentences = []
    if parts[-1].kind == "dense" and activations[-1] is None:
        sentences.append(f"no activation stands behind '{parts[-1].file_name}'")
    if sum(part.kind == "dense" for part in parts) > 1:
        chosen = next(a for a in activations if a)
        sentences.append(f"{chosen} stands behind each dense layer but the last")
    return sentences


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts `l2` before `l10`."""
    pieces = re.split(r"([0-9]+)", name)
    return [(len(p.lstrip("0")), p.lstrip("0")) if k % 2 else (0, p) for k, p in enumerate(pieces)]
