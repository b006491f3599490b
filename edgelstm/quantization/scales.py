"""What integers stand for, and how often calibration left their range."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.quantization.fixedpoint import log2


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

    def reals(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        """What integers stand for."""
        return np.asarray((integers.astype(np.float64) - self.zero_point) * self.scale, np.float32)


@dataclasses.dataclass(frozen=True)
class Saturation:
    """How often a gate left the range of its integers during calibration.

    Attributes:
        values: Gate sums seen.
        sums_cut: Of these, how many left the range (+-8 for `int8`).
        recurrent_cut: How many recurrent parts (U h alone) left it; runtimes disagree there.
    """

    values: int
    sums_cut: int
    recurrent_cut: int
