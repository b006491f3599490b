"""From an .onnx file that edgelstm wrote with a description back to its network.

The numbers are those of the file's constants; scales and all else stand in its metadata as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.cells.spec import CellSpec, Op, trace
from edgelstm.errors import ModelError
from edgelstm.formats.description import Arrays, array_name
from edgelstm.formats.onnx import from_onnx
from edgelstm.formats.onnx.graph import WEIGHT_ZERO_POINT
from edgelstm.formats.onnx.loop import LETTERS, groups, peephole_name, stack_names
from edgelstm.formats.restored import restore
from edgelstm.layers.directions import REVERSE
from edgelstm.model.network import Network
from edgelstm.model.precision import Precision, find_precision
from edgelstm.quantization.quantized import QuantizedNetwork

if TYPE_CHECKING:
    import onnx

KEY = "edgelstm"
TABLE = ("scale", "zero_point")


def read(model: onnx.ModelProto) -> Network | QuantizedNetwork:
    """The network of a file whose metadata have the entry `KEY`.

    Raises:
        ModelError: The entry does not describe a network, or not that of the file's constants.
    """
    text = next(entry.value for entry in model.metadata_props if entry.key == KEY)
    try:
        described = json.loads(text)
        name, form = str(described["precision"]), described.get("form")
        held = _Held(model, find_precision(name, form and str(form)))
        arrays: Arrays = {}
        for item in described["layers"]:
            name, reverse = str(item["name"]), bool(item.get("reverse"))
            if item.get("kind") is not None:
                arrays |= held.stateless(name, str(item["kind"]))
            elif item["cell"] is None:
                arrays |= held.dense(name)
            if item["cell"] is None:
                continue
            found = held.direction(name, item["cell"], reverse)
            arrays |= {array_name(name, key): array for key, array in found.items()}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ModelError(
            f"metadata entry '{KEY}' does not describe the constants beside it "
            f"({type(error).__name__}: {error}); write the file again"
        ) from error
    return restore(described, arrays)


class _Held:
    """The constants of a file."""

    def __init__(self, model: onnx.ModelProto, precision: Precision) -> None:
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self._stated = {entry.key: entry.value for entry in model.metadata_props}
        self._precision = precision

    def dense(self, name: str) -> Arrays:
        """Of a dense layer, by names in a state dict."""
        weight, bias = self._weight(f"{name}/weight"), self._array(f"{name}/bias")
        return {f"{name}.weight": weight, f"{name}.bias": bias}

    def stateless(self, name: str, kind: str) -> Arrays:
        """Of an embedding or a layer norm; a table of integers as what these stand for."""
        keys = {"embedding": ("weight",), "layer_norm": ("weight", "bias")}.get(kind, ())
        found = {f"{name}.{key}": self._array(f"{name}/{key}") for key in keys}
        for key, array in found.items():
            if array.dtype != np.float32:
                scale, zero_point = (float(self._stated[f"{KEY}.table_{k}"]) for k in TABLE)
                reals = (array.astype(np.float64) - zero_point) * scale
                found[key] = reals.astype(np.float32)
        return found

    def direction(self, name: str, cell: str, reverse: bool) -> Arrays:
        """Of a direction, by kind: those of an operator, or of a loop."""
        node = name.removesuffix(REVERSE) if reverse else name
        if f"{node}/W" in self._tensors:
            return self._operator(node, cell, int(reverse))
        return self._loop(name, CELLS[cell])

    def _operator(self, node: str, cell: str, direction: int) -> Arrays:
        """Both directions of a layer lie in one tensor."""
        bias_ih, bias_hh = np.split(self._array(f"{node}/B")[direction], 2)
        is_real = self._precision.weight_type == "float32"
        kept = self._array if is_real else self._weight  # int8 stands there transposed
        found = {
            "weight_ih": kept(f"{node}/W")[direction],
            "weight_hh": kept(f"{node}/R")[direction],
            "bias_ih": bias_ih,
            "bias_hh": bias_hh,
        }
        found = {key: from_onnx(array, cell) for key, array in found.items()}
        if f"{node}/P" in self._tensors:
            peepholes = self._array(f"{node}/P")[direction]
            found["weight_peephole"] = from_onnx(peepholes, cell, "peepholes")
        return found

    def _loop(self, name: str, spec: CellSpec) -> Arrays:
        """Gates in the cell's order, from the groups in which the loop multiplies them."""
        blocks: dict[tuple[str, str | None], NDArray[Any]] = {}
        for group in groups(op for op in trace(spec).ops if op.side):
            for key, array in self._group(name, group):
                for op, block in zip(group, np.split(array, len(group)), strict=True):
                    blocks[key, op.gate] = block
        keys = dict.fromkeys(key for key, _ in blocks)
        found = {key: np.concatenate([blocks[key, gate] for gate in spec.gates]) for key in keys}
        if spec.peepholes:
            rows = {op.gate: op.result for op in trace(spec).ops if op.kind == "scale"}
            weights = [self._array(peephole_name(name, rows[gate])) for gate in spec.peepholes]
            found["weight_peephole"] = np.concatenate(weights)
        projection = f"{name}/{LETTERS['hr']}"
        if projection in self._tensors:
            found["weight_hr"] = self._weight(projection)
        return found

    def _group(self, name: str, group: tuple[Op, ...]) -> Iterator[tuple[str, NDArray[Any]]]:
        side, (weight_name, bias_name) = group[0].side, stack_names(name, group)
        weight = self._weight(weight_name)
        yield f"weight_{side}", weight
        # merged with those of x where a gate adds both at once: then none are stored
        may_lack = side == "hh" and self._precision.weight_type == "int8"
        if may_lack and bias_name not in self._tensors:
            yield f"bias_{side}", np.zeros(len(weight), self._precision.bias_type)
        else:
            yield f"bias_{side}", self._array(bias_name)

    def _weight(self, name: str) -> NDArray[Any]:
        """(..., rows, columns) from what is stored transposed, int8 with zero point 128."""
        stored = np.swapaxes(self._array(name), -1, -2)
        if self._precision.weight_type == "float32":
            return np.ascontiguousarray(stored)
        if stored.dtype != np.uint8:
            raise ValueError(f"'{name}' is {stored.dtype}; uint8 is needed")
        return (stored.astype(np.int16) - int(WEIGHT_ZERO_POINT)).astype(np.int8)

    def _array(self, name: str) -> NDArray[Any]:
        """A constant that stands in the file itself."""
        from onnx import TensorProto
        from onnx.numpy_helper import to_array

        if self._tensors[name].data_location == TensorProto.EXTERNAL:
            raise ValueError(f"'{name}' stands in another file")
        return to_array(self._tensors[name])
