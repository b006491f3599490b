"""int8 weights beside real values, as the real values that they stand for."""

import dataclasses

import numpy as np

from edgelstm.arguments import float32
from edgelstm.errors import ModelError
from edgelstm.formats.tflite.model import Operator, Tensor

AS_REALS = (
    "int8 weights beside real values are read as the real values that they stand for; a runtime "
    "rounds what they are multiplied with too"
)
WEIGHT = 1  # place among the inputs of a FULLY_CONNECTED


def real(tensor: Tensor) -> Tensor:
    """A constant of float32, or of int8 with a scale for all or for each row."""
    if tensor.type != "int8" or tensor.data is None:
        return tensor
    scales = np.asarray(tensor.scale if tensor.channels is None else tensor.channels, np.float32)
    rows = (len(tensor.data),) + (1,) * (len(tensor.shape) - 1)
    odd = tensor.zero_point or (tensor.per_channel and tensor.channel_axis)
    if tensor.scale is None or odd or scales.size not in (1, rows[0]):
        raise ModelError(
            f"tensor '{tensor.name}' is int8 with scales that are neither one nor one for each "
            "row, or a zero point that is not 0"
        )
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise ModelError(f"tensor '{tensor.name}' has a scale that is not above 0")
    wide = scales.astype(np.float64)
    values = tensor.data * (wide.reshape(rows) if wide.size > 1 else wide)
    return dataclasses.replace(
        tensor, type="float32", scale=None, channels=None, data=float32(values)
    )


def with_real_weights(op: Operator) -> Operator:
    """A FULLY_CONNECTED of real values whose int8 weights are real too."""
    x, weight = (*op.inputs, None, None)[:2]
    if x is None or weight is None or x.type != "float32" or weight.type != "int8":
        return op
    inputs = (*op.inputs[:WEIGHT], real(weight), *op.inputs[WEIGHT + 1 :])
    return dataclasses.replace(op, inputs=inputs)
