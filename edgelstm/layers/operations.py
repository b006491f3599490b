"""What a part of a network computes in one step: a list of operations, from its sizes alone.

The equations, the counts and the integers read this list; a kind of layer says it in its own file.
"""

import dataclasses
from collections.abc import Mapping
from typing import Protocol

from edgelstm.cells.spec import Op


@dataclasses.dataclass(frozen=True)
class Operations:
    """One step, or one vector of a part without states.

    Attributes:
        ops: In the order in which they run; `x` is what comes in.
        result: Which value goes out.
        sizes: Value to its number of elements.
        states: Names of what is kept from step to step; the first is the output.
        new_states: Which results become the states.
    """

    ops: tuple[Op, ...]
    result: str
    sizes: Mapping[str, int]
    states: tuple[str, ...] = ()
    new_states: tuple[str, ...] = ()


class Sizes(Protocol):
    """What the operations of a part hang on: hashable, so that what is made of it can be kept."""

    @property
    def kind(self) -> str:
        """Key of `LAYERS`."""

    @property
    def cell_name(self) -> str | None:
        """Key of `CELLS`; None of what is no cell."""

    @property
    def operations(self) -> Operations:
        """The list."""
