"""Activations between two fixed limits, which files of others hold: of real values, of integers."""

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.model import Operator
from edgelstm.formats.tflite.schema import ACTIVATIONS
from edgelstm.layers.activation import Activation
from edgelstm.quantization.scales import Scale

CLAMPS = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}


def fused_clamp(op: Operator) -> str | None:
    """What an operator's own activation is, if a clamp."""
    number = op.options.get("activation", 0)
    name = ACTIVATIONS[number] if 0 <= number < len(ACTIVATIONS) else ""
    return name if name in CLAMPS else None


def clamped(name: str, size: int, kind: str) -> Activation:
    """The layer of a clamp of real values."""
    return Activation(name, size, "clamp", CLAMPS[kind])


def of_integers(kind: str, scale: Scale) -> str | None:
    """What a clamp does that integers of a scale do not end at anyway: `relu`, or nothing.

    Its limits are rounded as every runtime rounds them: of a float32 ratio, halves away from zero.

    Raises:
        ModelError: It cuts at the upper limit, or below at another number than zero.
    """
    ratios = np.array(CLAMPS[kind], np.float32) / np.float32(scale.scale)
    away = np.copysign(np.floor(np.abs(ratios.astype(np.float64)) + 0.5), ratios)
    low, high = (scale.zero_point + int(limit) for limit in away)
    least, most = scale.limits
    is_relu = low == scale.zero_point
    if high < most or (low > least and not is_relu):
        raise ModelError(
            f"{kind} cuts its integers, whose scale is {scale.scale:.6g} and zero point "
            f"{scale.zero_point}, at {low} and {high}; read is one that ends where the type does, "
            "as converters calibrate it, or a relu"
        )
    return "relu" if is_relu else None
