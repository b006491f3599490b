"""From an int8 or hybrid .onnx file that edgelstm wrote back to its network.

The integers are those of the file's constants; scales and all else stand in its metadata as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.cells.spec import trace
from edgelstm.errors import ModelError
from edgelstm.formats.description import Arrays, array_name
from edgelstm.formats.onnx import from_onnx
from edgelstm.formats.onnx.graph import WEIGHT_ZERO_POINT
from edgelstm.formats.onnx.integer import groups, stack_names
from edgelstm.formats.restored import restore
from edgelstm.layers.directions import REVERSE
from edgelstm.quantization.quantized import QuantizedNetwork

if TYPE_CHECKING:
    import onnx

KEY = "edgelstm"

Tensors = Mapping[str, "onnx.TensorProto"]


def read(model: onnx.ModelProto) -> QuantizedNetwork:
    """The network of a file whose metadata have the entry `KEY`.

    Raises:
        ModelError: The entry does not describe a network, or not that of the file's constants.
    """
    text = next(entry.value for entry in model.metadata_props if entry.key == KEY)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    try:
        described = json.loads(text)
        hybrid = described["precision"] == "hybrid"
        arrays: Arrays = {}
        for item in described["layers"]:
            name, reverse = str(item["name"]), bool(item.get("reverse"))
            if item["cell"] is None:
                arrays |= _dense_arrays(name, tensors)
                continue
            if hybrid:
                found = _hybrid_arrays(name, item["cell"], tensors, reverse)
            else:
                found = _integer_arrays(name, item["cell"], tensors)
            arrays |= {array_name(name, key): array for key, array in found.items()}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ModelError(
            f"metadata entry '{KEY}' does not describe the constants beside it "
            f"({type(error).__name__}: {error}); write the file again"
        ) from error
    network = restore(described, arrays)
    if not isinstance(network, QuantizedNetwork):
        raise ModelError(f"metadata entry '{KEY}' describes float32; int8 or hybrid is needed")
    return network


def _dense_arrays(name: str, tensors: Tensors) -> Arrays:
    weight, bias = _weight(tensors, f"{name}/weight"), _array(tensors, f"{name}/bias")
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _hybrid_arrays(name: str, cell: str, tensors: Tensors, reverse: bool) -> Arrays:
    """Both directions of a layer lie in one tensor."""
    node, direction = name.removesuffix(REVERSE) if reverse else name, int(reverse)
    bias_ih, bias_hh = np.split(_array(tensors, f"{node}/B")[direction], 2)
    found = {
        "weight_ih": _weight(tensors, f"{node}/W")[direction],
        "weight_hh": _weight(tensors, f"{node}/R")[direction],
        "bias_ih": bias_ih,
        "bias_hh": bias_hh,
    }
    return {key: from_onnx(array, cell) for key, array in found.items()}


def _integer_arrays(name: str, cell: str, tensors: Tensors) -> Arrays:
    """Gates in the cell's order, from the groups in which the loop multiplies them."""
    spec, blocks = CELLS[cell], {}
    for group in groups([op for op in trace(spec).ops if op.side]):
        side, (weight_name, bias_name) = group[0].side, stack_names(name, group)
        weight = _weight(tensors, weight_name)
        # the recurrent sums of a gate that add no bias of their own store none
        stored = side == "ih" or bias_name in tensors
        bias = _array(tensors, bias_name) if stored else np.zeros(len(weight), np.int32)
        for key, array in ((f"weight_{side}", weight), (f"bias_{side}", bias)):
            for op, block in zip(group, np.split(array, len(group)), strict=True):
                blocks[key, op.gate] = block
    keys = dict.fromkeys(key for key, _ in blocks)
    return {key: np.concatenate([blocks[key, gate] for gate in spec.gates]) for key in keys}


def _weight(tensors: Tensors, name: str) -> NDArray[np.int8]:
    """Int8 (..., rows, columns) from what is stored transposed, with zero point 128."""
    stored = _array(tensors, name)
    if stored.dtype != np.uint8:
        raise ValueError(f"'{name}' is {stored.dtype}; uint8 is needed")
    signed = stored.astype(np.int16) - int(WEIGHT_ZERO_POINT)
    return np.swapaxes(signed, -1, -2).astype(np.int8)


def _array(tensors: Tensors, name: str) -> NDArray[Any]:
    """A constant that stands in the file itself."""
    from onnx import TensorProto
    from onnx.numpy_helper import to_array

    if tensors[name].data_location == TensorProto.EXTERNAL:
        raise ValueError(f"'{name}' stands in another file")
    return to_array(tensors[name])
