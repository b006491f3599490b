"""What is read of the steps of integers: as of real values, but the mean, which is rounded.

The mean is a product with one row of equal weights, as FULLY_CONNECTED of int16 values computes it
in all runtimes alike; their MEAN of int8 values differs from one to the other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.layers.read_steps import READ
from edgelstm.quantization.fixedpoint import (
    multiplier16,
    quantize_multiplier,
    requantize64,
    saturate,
)
from edgelstm.quantization.scales import odd_scale

Array = NDArray[Any]

MEAN_WEIGHT = 127
MEAN_BITS = 15  # of the mantissa of the row's scale: all of those that a product may have
LIMITS = (-32768, 32767)  # nothing of int8 can leave its own


def mean_scale(steps: int) -> float:
    """Of the weights of a row that gives the mean of so many steps."""
    return odd_scale(1 / (MEAN_WEIGHT * steps), MEAN_BITS)


def mean_numbers(steps: int) -> tuple[int, int]:
    """(factor, right): the mean of so many is ``(sum * factor + 2^(right - 1)) >> right``."""
    if steps == 1:
        return 1, 0
    multiplier, shift = quantize_multiplier(mean_scale(steps))
    return MEAN_WEIGHT * multiplier16(multiplier), 15 - shift


def integer_mean(y: Array) -> Array:
    """(batch, steps, size) -> (batch, size), of the same scale; of one step that step."""
    if y.shape[1] == 1:
        return y[:, 0]
    sums = y.sum(1, np.int64) * MEAN_WEIGHT
    means = requantize64(sums, *quantize_multiplier(mean_scale(y.shape[1])))
    return np.asarray(saturate(means, LIMITS), y.dtype)


# As `READ`, of integers in the composed form.
INTEGERS = READ | {"mean": integer_mean}
