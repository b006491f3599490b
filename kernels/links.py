"""Chains as they are put together: which stages, for which sequences, with which ends."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels import chain
from edgelstm.kernels.cache import Kernel
from edgelstm.kernels.layer import KEPT_ROWS
from edgelstm.kernels.packing import CACHE_LINE, aligned
from edgelstm.kernels.simd.target import TILE_ROWS

Array = NDArray[Any]
Call = Callable[[Any, Any], int]
# For what goes from stage to stage, twice. On Zen 4 with 1 MB of inner cache, three layers of 256
# units take 0.88 (float32) and 0.97 (hybrid, int8) of the time with 100 steps at once instead of
# KEPT_ROWS, as their weights leave that cache between chunks; two of 64 units 0.99 to 1.00.
BUFFER_BYTES = 1 << 17
# The same where every step of a sequence has to be there; more room is made for longer ones, and
# kept up to a size.
WHOLE_BYTES = 1 << 20
LARGEST_KEPT_BYTES = 1 << 24


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a stage's values stand in the rows that come out, alone or beside those of another.

    Attributes:
        row_size: Values of a whole row.
        first: Number of this stage's first one.
        is_reversed: Whether it runs from the last step to the first.
        begins_anew: Whether its states do in each call.
        is_beside: Whether the next stage reads what this one reads, and writes the same rows.
    """

    row_size: int
    first: int = 0
    is_reversed: bool = False
    begins_anew: bool = False
    is_beside: bool = False


