"""A way into a whole network, from an array to an array, and those that edgelstm has."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.networks import Array, Case
from edgelstm.execution.session import Session

OURS = "edgelstm"


@dataclasses.dataclass(frozen=True, eq=False)
class Road:
    """What is timed: NumPy array in, NumPy array out.

    Attributes:
        runtime: Whose.
        interface: Which of its ways.
        precision: Of the weights: `float32`, `hybrid` or `int8`.
        mode: `step` goes on from where it is; `sequence` begins at the start.
        call: The whole of it; the result is new, or one array that the next call overwrites.
        lead: Axes that x has in front: of (steps, inputs), or of (inputs,) in a step.
        raw: Whether x and y are the int8 network's integers.
        reset: Back to the start of a sequence, for steps.
    """

    runtime: str
    interface: str
    precision: str
    mode: str
    call: Callable[[Array], Array]
    lead: Callable[[Array], Array] = lambda x: x
    raw: bool = False
    reset: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """Of the road, within its precision and mode."""
        return f"{self.runtime}, {self.interface}"

    def inputs(self, case: Case) -> list[Array]:
        """What it is called with, one after the other, to run the case's input once."""
        x = case.x_q if self.raw else case.x
        rows = list(x) if self.mode == "step" else [x]
        return [np.ascontiguousarray(self.lead(row)) for row in rows]

    def fault(self, case: Case) -> str | None:
        """Why it does not compute the case's network, or None."""
        expected = case.reals[self.mode]
        for _ in range(2):  # the second time whatever the first has left behind shows
            self.reset()
            found = [np.array(self.call(x)) for x in self.inputs(case)]
        got = np.concatenate([np.ravel(y) for y in found])
        if got.size != expected.size:
            return f"gives {got.size} values where {expected.size} are expected"
        is_ours = self.runtime == OURS
        return case.fault(self.precision, self.mode, got.reshape(expected.shape), exact=is_ours)


def ours(case: Case) -> Iterator[Road]:
    """`Session`, as users call it; int8 from real values and from raw integers."""
    for precision, network in case.networks.items():
        for raw in (False, True) if precision == "int8" else (False,):
            interface = "Session, raw int8" if raw else "Session"
            for mode in case.modes:
                call, reset = _session(network, mode, raw=raw)
                yield Road(OURS, interface, precision, mode, call, raw=raw, reset=reset)


def _session(network: Any, mode: str, *, raw: bool) -> tuple[Any, Callable[[], None]]:
    session = Session(network)
    if mode == "step":
        out = np.empty(network.output_size, np.int8 if raw else np.float32)
        return functools.partial(session.step, out=out), session.reset

    return from_start(session.run, session.reset), session.reset


def from_start(call: Callable[[Array], Array], reset: Callable[[], None]) -> Any:
    """A call that resets what keeps a state before it runs."""

    def sequence(x: Array) -> Array:
        reset()
        return call(x)

    return sequence


def steps_first(x: Array) -> Array:
    """(steps, inputs), or (inputs,) as one step, to (steps, 1, inputs)."""
    return np.atleast_2d(x)[:, None]
