"""What integers stand for, and how often calibration left their range."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.quantization.fixedpoint import log2, quantize_reals, short_scale


@dataclasses.dataclass(frozen=True)
class Scale:
    """What an integer stands for: ``real = scale * (integer - zero_point)``.

    Attributes:
        scale: A float32 value, kept as a Python float.
        zero_point: The integer that stands for 0.
        type: `int8`, `int16`: where it is stored, and so where it saturates.
    """

    scale: float
    zero_point: int
    type: str

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest stored integer."""
        info = np.iinfo(self.type)
        return int(info.min), int(info.max)

    @property
    def log2(self) -> int:
        """The exponent of a scale that is a power of two."""
        return log2(self.scale)

    def integer(self, real: float) -> int:
        """The stored integer that is nearest to a real value."""
        return int(quantize_reals(real, self.scale, self.zero_point, self.limits))

    def reals(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        """What integers stand for."""
        return np.asarray((integers.astype(np.float64) - self.zero_point) * self.scale, np.float32)


def wide(scale_log2: int) -> Scale:
    """An int16 scale that is a power of two, with zero point 0."""
    return Scale(2.0**scale_log2, 0, "int16")


def asymmetric8(low: float, high: float) -> Scale:
    """The int8 scale and zero point whose range holds low, high and 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return Scale(short_scale(1 / 255), -128, "int8")
    scale = short_scale(max((high - low) / 255, 2.0**-100))
    return Scale(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)), "int8")


def next_log2(scale: float) -> int:
    """The exponent of the next power of two: of the smallest that is not below `scale` > 0.

    >>> next_log2(0.25), next_log2(0.26)
    (-2, -1)
    """
    mantissa, exponent = math.frexp(scale)
    return exponent - (mantissa == 0.5)


def odd_scale(scale: float, bits: int) -> float:
    """The next scale whose mantissa is an odd integer of `bits` bits.

    >>> odd_scale(0.1, 4) == 13 / 128, odd_scale(0.125, 4) == 9 / 64
    (True, True)
    """
    mantissa, exponent = math.frexp(scale)
    whole = math.ceil(mantissa * 2**bits) | 1
    return math.ldexp(whole if whole < 2**bits else 2**bits + 2, exponent - bits)


def mantissa_bits(scale: float) -> int:
    """Bits of a float32 scale's mantissa from its first 1 to its last; 0 of a power of two.

    >>> mantissa_bits(0.25), mantissa_bits(13 / 128)
    (0, 4)
    """
    whole = int(math.frexp(scale)[0] * 2**24)
    last = (whole & -whole).bit_length() - 1
    return 0 if whole == 1 << last else 24 - last


def integer_clip(clip: float, scale: Scale) -> int:
    """The integer at which a cell state is cut, as TFLM and LiteRT truncate it; 0 for none."""
    return min(int(float(np.float32(clip)) / scale.scale), scale.limits[1])


@dataclasses.dataclass(frozen=True)
class Saturation:
    """How often a gate left the range of its integers during calibration.

    Attributes:
        values: Gate sums seen.
        sums_cut: Of these, how many left the range of their integers.
        recurrent_cut: How many recurrent parts (U h alone) left it; runtimes disagree there.
    """

    values: int
    sums_cut: int
    recurrent_cut: int
