"""From one operator of a .tflite file to an activation by itself, of reals or of integers."""

import math
from typing import Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.integers import check_activation
from edgelstm.formats.tflite.layers import NUMBERS, scale_of
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.formats.tflite.schema import ACTIVATIONS as FUSED
from edgelstm.layers.activation import Activation
from edgelstm.quantization.quantize_activation import made_of
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.scales import Scale

# Operator to the function and its numbers.
FIXED: dict[str, tuple[str, tuple[float, ...]]] = {
    "RELU": ("relu", ()),
    "RELU6": ("clamp", (0.0, 6.0)),
    "RELU_N1_TO_1": ("clamp", (-1.0, 1.0)),
    "LOGISTIC": ("sigmoid", ()),
    "TANH": ("tanh", ()),
    "ELU": ("elu", (1.0,)),
}
CLAMPS = ("RELU6", "RELU_N1_TO_1")  # which a product may have inside
CUTS = ("MINIMUM", "MAXIMUM")
READ = (*FIXED, *CUTS)
AnyActivation = Activation | QuantizedActivation


def read_activation(op: Operator, name: str, before: Any) -> tuple[AnyActivation, bool]:
    """The layer of an operator, and whether it is one with the layer before it.

    Args:
        op: Of `READ`.
        name: Of the layer.
        before: The layer in front of it: MINIMUM and MAXIMUM in a row are one clamp.

    Raises:
        ModelError: Limits that are no constant, scales that runtimes would not compute alike.
    """
    x, result = op.inputs[0], op.outputs[0]
    assert x is not None and result is not None
    into = None if x.type == "float32" else _scale(x)
    function, numbers = FIXED.get(op.name) or ("clamp", _limits(op, into))
    joins = op.name in CUTS and getattr(before, "function", None) == "clamp"
    if joins:
        given = before.numbers if isinstance(before, Activation) else before.given
        low, high = numbers
        numbers = tuple(min(max(limit, low), high) for limit in given)
        into = into and before.input
        name = before.name
    size = x.shape[-1]
    if into is None:
        return Activation(name, size, function, numbers), joins
    if op.name in CLAMPS:
        _check_limits(op.name, numbers, into)
    made = made_of(name, function, numbers, (into, _numbers(into)))
    layer = QuantizedActivation(
        name, size, made.function, made.numbers, into, _scale(result), _numbers(into)
    )
    check_activation(layer)
    return layer, joins


def fused_clamp(op: Operator) -> str | None:
    """What an operator's own activation is, if a clamp."""
    number = op.options.get("activation", 0)
    name = FUSED[number] if 0 <= number < len(FUSED) else ""
    return name if name in CLAMPS else None


def _check_limits(name: str, limits: tuple[float, ...], into: Scale) -> None:
    """`ModelError` where a limit lies so near to a tie that runtimes, in float32, round it up."""
    ratios = np.array(limits, np.float32) / np.float32(into.scale)
    away = np.copysign(np.floor(np.abs(ratios.astype(np.float64)) + 0.5), ratios)
    for limit, steps in zip(limits, away, strict=True):
        cut = min(max(into.zero_point + int(steps), into.limits[0]), into.limits[1])
        if cut != into.integer(limit):
            raise ModelError(f"{name}: {limit:g} lies between two integers of scale {into.scale}")


def _scale(tensor: Tensor) -> Scale:
    return scale_of(tensor, tensor.type if tensor.type == "int16" else "int8")


def _numbers(into: Scale) -> Any:
    return NUMBERS["int8" if into.type == "int8" else "int16x8"]


def _limits(op: Operator, into: Scale | None) -> tuple[float, float]:
    """Of MINIMUM or MAXIMUM with a constant, one value again and again."""
    limit = op.inputs[1] if len(op.inputs) == 2 else None
    data = None if limit is None else limit.data
    if limit is None or data is None or not data.size or (data != data.flat[0]).any():
        raise ModelError("its second input is not one number; a clip at a constant is read")
    if data.size not in (1, op.outputs[0].shape[-1] if op.outputs[0] else 1):
        raise ModelError("its second input has another size than what it cuts")
    if into is not None and _scale(limit) != into:
        raise ModelError("its limit has another scale or zero point than what it cuts")
    value = float(data.flat[0]) if into is None else float(into.reals(data).flat[0])
    return (-math.inf, value) if op.name == "MINIMUM" else (value, math.inf)
