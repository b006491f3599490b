"""What a weight array must be: float32, finite, with the axes that are needed."""

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError


def check_matrix(layer: str, name: str, array: NDArray[np.float32]) -> None:
    """`ModelError` unless the array is a matrix that holds values."""
    if array.ndim != 2 or 0 in array.shape:
        raise ModelError(
            f"layer '{layer}': {name} has shape {array.shape}; two axes, not empty, are needed"
        )


def check_values(layer: str, name: str, array: NDArray[np.float32]) -> None:
    """`ModelError` unless the array is float32 and finite."""
    if array.dtype != np.float32:
        raise ModelError(f"layer '{layer}': {name} is {array.dtype}; float32 is needed")
    once = array[tuple(slice(None if step else 1) for step in array.strides)]  # broadcast axes
    bad = int(once.size - np.isfinite(once).sum())
    if bad:
        raise ModelError(
            f"layer '{layer}': {name} holds {bad} values of {array.size} that are not finite; "
            "train again or repair the file"
        )
