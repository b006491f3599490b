"""Quantized layers out of their description, for restored.py; nothing in it is believed."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.description import array_name
from edgelstm.formats.stated import real, whole
from edgelstm.layers.activation import Activation
from edgelstm.layers.recurrent import Direction
from edgelstm.layers.weights import survives_float32
from edgelstm.model.forms import checked_plan
from edgelstm.model.precision import Precision
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection, weight_key
from edgelstm.quantization.scales import Saturation, Scale


def activation(item: Any, shape: Any, precision: Precision) -> Any:
    """An activation with its scales; what is real stays as it is."""
    if not isinstance(shape, Activation) or not precision.is_integer:
        return shape
    into, activated = _scale(item["input"]), _scale(item["activated"])
    if into is None or activated is None:
        raise ValueError(f"scales of layer '{shape.name}'")
    return QuantizedActivation(
        *(shape.name, shape.input_size, shape.function, shape.numbers),
        *(into, activated, precision, _scale(item.get("narrowed"))),
    )


def dense(item: Any, arrays: Mapping[str, NDArray[Any]], precision: Precision) -> QuantizedDense:
    """A quantized dense layer."""
    name = str(item["name"])
    return QuantizedDense(
        name,
        _typed(arrays, f"{name}.weight", "int8"),
        _typed(arrays, f"{name}.bias", precision.bias_type),
        _positive(item["weight_scale"]),
        _scale(item["input"]),
        _scale(item["linear"]),
        item["activation"],
        precision,
        _scale(item.get("narrowed")),
    )


def direction(
    item: Any, shape: Direction, arrays: Mapping[str, NDArray[Any]], precision: Precision
) -> QuantizedDirection:
    """A quantized direction, whose sizes are those of `shape`, its float twin."""
    plan = checked_plan(shape, precision)
    scales = {str(k): _scale(v) for k, v in item["scales"].items()}
    weight_scales = {str(k): _positive(v) for k, v in item["weight_scales"].items()}
    keys = {weight_key(op.side, op.gate) for op in plan.ops if op.side}
    if precision.is_integer:
        keys |= {weight_key("peephole", gate) for gate in shape.spec.peepholes}
    if set(weight_scales) != keys:
        raise ValueError(f"weight scales of layer '{shape.name}'")
    if precision.bias_type != "float32" and set(scales) != set(plan.roles):
        raise ValueError(f"scales of layer '{shape.name}'")
    saturation = {str(g): _saturation(s) for g, s in item["saturation"].items()}
    if not set(saturation) <= set(shape.spec.gates):
        raise ValueError(f"saturation of layer '{shape.name}'")
    return QuantizedDirection(
        plan,
        _typed(arrays, array_name(shape.name, "weight_ih"), precision.weight_type),
        _typed(arrays, array_name(shape.name, "weight_hh"), precision.weight_type),
        _typed(arrays, array_name(shape.name, "bias_ih"), precision.bias_type),
        _typed(arrays, array_name(shape.name, "bias_hh"), precision.bias_type),
        weight_scales,
        {k: v for k, v in scales.items() if v is not None},
        shape.cell_clip,
        saturation,
        _optional(arrays, array_name(shape.name, "weight_hr"), precision.weight_type),
        _optional(
            arrays,
            array_name(shape.name, "weight_peephole"),
            "int16" if precision.is_integer else "float32",
        ),
        shape.nonlinearity,
    )


def _optional(arrays: Mapping[str, NDArray[Any]], name: str, kind: str) -> NDArray[Any] | None:
    return _typed(arrays, name, kind) if name in arrays else None


def _saturation(stored: Any) -> Saturation:
    values, sums_cut, recurrent_cut = (whole(n, "saturation", (0, 2**53)) for n in stored)
    if not 0 < values >= max(sums_cut, recurrent_cut):
        raise ValueError(f"saturation {stored}")
    return Saturation(values, sums_cut, recurrent_cut)


def _typed(arrays: Mapping[str, NDArray[Any]], name: str, kind: str) -> NDArray[Any]:
    if arrays[name].dtype != kind:
        raise ModelError(f"array '{name}' is {arrays[name].dtype}; {kind} is needed")
    return arrays[name]


def _scale(stored: Any) -> Scale | None:
    if stored is None:
        return None
    scale, zero_point, kind = stored
    if kind not in ("int8", "int16"):
        raise ValueError(f"type {kind} of a scale")
    made = Scale(_positive(scale), 0, str(kind))
    return dataclasses.replace(made, zero_point=whole(zero_point, "zero point", made.limits))


def _positive(stored: Any) -> float:
    value = real(stored, "scale")
    if not survives_float32(value) or value != np.float32(value):
        raise ValueError(f"scale {value}, which is not a float32 above 0")
    return value
