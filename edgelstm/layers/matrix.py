"""A matrix of weights as it is stored: values, what they stand for, and what that costs."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

STORAGE_BITS = {"float32": 32, "int8": 8}  # of one value


@dataclasses.dataclass(frozen=True, eq=False)
class Matrix:
    """Weights of one gate and side, or of a dense layer.

    Attributes:
        values: (rows, columns), a view of what the layer holds.
        scale: Real size of one step of the values; None if they are real.
        storage: Key of `STORAGE_BITS`.
    """

    values: NDArray[Any]
    scale: float | None
    storage: str

    @property
    def macs(self) -> int:
        """Multiplications and additions of a product with a vector."""
        return int(self.values.size)

    @property
    def stored_bytes(self) -> int:
        """Bytes of the values."""
        return matrix_bytes(self.macs, self.storage)

    def dense(self) -> NDArray[np.float64]:
        """The real values, (rows, columns)."""
        wide = self.values.astype(np.float64)
        return wide if self.scale is None else wide * self.scale


def real(values: NDArray[np.float32]) -> Matrix:
    """A matrix of real values."""
    return Matrix(values, None, "float32")


def matrix_bytes(n_values: int, storage: str) -> int:
    """Bytes of a matrix of so many values in a storage."""
    return n_values * STORAGE_BITS[storage] // 8
