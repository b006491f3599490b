"""What the compiler of equations knows of a cell: its list of operations, and their phases."""

import dataclasses
from collections.abc import Callable
from typing import Any

from numba.core.errors import TypingError


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is compiled.

    Attributes:
        name: Of the cell.
        equations: As in `edgelstm.cells.spec.CellSpec`.
        functions: `sigmoid`, `tanh`, `relu`: the objects that the equations call.
        gates: Letters, in the order of the weights.
        states: Names; the first is the output.
        new_states: Results that become the states.
        ops: In order: `edgelstm.cells.spec.Op`, or whatever has its attributes.
        roles: Value and role, see edgelstm/model/precision.py.
        clips: The new cell state is cut to the layer's limit.
        peepholes: Gates that have one, in the order of the weights.
        projects: h is multiplied by a matrix behind the equations.
    """

    name: str
    equations: Callable[..., Any]
    functions: dict[str, Callable[[Any], Any]]
    gates: tuple[str, ...]
    states: tuple[str, ...]
    new_states: tuple[str, ...]
    ops: tuple[Any, ...]
    roles: tuple[tuple[str, str], ...]
    clips: bool
    peepholes: tuple[str, ...] = ()
    projects: bool = False


@dataclasses.dataclass(frozen=True)
class Listing:
    """A cell in one format.

    Attributes:
        name: Of the cell and the format: no two listings share one.
        cell: Its operations.
        compute: (listing, operation) -> jitted (P, *vectors) -> vectors; of a `scale` also the
            first unit.
        capture: Phase -> jitted (P, vectors, first unit) that keeps what it multiplies; None in a
            format of one phase.
    """

    name: str
    cell: Cell
    compute: Callable[["Listing", Any], Any]
    capture: Callable[[int], Any] | None = None

    def role(self, value: str) -> str:
        """What a value is for."""
        return dict(self.cell.roles)[value]

    def find(self, kind: str, args: tuple[str, ...], gate: str | None = None) -> Any:
        """The operation that does this; a `TypingError` ends the compilation where none does."""
        for op in self.cell.ops:
            if (op.kind, op.args, op.gate) == (kind, args, gate):
                return op
        raise TypingError(f"{self.name}: the traced equations have no {kind} of {args}")

    def joined(self, gate: str) -> Any:
        """The add in which both products of a gate meet, and nothing else: one sum holds both."""
        products = {op.result for op in self.cell.ops if op.gate == gate}
        found = [op for op in self.cell.ops if op.kind == "add" and set(op.args) == products]
        used = [op for op in self.cell.ops if products & set(op.args)]
        return found[0] if len(products) == 2 and used == found else None


@dataclasses.dataclass(frozen=True)
class Phases:
    """When each product can be formed: one of a computed value needs it for all units first.

    Attributes:
        of: Result of a product of h, or of what stands for it, to its phase, from 0.
        values: What the products of each phase multiply.
    """

    of: dict[str, int]
    values: tuple[str, ...]


def phases_of(listing: Listing) -> Phases:
    """The phases of a step; a `TypingError` where a product has no place in them."""
    h = listing.cell.states[0]
    ready = dict.fromkeys(("x", *listing.cell.states), 0)
    of: dict[str, int] = {}
    values = {0: h}
    for op in listing.cell.ops:
        needs = max(ready[a] for a in op.args)
        if op.kind == "affine_hh":
            needs += op.args != (h,)
            of[op.result] = needs
            if values.setdefault(needs, op.args[0]) != op.args[0]:
                raise TypingError(f"{listing.name}: two values are multiplied in phase {needs}")
        elif op.kind == "affine_ih" and op.args != ("x",):
            raise TypingError(f"{listing.name}: weight_ih multiplies {op.args[0]}, which is not x")
        ready[op.result] = needs
    if len(listing.cell.states) > 2:
        raise TypingError(f"{listing.name}: {len(listing.cell.states)} states; two have a place")
    return Phases(of, tuple(values[k] for k in range(len(values))))
