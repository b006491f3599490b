"""What tells one format of numbers from another: a record that the format's own file fills."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels.cell_ops import Listing
from edgelstm.kernels.simd.target import LANES

Array = NDArray[Any]


def _nothing(h_units: int) -> dict[int, Array]:
    return {}


@dataclasses.dataclass(frozen=True, eq=False)
class Form:
    """A format of numbers, as kernels compute in it.

    Attributes:
        name: Goes into the names of kernels.
        type: Of x and y.
        state_types: Of h, and of the second state.
        per_word: Values of x or h in one word of a product: 1 float32, or 4 int8.
        order: Lanes of a vector -> units of a group as they lie in its one or two vectors; of
            packing.py.
        n_slots: Of a kernel's parameters.
        compute: See `cell_ops.Listing`.
        parts: Listing -> what templates leave open, by name; a function sees those before it.
        capture: See `cell_ops.Listing`; None: a step has one phase.
        scratch: Padded units of h -> arrays by slot, beside those that every format has.
        single: The same with groups of one vector; None: groups have two.
        last: Of the last group, where one vector of units is left for it; None: two all the same.
    """

    name: str
    type: np.dtype[Any]
    state_types: tuple[np.dtype[Any], np.dtype[Any]]
    per_word: int
    order: Callable[[int], NDArray[np.int64]]
    n_slots: int
    compute: Callable[[Listing, Any], Any]
    parts: Callable[[Listing], dict[str, Any]]
    capture: Callable[[int], Any] | None = None
    scratch: Callable[[int], dict[int, Array]] = _nothing
    single: "Form | None" = None
    last: "Form | None" = None

    @functools.cached_property
    def group(self) -> int:
        """Units that are computed at once."""
        return len(self.order(LANES))

    def of_last(self, units: int) -> "Form | None":
        """That of the last group, where it has its own for so many units."""
        return self.last if 0 < units % self.group <= LANES else None
