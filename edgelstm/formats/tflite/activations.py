"""From one operator of a .tflite file to an activation by itself, of reals or of integers."""

import math
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.formats.integers import check_activation
from edgelstm.formats.tflite.layers import NUMBERS, scale_of
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.layers.activation import Activation
from edgelstm.quantization.quantize_activation import made_of
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.scales import Scale

# Operator to the function and its numbers.
FIXED: dict[str, tuple[str, tuple[float, ...]]] = {
    "RELU": ("relu", ()),
    "RELU6": ("clamp", (0.0, 6.0)),
    "LOGISTIC": ("sigmoid", ()),
    "TANH": ("tanh", ()),
    "ELU": ("elu", (1.0,)),
}
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
    made = made_of(name, function, numbers, (into, _numbers(into)))
    layer = QuantizedActivation(
        name, size, made.function, made.numbers, into, _scale(result), _numbers(into)
    )
    check_activation(layer)
    return layer, joins


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
