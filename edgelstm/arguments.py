"""What callers hand in, checked where it enters: arrays, whole numbers, types."""

from types import UnionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError

MOST_STEPS = 100_000  # of one call: runtimes keep every step of a layer in memory
MOST_COUNTED = 2**53  # what float64 still tells apart
FLOAT32, INT8 = np.dtype(np.float32), np.dtype(np.int8)


def array(value: Any, name: str) -> NDArray[Any]:
    """The value as an array of numbers, in this machine's order of bytes.

    Args:
        value: What NumPy makes an array of.
        name: How errors call it.

    Raises:
        ModelError: Lists of unequal lengths, texts, objects, tensors that NumPy cannot read.
    """
    if type(value) is np.ndarray and (value.dtype is FLOAT32 or value.dtype is INT8):
        return value  # nearly always, and soonest
    try:
        made = np.asarray(value)
    except Exception as error:  # tensors raise whatever their library raises
        raise ModelError(
            f"{name} is a {type(value).__name__}, not an array ({str(error).partition('.')[0]}); "
            "numbers in rows of equal length are needed"
        ) from None
    if made.dtype.kind not in "fiub":
        raise ModelError(f"{name} is of type {made.dtype}; numbers are needed")
    plain = np.dtype(made.dtype.type)  # the one object that kernels know a type by
    return made if made.dtype is plain else made.astype(plain)


def float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """As float32; what it cannot hold becomes infinite or NaN, for the caller to refuse."""
    if values.dtype is FLOAT32:
        return values
    with np.errstate(over="ignore", invalid="ignore"):  # invalid: a NaN that signals
        return values.astype(np.float32, copy=False)


def is_whole(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number of at least `least`; True is not one."""
    return (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)
    )


def check_whole(value: object, name: str, least: int = 1, most: int | None = None) -> None:
    """`ModelError` unless a value is a whole number of at least `least`, at most `most`."""
    if not is_whole(value, least):
        raise ModelError(f"{name} is {value!r}; a whole number of at least {least} is needed")
    if most is not None and value > most:  # type: ignore[operator]
        raise ModelError(f"{name} is above {most:,}; a whole number up to it is needed")


def check_type(value: object, kinds: type | UnionType, name: str, needed: str) -> None:
    """`ModelError` with what is needed unless a value is of one of the types."""
    if not isinstance(value, kinds):
        raise ModelError(f"{name} is a {type(value).__name__}; {needed}")
