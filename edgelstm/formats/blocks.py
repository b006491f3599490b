"""The layers of a state dict, found by the names and shapes of its tensors."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.layers.directions import REVERSE

Tensors = Mapping[str, NDArray[Any]]

CELL_OF_ROWS = {4: "lstm", 3: "gru"}  # rows of weight_hh per column
RECURRENT = re.compile(r"(.*?)((?:weight|bias)_(?:ih|hh|hr))(_l[0-9]{1,4})?(_reverse)?", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Part:
    """One layer: `kind` is the cell's name or dense, `tensors` have the names that layers use."""

    kind: str
    file_name: str
    tensors: Tensors
    missing: tuple[str, ...]
    reverse: "Part | None" = None

    @property
    def sizes(self) -> tuple[int, int]:
        """Input and output size."""
        if self.kind == "dense":
            rows, columns = self.tensors["weight"].shape
            return columns, rows
        outputs = self.tensors["weight_hh"].shape[1] * (2 if self.reverse else 1)
        return self.tensors["weight_ih"].shape[1], outputs

    @property
    def text(self) -> str:
        """Name, kind and sizes, for errors."""
        return f"'{self.file_name}' {self.kind} {self.sizes[0]} -> {self.sizes[1]}"


@dataclasses.dataclass(frozen=True)
class Block:
    """The layers of one prefix, which follow each other.

    Attributes:
        name: The prefix; the first tensor's name where there is none, or where two blocks share it.
        parts: In the order in which they run.
        position: Of its first tensor in the file.
    """

    name: str
    parts: tuple[Part, ...]
    position: int

    @property
    def is_dense(self) -> bool:
        """Whether it is a dense layer."""
        return self.parts[0].kind == "dense"


def find_blocks(tensors: Tensors) -> list[Block]:
    """Recurrent blocks, then dense ones, each sorted by name with `l2` before `l10`.

    Raises:
        ModelError: A tensor that belongs to no layer, or none at all.
    """
    found = [*_recurrent_parts(tensors), *_dense_parts(tensors)]
    if not found:
        raise ModelError(
            "holds no weights under PyTorch's names: weight_ih_l0, weight_hh_l0 and so on"
        )
    prefixes = [prefix for prefix, _, _ in found]
    position = {name: k for k, name in enumerate(tensors)}
    blocks = []
    for prefix, parts, names in found:
        first = min(names, key=position.__getitem__)
        own = prefix.removesuffix(".") if prefixes.count(prefix) == 1 else ""
        blocks.append(Block(own or first, tuple(parts), position[first]))
    return blocks


def natural(name: str) -> list[tuple[int, str]]:
    """Sorts `l2` before `l10`: texts and, at odd places, numbers in turn."""
    pieces = re.split(r"([0-9]+)", name)
    return [(len(p.lstrip("0")), p.lstrip("0")) if k % 2 else (0, p) for k, p in enumerate(pieces)]


Found = tuple[str, Sequence[Part], Iterable[str]]  # prefix, layers, names of their tensors


def _recurrent_parts(tensors: Tensors) -> list[Found]:
    found: dict[tuple[str, bool], dict[str, dict[str, NDArray[Any]]]] = {}
    names: dict[tuple[str, bool], list[str]] = {}
    for name, array in tensors.items():
        match = RECURRENT.fullmatch(name)
        if not match:
            continue
        prefix, kind, layer, reverse = match.groups()
        if kind.endswith("hr"):
            raise ModelError(f"tensor '{name}': a projection is not supported yet")
        layers = found.setdefault((prefix, layer is None), {})
        layers.setdefault(layer or "", {})[kind + (reverse or "")] = array
        names.setdefault((prefix, layer is None), []).append(name)
    made: list[Found] = []
    for (prefix, single), layers in sorted(found.items(), key=lambda item: natural(item[0][0])):
        numbers = sorted(int(layer[2:] or 0) for layer in layers)
        if numbers != list(range(len(layers))):
            raise ModelError(f"'{prefix}weight_ih' has the layers {numbers}; some are missing")
        parts = [_both_directions(prefix, n, layers[n]) for n in sorted(layers, key=natural)]
        made.append((prefix, parts, names[prefix, single]))
    return made


def _both_directions(prefix: str, suffix: str, tensors: dict[str, NDArray[Any]]) -> Part:
    """The part, with its reverse direction where there is one."""
    back = {k.removesuffix(REVERSE): v for k, v in tensors.items() if k.endswith(REVERSE)}
    there = {k: v for k, v in tensors.items() if not k.endswith(REVERSE)}
    forward = _recurrent_part(prefix, suffix, there)
    if not back:
        return forward
    return dataclasses.replace(forward, reverse=_recurrent_part(prefix, suffix + REVERSE, back))


def _recurrent_part(prefix: str, suffix: str, tensors: dict[str, NDArray[Any]]) -> Part:
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
    return Part(cell_name, f"{prefix}*{suffix}", {**tensors, **zeros}, absent)


def _dense_parts(tensors: Tensors) -> list[Found]:
    weights = [n for n in tensors if n == "weight" or n.endswith(".weight")]
    prefixes = sorted((n.removesuffix("weight") for n in weights), key=natural)
    used = {prefix + kind for prefix in prefixes for kind in ("weight", "bias")}
    for name, array in tensors.items():
        if name not in used and not RECURRENT.fullmatch(name):
            raise ModelError(
                f"tensor '{name}' of shape {array.shape} belongs to no LSTM, GRU or dense layer; "
                "other layers are not supported"
            )
    return [
        (p, [_dense_part(p, tensors)], [p + k for k in ("weight", "bias") if p + k in tensors])
        for p in prefixes
    ]


def _dense_part(prefix: str, tensors: Tensors) -> Part:
    weight, name = tensors[f"{prefix}weight"], f"{prefix}weight"
    kinds = {1: "a normalization or a loss", 3: "a convolution", 4: "a convolution"}
    if weight.ndim != 2 or 0 in weight.shape:
        kind = f", as of {kinds[weight.ndim]}" if weight.ndim in kinds else ""
        raise ModelError(
            f"tensor '{name}' has shape {weight.shape}{kind}; "
            "beside LSTM and GRU, dense layers (a matrix each) are supported"
        )
    bias = tensors.get(f"{prefix}bias")
    if bias is None:
        zeros = np.zeros(len(weight), np.float32)
        return Part("dense", f"{prefix}*", {"weight": weight, "bias": zeros}, ("bias",))
    return Part("dense", f"{prefix}*", {"weight": weight, "bias": bias}, ())
