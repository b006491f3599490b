"""What a weight array must be: finite float32 or int8, with the axes that are needed."""

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError

INT8_WEIGHTS = (-127, 127)  # runtimes take int8 weights as symmetric


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


def check_int8(layer: str, name: str, array: NDArray[np.signedinteger]) -> None:
    """`ModelError` if the array holds -128."""
    if (array < INT8_WEIGHTS[0]).any():
        raise ModelError(
            f"layer '{layer}': {name} holds -128; int8 weights are -127..127, as runtimes multiply "
            "them; quantize the float network again"
        )


def survives_float32(value: float) -> bool:
    """Whether float32 neither rounds a positive value to zero nor to infinity."""
    with np.errstate(over="ignore"):
        return bool(0 < np.float32(value) < np.inf)