@dataclasses.dataclass(frozen=True)
class Link:
    """A stage as a chain calls it for one set of sequences.

    Attributes:
        kernel: Of the signature `STAGE`.
        parameters: int64 (calls, slots), C order.
        owner: Holds the arrays that the parameters point to.
        type: Of what comes out.
        place: Where that stands.
        in_place: Whether y may lie where x does.
        by_rows: Whether a row that comes out depends on nothing but its own row.
        meets: Whether it computes its part as a member of a team, and waits there for the others.
        out_steps: Rows that come out; 0: as many as come in.
        is_whole: Whether it must see every step at once.
        for_steps: Prepares it for a number of steps, which may change from call to call.
    """

    kernel: Kernel
    parameters: Array
    owner: object
    type: np.dtype[Any]
    place: Place
    in_place: bool = False
    by_rows: bool = False
    meets: bool = False
    out_steps: int = 0
    is_whole: bool = False
    for_steps: Callable[[int], None] | None = None

    @property
    def row_bytes(self) -> int:
        """Of a whole row that comes out."""
        return self.place.row_size * self.type.itemsize


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
        read_at: Stages in front of which the last step alone goes on; None: every step does.
        y_steps: Of y: none, as it has no axis of them, or one number; 0: as many as x.
        reads: Whether anything is read of the steps.
        finite: Whether x must be finite, which is then float32.
        normal: float32 (2, values of a row) that the first stage normalises x by, or None.
    """

    x: End
    y: End
    batch: int
    batched: bool
    stepped: bool
    read_at: int | None
    y_steps: tuple[int, ...]
    reads: bool
    finite: bool
    normal: Array | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """A chain for so many steps at a time.

    Attributes:
        steps: That go from stage to stage together.
        slots: int64 (slots,), see chain.py.
        buffers: What they point to.
    """

    steps: int
    slots: Array
    buffers: list[Array]

    @property
    def is_large(self) -> bool:
        """Whether it is no longer kept than it is used."""
        return self.buffers[0].nbytes > LARGEST_KEPT_BYTES


class Chain:
    """A chain for the sets of sequences of one worker; one thread at a time may call it."""

    def __init__(self, form: Form, sets: dict[tuple[int, int], list[Link]]) -> None:
        assert not form.finite or form.x.type == np.float32
        self._form, self._sets = form, sets  # parameters, states and code of the links
        links = next(iter(sets.values()), [])
        self._is_whole = form.stepped and any(link.is_whole for link in links)
        row_bytes = max((link.row_bytes for link in links), default=0)
        step_bytes = max(1, row_bytes * max((count for _, count in sets), default=0))
        n_bytes = WHOLE_BYTES if self._is_whole else BUFFER_BYTES
        usual = max(KEPT_ROWS, n_bytes // step_bytes) if form.stepped else 1
        self._usual = self._present = self._prepare(self._laid_out(usual))

    def prepared(self, steps: int) -> Layout:
        """For a sequence of so many steps; its stages are prepared for that until the next one."""
        return self._prepare(self._laid_out(steps) if self._is_whole else self._usual)

    def _prepare(self, layout: Layout) -> Layout:
        for links in self._sets.values():
            for link, seen, _ in _steps_at(self._form, links, layout.steps):
                if link.for_steps:
                    link.for_steps(seen)
        return layout

    def _laid_out(self, steps: int) -> Layout:
        most = max((count for _, count in self._sets), default=0)
        every = list(self._sets.values())
        widest = 0  # bytes of a sequence
        for links in every:
            for link, _, made in _steps_at(self._form, links, steps):
                widest = max(widest, made * link.row_bytes)
        buffers = [aligned((most * widest + CACHE_LINE,), np.int8) for _ in range(2)]
        slots = _head(self._form, every, steps, is_whole=self._is_whole)
        for (first, count), links in self._sets.items():
            slots += [first, count]
            rows = 0  # that have come out before
            for k, link in enumerate(links):
                is_last = all(other.place.is_beside for other in links[k:-1])
                slots += _stage(link, 0 if is_last else buffers[rows % 2].ctypes.data)
                rows += not link.place.is_beside
        return Layout(steps, np.array(slots, np.int64), buffers)

    def call(self) -> Call:
        """(x, y) -> what `run` returns; compiles the driver if it is not kept."""
        function = chain.driver().function
        call = functools.partial(function, self._usual.slots)
        call.__dict__["keeps"] = self  # whose addresses it holds
        if not self._is_whole:
            return call

        def of_any_length(x: Any, y: Any) -> int:
            layout = self._present  # held here, should another thread lay out anew meanwhile
            found: int = function(layout.slots, x, y)
            if found == chain.UNPREPARED:
                self._present = layout = self.prepared(x.shape[-2])
                found = function(layout.slots, x, y)
                if layout.is_large:
                    self._present = self._prepare(self._usual)
            return found

        return of_any_length


def _steps_at(form: Form, links: Sequence[Link], steps: int) -> Iterator[tuple[Link, int, int]]:
    """Each link, the steps that it sees of so many, and those that come out."""
    for k, link in enumerate(links):
        if k == form.read_at and form.stepped:
            steps = 1
        made = link.out_steps or steps
        yield link, steps, made
        steps = steps if link.place.is_beside else made


def _head(form: Form, every: Sequence[list[Link]], steps: int, *, is_whole: bool) -> list[int]:
    links = every[0] if every else []
    read_at = form.read_at if form.stepped else None
    slots = {
        chain.ARRAY: id(np.ndarray),
        chain.X_TYPE: form.x.type.num,
        chain.Y_TYPE: form.y.type.num,
        chain.X_AXES: 1 + form.batched + form.stepped,
        chain.Y_AXES: 1 + form.batched + (form.stepped and len(form.y_steps)),
        chain.BATCHED: form.batched,
        chain.BATCH: form.batch,
        chain.STEPPED: form.stepped,
        chain.READ: form.stepped and form.reads,
        chain.LAST: read_at is not None,
        chain.Y_STEPS: form.y_steps[0] if form.y_steps else 1,
        chain.INPUTS: form.x.size,
        chain.OUTPUTS: form.y.size,
        chain.X_BYTES: form.x.row_bytes,
        chain.Y_BYTES: form.y.row_bytes,
        chain.FINITE: form.finite,
        chain.NORMAL: 0 if form.normal is None else form.normal.ctypes.data,
        chain.ALIKE: not form.batched
        and not form.stepped
        and (len(links) > 1 or links[0].in_place),
        chain.EVERY: len(links) if read_at is None else read_at,
        chain.STAGES: len(links),
        chain.LAST_BYTES: links[read_at - 1].row_bytes if read_at and links else form.x.row_bytes,
        chain.CHUNK: steps,
        chain.WHOLE: is_whole,
        chain.TEAM: 0,
        chain.EXACT: is_whole and any(link.for_steps for link in links),
        chain.SETS: len(every),
    }
    return [int(slots[k]) for k in range(chain.FIRST_SET)]


def _stage(link: Link, target: int) -> list[int]:
    p = link.parameters
    slots = {
        chain.FUNCTION: link.kernel.address,
        chain.PARAMETERS: p.ctypes.data,
        chain.APART: p.strides[0],
        chain.CALLS: len(p),
        chain.TARGET: target,
        chain.OFFSET: link.place.first * link.type.itemsize,
        chain.ROW_BYTES: link.row_bytes,
        chain.OUT_STEPS: link.out_steps,
        chain.BESIDE: link.place.is_beside,
    }
    return [int(slots[k]) for k in range(chain.STAGE_SLOTS)]


def sets_of(batch: int, worker: int, workers: int) -> list[tuple[int, int]]:
    """First sequence and number of each set of one worker: TILE_ROWS, or one alone."""
    start, end = (batch * k // workers for k in (worker, worker + 1))
    together = (end - start) // TILE_ROWS
    alone = start + together * TILE_ROWS
    return [(start + k * TILE_ROWS, TILE_ROWS) for k in range(together)] + [
        (b, 1) for b in range(alone, end)
    ]
