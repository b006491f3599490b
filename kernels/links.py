"""Chains as they are put together: which stages, for which sequences, with which ends."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import chain, team
from edgelstm.kernels.cache import Kernel
from edgelstm.kernels.layer import KEPT_ROWS
from edgelstm.kernels.packing import CACHE_LINE, aligned
from edgelstm.kernels.simd.target import TILE_ROWS
from edgelstm.kernels.team import Team

Array = NDArray[Any]
Call = Callable[[Any, Any], int]
# For what goes from stage to stage, twice. On Zen 4 with 1 MB of inner cache, three layers of 256
# units take 0.88 (float32) and 0.97 (hybrid, int8) of the time with 100 steps at once instead of
# KEPT_ROWS, as their weights leave that cache between chunks; two of 64 units 0.99 to 1.00.
BUFFER_BYTES = 1 << 17


@dataclasses.dataclass(frozen=True)
class Link:
    """A stage as a chain calls it for one set of sequences.

    Attributes:
        kernel: Of the signature `STAGE`.
        parameters: int64 (calls, slots), C order.
        owner: Holds the arrays that the parameters point to.
        row_bytes: Of a row that comes out.
        in_place: Whether y may lie where x does.
        by_rows: Whether a row that comes out depends on nothing but its own row.
        meets: Whether it is for a member of a team and computes the member's part.
    """

    kernel: Kernel
    parameters: Array
    owner: object
    row_bytes: int
    in_place: bool = False
    by_rows: bool = False
    meets: bool = False


@dataclasses.dataclass(frozen=True)
class End:
    """What goes into a chain, or comes out: values of a row, and their type."""

    size: int
    type: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """Of a row."""
        return self.size * self.type.itemsize


@dataclasses.dataclass(frozen=True)
class Form:
    """How a chain is called.

    Attributes:
        x, y: The ends.
        batch: Sequences.
        batched: Whether arrays have an axis of them.
        stepped: Whether x has an axis of steps.
        read_at: Stages in front of the last step's reading; None: y is that of every step.
        finite: Whether x must be finite.
    """

    x: End
    y: End
    batch: int
    batched: bool
    stepped: bool
    read_at: int | None
    finite: bool


class Chain:
    """A chain for the sets of sequences of one worker, or for a member of a team.

    Args:
        form, sets: What it computes.
        leads: Address of the team that it leads, or 0.
        beside: The chain whose buffers it uses.
    """

    def __init__(
        self,
        form: Form,
        sets: dict[tuple[int, int], list[Link]],
        *,
        leads: int = 0,
        beside: "Chain | None" = None,
    ) -> None:
        assert not form.finite or form.x.type == np.float32
        every = list(sets.values())
        rows = max((link.row_bytes for links in every for link in links), default=0)
        most = max((count for _, count in sets), default=0)
        steps = max(KEPT_ROWS, BUFFER_BYTES // max(1, most * rows)) if form.stepped else 1
        n_bytes = steps * most * rows + CACHE_LINE
        self._buffers: list[Array] = (
            beside._buffers if beside else [aligned((n_bytes,), np.int8) for _ in range(2)]
        )
        self._links = every  # their parameters, states and code
        slots = _head(form, every, steps, leads)
        for (first, count), links in sets.items():
            slots += [first, count]
            for k, link in enumerate(links):
                is_last = k + 1 == len(links)
                slots += _stage(link, 0 if is_last else self._buffers[k % 2].ctypes.data)
        self._slots = np.array(slots, np.int64)

    @property
    def address(self) -> int:
        """Of its slots."""
        return self._slots.ctypes.data

    def call(self) -> Call:
        """(x, y) -> what `run` returns; compiles the driver if it is not kept."""
        call = functools.partial(chain.driver().function, self._slots)
        call.__dict__["keeps"] = self  # whose addresses it holds
        return call


class TeamChain:
    """A chain for each member of a team, for one sequence.

    Args:
        form: What they compute.
        most: Members.
        links: (number, address of its row) -> the links of a member.
    """

    def __init__(self, form: Form, most: int, links: Callable[[int, int], list[Link]]) -> None:
        self._team = Team(most)
        self._chains: list[Chain] = []
        for number in range(most):
            member = self._team.member(number)
            made = list(_of_member(links(number, member), member, form.x.row_bytes))
            leader = self._chains[0] if number else None
            address = 0 if number else self._team.address
            self._chains.append(Chain(form, {(0, 1): made}, leads=address, beside=leader))
        self._team.give_chains([one.address for one in self._chains])

    def call(self) -> Call:
        """The leader's: opens the team, and computes with those who come."""
        call = self._chains[0].call()
        call.__dict__["keeps"] = self
        return call

    def help(self) -> Callable[[], int]:
        """What another thread calls to come: its number, or 0 where it came too late."""
        call = functools.partial(chain.helper().function, self._team.words)
        call.__dict__["keeps"] = self
        return call


def _of_member(links: Sequence[Link], member: int, x_bytes: int) -> Iterator[Link]:
    """Links with those that do not meet wrapped: their rows are shared, or the leader's."""
    for link in links:
        if link.meets:
            yield link
        else:
            template = team.by_rows if link.by_rows else team.by_leader
            at, y_bytes = link.parameters.ctypes.data, link.row_bytes
            p = np.array([[link.kernel.address, at, member, x_bytes, y_bytes]], np.int64)
            yield Link(team.kernel(template), p, link, y_bytes)
        x_bytes = link.row_bytes


def _head(form: Form, every: Sequence[list[Link]], steps: int, leads: int) -> list[int]:
    links = every[0] if every else []
    read_at = form.read_at if form.stepped else None
    slots = {
        chain.ARRAY: id(np.ndarray),
        chain.X_TYPE: form.x.type.num,
        chain.Y_TYPE: form.y.type.num,
        chain.X_AXES: 1 + form.batched + form.stepped,
        chain.Y_AXES: 1 + form.batched + (form.stepped and read_at is None),
        chain.BATCHED: form.batched,
        chain.BATCH: form.batch,
        chain.STEPPED: form.stepped,
        chain.LAST: read_at is not None,
        chain.INPUTS: form.x.size,
        chain.OUTPUTS: form.y.size,
        chain.X_BYTES: form.x.row_bytes,
        chain.Y_BYTES: form.y.row_bytes,
        chain.FINITE: form.finite,
        chain.ALIKE: not form.batched
        and not form.stepped
        and (len(links) > 1 or links[0].in_place),
        chain.EVERY: len(links) if read_at is None else read_at,
        chain.STAGES: len(links),
        chain.LAST_BYTES: links[read_at - 1].row_bytes if read_at and links else form.x.row_bytes,
        chain.CHUNK: steps,
        chain.TEAM: leads,
        chain.SETS: len(every),
    }
    return [int(slots[k]) for k in range(chain.FIRST_SET)]


def _stage(link: Link, target: int) -> list[int]:
    p = link.parameters
    slots = (link.kernel.address, p.ctypes.data, p.strides[0], len(p), target, link.row_bytes)
    return [int(slot) for slot in slots]


def sets_of(batch: int, worker: int, workers: int) -> list[tuple[int, int]]:
    """First sequence and number of each set of one worker: TILE_ROWS, or one alone."""
    start, end = (batch * k // workers for k in (worker, worker + 1))
    together = (end - start) // TILE_ROWS
    alone = start + together * TILE_ROWS
    return [(start + k * TILE_ROWS, TILE_ROWS) for k in range(together)] + [
        (b, 1) for b in range(alone, end)
    ]
