"""What one direction of a recurrent layer computes, from its sizes alone."""

import dataclasses
import functools
from typing import ClassVar

from edgelstm.cells.spec import CellSpec, Op, Trace, trace
from edgelstm.layers.operations import Operations


@dataclasses.dataclass(frozen=True)
class RecurrentSizes:
    """What the operations of one direction hang on.

    Attributes:
        spec: Of its cell.
        input_size: Values per time step that come in.
        hidden_size: Units.
        projection_size: Values that a projection leaves of h; 0 without one.
        clips: Whether the cell state is clipped.
    """

    spec: CellSpec
    input_size: int
    hidden_size: int
    projection_size: int = 0
    clips: bool = False
    kind: ClassVar[str] = "recurrent"

    @property
    def cell_name(self) -> str:
        """Key of `CELLS`."""
        return self.spec.name

    @property
    def operations(self) -> Operations:
        """Those of the cell, with the clip of the cell state and the projection of h if any."""
        traced = _traced(self.spec, self.clips, self.projection_size > 0)
        states = self.spec.states
        sizes = dict.fromkeys((*states, *(op.result for op in traced.ops)), self.hidden_size)
        given = self.projection_size or self.hidden_size
        sizes |= {"x": self.input_size, states[0]: given, traced.new_states[0]: given}
        return Operations(traced.ops, traced.new_states[0], sizes, states, traced.new_states)


@functools.lru_cache(maxsize=64)
def _traced(spec: CellSpec, clips: bool, projects: bool) -> Trace:
    """A cell's operations with what a layer adds to them."""
    traced = trace(spec)
    if clips:
        traced = _clipped(traced, spec.states.index("c"))
    return _projected(traced) if projects else traced


def _clipped(traced: Trace, state: int) -> Trace:
    """The trace with a clip behind the new cell state; everything later reads the clipped value."""
    raw, cut = traced.new_states[state], "clipped"
    ops: list[Op] = []
    for op in traced.ops:
        args = tuple(cut if a == raw else a for a in op.args)
        ops.append(dataclasses.replace(op, args=args))
        if op.result == raw:
            ops.append(Op(cut, "clip", (raw,)))
    return Trace(tuple(ops), tuple(cut if v == raw else v for v in traced.new_states))


def _projected(traced: Trace) -> Trace:
    """The trace with a projection of the new h behind it."""
    raw, *rest = traced.new_states
    ops = (*traced.ops, Op("projected", "affine_hr", (raw,)))
    return Trace(ops, ("projected", *rest))
