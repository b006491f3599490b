"""What the tensors of a loop's body stand for, in one step of it."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.following.terms import Sum
from edgelstm.formats.tflite.model import Tensor

MOST_INTEGERS = 8  # of a vector that says where something is
FUSED = {0: None, 1: "relu", 4: "tanh"}  # places in `ACTIVATIONS`


@dataclasses.dataclass(frozen=True)
class Index:
    """How often the body has run before this step, and `ahead` more."""

    ahead: int

    def __add__(self, other: object) -> "Index":
        if isinstance(other, int):
            return Index(self.ahead + other)
        raise ModelError("adds up two numbers of steps")

    __radd__ = __add__


@dataclasses.dataclass(frozen=True, eq=False)
class Steps:
    """What comes in: a row for each step."""

    steps: int
    width: int


@dataclasses.dataclass(frozen=True, eq=False)
class Collected:
    """An array of a row for each step, as it was when the step began."""

    steps: int
    width: int


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """Rows of a `Collected`, from one number of steps to another."""

    of: Collected
    start: Any
    stop: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Written:
    """A `Collected` whose row of this step has been written."""

    of: Collected
    row: Sum


Value = Any  # Tensor (a constant), integers, Sum, Steps, Collected, Piece, Written
Integers = NDArray[np.object_]


def numbers(value: Value) -> Integers:
    """A few integers, constant or counted."""
    if isinstance(value, Tensor) and value.data is not None and value.data.size <= MOST_INTEGERS:
        if value.type in ("int32", "int64"):
            made: Integers = value.data.astype(np.int64).astype(object)
            return made
    elif isinstance(value, np.ndarray):
        return value
    raise ModelError("takes an index that is neither constant nor counted by the loop")


def vector(value: Value) -> Sum:
    """The values of one step: computed, or a constant row."""
    if isinstance(value, Sum):
        return value
    if isinstance(value, Tensor) and value.data is not None and value.type == "float32":
        size = value.data.size
        if not np.isfinite(value.data).all():
            raise ModelError(f"reads tensor '{value.name}', which holds values that are not finite")
        if value.shape in ((), (1,) * (len(value.shape) - 1) + (size,)):
            return Sum(size, {}, value.data.astype(np.float64).reshape(size))
    raise ModelError("takes something else than the values of one step in float32")
