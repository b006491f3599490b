"""Integer operations with their numbers, as `lower` lists them: the only thing their readers know.

An operation names its rounding or its table by the function of `fixedpoint` that defines it.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgelstm.quantization.fixedpoint import Int64s
from edgelstm.quantization.quantized_direction import Integers
from edgelstm.quantization.rounding import ROUNDINGS, TABLES
from edgelstm.quantization.scales import Scale

Limits = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Rescale:
    """From an accumulator to a stored integer: ``clip(round(acc * ratio) + zero_point)``.

    Attributes:
        rounding: Key of `rounding.ROUNDINGS`.
        ratio: The real factor.
        zero_point: Added behind the rounding.
        limits: Smallest and largest result; None: it is not clipped.
    """

    rounding: str
    ratio: float
    zero_point: int
    limits: Limits | None

    @functools.cached_property
    def numbers(self) -> tuple[Any, ...]:
        """What the rounding takes of the ratio: multiplier and shift, a shift, or the ratio."""
        return ROUNDINGS[self.rounding].numbers(self.ratio)


@dataclasses.dataclass(frozen=True, eq=False)
class Product:
    """``rescale(weight @ (v - zero_point) + bias)``; a relu raises the lower limit.

    Attributes:
        result, args: Names of values; one argument.
        weight: int8 (rows, columns).
        weight_scale: What one step of it stands for.
        bias: int32 (rows,), or int64 where the sums are; None: nothing is added.
        zero_point, type: Of v as it is stored.
        rescale: Of the sums.
        side, gate: Whose block of weights it is, as in `cells.spec.Op`; None of a dense layer.
    """

    result: str
    args: tuple[str, ...]
    weight: Integers
    weight_scale: float
    bias: NDArray[Any] | None
    zero_point: int
    type: str
    rescale: Rescale
    side: str | None = None
    gate: str | None = None


@dataclasses.dataclass(frozen=True)
class Add:
    """``clip(a + b)``: both have the scale of the result."""

    result: str
    args: tuple[str, ...]
    limits: Limits


@dataclasses.dataclass(frozen=True)
class Sum:
    """``rescale(left(a * 2**HEADROOM) + sign * right(b * 2**HEADROOM))``: of any two scales.

    Both are taken to half of the coarser one's resolution, with HEADROOM bits below it.

    Attributes:
        result, args: Names of values; both have zero point 0.
        sign: 1, or -1 for a difference.
        left, right: Of the two arguments.
        rescale: Of the sum.
    """

    result: str
    args: tuple[str, ...]
    sign: int
    left: Rescale
    right: Rescale
    rescale: Rescale


HEADROOM = 15  # bits, of ADD and SUB of int16 in TensorFlow Lite


@dataclasses.dataclass(frozen=True)
class Mul:
    """``rescale(a * b)``: both have zero point 0."""

    result: str
    args: tuple[str, ...]
    rescale: Rescale


@dataclasses.dataclass(frozen=True)
class Table:
    """``values[v + len(values) / 2]``.

    Attributes:
        result, args: Names of values; one argument.
        function: Key of `rounding.TABLES`.
        numbers: What the function takes: log2 of v's scale, or v's scale and zero point.
        name: Where tables are stored by name; equal names are equal tables.
        type: Of the values.
    """

    result: str
    args: tuple[str, ...]
    function: str
    numbers: tuple[Any, ...]
    name: str
    type: str

    @property
    def values(self) -> Int64s:
        """The result for every v: 65536 of int16, 256 of int8."""
        return TABLES[self.function](*self.numbers)


@dataclasses.dataclass(frozen=True)
class Clip:
    """``clip(v)``: v has the scale of the result."""

    result: str
    args: tuple[str, ...]
    limits: Limits


@dataclasses.dataclass(frozen=True)
class Maximum:
    """``max(a, b)``: both have the scale of the result."""

    result: str
    args: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Constant:
    """A vector that is the same in each step: peephole weights, the 1 of 1 - v, a slope.

    Attributes:
        result, args: Names of values; no argument.
        values: int16 (size,).
    """

    result: str
    args: tuple[str, ...]
    values: Integers


@dataclasses.dataclass(frozen=True)
class Widen:
    """``v``: int8 as int16, with the same scale and zero point 0."""

    result: str
    args: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Narrow:
    """``rescale(v)``: int16 as int8."""

    result: str
    args: tuple[str, ...]
    rescale: Rescale


Operation = Product | Add | Sum | Mul | Table | Clip | Maximum | Constant | Widen | Narrow


@dataclasses.dataclass(frozen=True)
class Stored:
    """A vector at the ends of a list: what comes in, a state, what goes out.

    Attributes:
        name: Of the value.
        size: Elements.
        type: `int8` or `int16`.
        zero_point: The integer that stands for 0; a state begins there.
    """

    name: str
    size: int
    type: str
    zero_point: int


@dataclasses.dataclass(frozen=True, eq=False)
class Lowered:
    """A layer in integers, one step.

    Attributes:
        name: Of the layer.
        input, output: What comes in and what goes out, which is one of the results.
        states: Kept from step to step; none of a dense layer.
        new_states: Which results become the states.
        ops: In the order in which they run.
        scales: What the integers of each value stand for.
    """

    name: str
    input: Stored
    output: Stored
    ops: tuple[Operation, ...]
    scales: Mapping[str, Scale]
    states: tuple[Stored, ...] = ()
    new_states: tuple[str, ...] = ()
