"""Stages of the numba engine: a fused layer, a program of several layers, an end of the network."""

import concurrent.futures
import functools
import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.bytecode.builder import Program
from edgelstm.quantization.scales import Scale

States = dict[str, dict[str, NDArray[Any]]]
# (x, y) -> 0 where y was computed; or, where nothing was done, UNFIT: the arrays do not fit, or how
# many values of x are not finite.
Call = Callable[[Any, Any], int]
UNFIT = -1
# Below, waking a thread costs more than it brings.
LEAST_MACS_PER_WORKER = 2_000_000


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def pool(process: int) -> concurrent.futures.ThreadPoolExecutor:
    """Of one process: threads do not go on in a fork."""
    return concurrent.futures.ThreadPoolExecutor(cores(), thread_name_prefix="edgelstm")


def share(work: Callable[[int], int], workers: int, macs: int) -> int:
    """The least of work(k) for k in range(workers), in threads where there is enough to do.

    The kernels release the GIL. Every sequence is computed by one thread: the bits do not depend on
    how many there are.
    """
    if macs < LEAST_MACS_PER_WORKER * workers:
        return min([work(k) for k in range(workers)])
    started, found = [], []
    for k in range(workers):
        try:
            started.append(pool(os.getpid()).submit(work, k))
        except RuntimeError:  # the process is ending, and starts no threads any more
            found.append(work(k))
    return min([*found, *(done.result() for done in started)])


class Stage(Protocol):
    """Part of a network that is called by its address, see kernels/chain.py.

    Attributes:
        type: Of its results.
        output_size: Values per step that go out.
        macs: Products of one step.
        n_links: Stages of a chain that it takes.
        packed: Weights as kernels read them, the same in all sessions of a network.
        road: How it is computed, in words.
    """

    type: np.dtype[Any]
    output_size: int
    macs: int
    n_links: int
    packed: tuple[Any, ...]
    road: str

    def links(
        self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0
    ) -> list[Any]:
        """The `kernels.links.Link`s for sequences side by side; `is_step`: for one step each.

        member: Address of the worker's row in a team that shares one sequence, or 0.
        """

    def states(self) -> States:
        """Copies."""

    def set_states(self, new: States) -> None:
        """Takes the states of its layers."""

    def reset(self) -> None:
        """Every state back to its start."""


class FusedStage:
    """One layer with kernels of its own: recurrent, or dense, which has no states."""

    n_links, road = 1, "kernel"

    def __init__(self, name: str, packed: Any, batch: int, place: Any = None) -> None:
        self._name, self._states = name, packed.states
        self._running = _running(packed, batch, place)
        self.type: np.dtype[Any] = self._running.type
        self.output_size: int = packed.output_size
        self.macs: int = packed.macs
        self.packed = (packed,)

    def links(
        self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0
    ) -> list[Any]:
        """See `Stage`."""
        return [self._running.link(worker, first, count, is_step=is_step, member=member)]

    def states(self) -> States:
        """See `Stage`."""
        found = {s: self._running.state(s) for s in self._states}
        return {self._name: found} if found else {}

    def set_states(self, new: States) -> None:
        """See `Stage`."""
        for state in self._states:
            self._running.set_state(state, new[self._name][state])

    def reset(self) -> None:
        """See `Stage`."""
        self._running.reset()


def _running(packed: Any, batch: int, place: Any) -> Any:
    """The sequences of a packed layer of either kind."""
    from edgelstm.kernels.links import Place
    from edgelstm.kernels.pack_dense import PackedDense, RunningDense
    from edgelstm.kernels.state import Running

    if isinstance(packed, PackedDense):
        return RunningDense(packed)
    return Running(packed, batch, place or Place(packed.output_size))


class ProgramStage:
    """Layers that one of the program kernels runs, row by row."""

    n_links, packed, road = 1, (), "program"

    def __init__(self, program: Program, batch: int, place: Any = None) -> None:
        from edgelstm.kernels import float_program, integer_program
        from edgelstm.kernels.links import Place

        self._program = program
        self._values = np.empty((batch, program.start.size), program.start.dtype)
        integer = self._values.dtype == np.int16
        self._module: Any = integer_program if integer else float_program
        self.macs = sum(w.size for w in program.constants[: 1 if integer else 2])
        self.type = np.dtype(program.types[1])
        self.output_size = program.result.size
        self._place = place or Place(self.output_size)
        # What the hybrid rounding writes to, one per worker.
        self._rounded: dict[int, NDArray[np.int16]] = {}
        self._constants = [np.ascontiguousarray(a) for a in (program.rows, *program.constants)]
        self.reset()

    def links(
        self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0
    ) -> list[Any]:
        """See `Stage`."""
        from edgelstm.kernels import integer_program
        from edgelstm.kernels.links import Link

        program, module = self._program, self._module
        p = np.zeros((count, module.N_SLOTS), np.int64)
        for k, array in enumerate(self._constants):
            p[:, 2 * k : 2 * k + 2] = array.ctypes.data, array.size
        n_bytes = self._values.strides[0]
        at = self._values.ctypes.data
        p[:, module.VALUES] = [at + b * n_bytes for b in range(first, first + count)]
        p[:, module.VALUES + 1] = program.start.size
        if module.VALUES + 2 < module.INPUTS:
            rounded = self._rounded.setdefault(worker, np.empty(program.start.size, np.int16))
            p[:, module.VALUES + 2 : module.INPUTS] = rounded.ctypes.data, rounded.size
        p[:, module.INPUTS], p[:, module.OUTPUTS] = program.input_size, self.output_size
        p[:, module.RESULT], p[:, module.START] = program.result.start, program.start.ctypes.data
        p[:, module.Y_ROW], p[:, module.REVERSED] = self._place.row_size, self._place.is_reversed
        p[:, module.ANEW] = self._place.begins_anew
        if self._module is integer_program:
            wide = [kind == "int16" for kind in program.types]
            p[:, module.X_IS_WIDE], p[:, module.Y_IS_WIDE] = wide
        place = self._place
        return [
            Link(
                module.kernel(),
                p,
                self,
                self.type,
                place,
                in_place=True,
                is_whole=place.is_reversed,
            )
        ]

    def states(self) -> States:
        """See `Stage`."""
        return {
            layer: {s: self._values[:, p.start : p.start + p.size].copy() for s, p in at.items()}
            for layer, at in self._program.states.items()
        }

    def set_states(self, new: States) -> None:
        """See `Stage`."""
        for layer, places in self._program.states.items():
            for state, p in places.items():
                self._values[:, p.start : p.start + p.size] = new[layer][state]

    def reset(self) -> None:
        """See `Stage`."""
        self._values[:] = self._program.start


class EndStage:
    """One of the templates of kernels/ends.py: without states, for every set of sequences the same.

    Args:
        template: Of `ends.TEMPLATES`.
        size: Values of a row.
        kind: Type of the result.
        scale: Of the integers that come in or go out.
        normal: float32 (2, size): mean and deviation that x is normalised by.
    """

    macs, n_links, packed, road = 0, 1, (), ""

    def __init__(
        self,
        template: str,
        size: int,
        kind: Any,
        *,
        scale: Scale | None = None,
        normal: NDArray[np.float32] | None = None,
    ) -> None:
        from edgelstm.kernels import ends

        self.type = np.dtype(kind)
        self.output_size = size
        self._kernel, self._normal = ends.kernel(template), normal
        self._scale = ends.scale_array(scale.scale) if scale else None
        count = size * self.type.itemsize if template == "copy" else size
        zero = scale.zero_point if scale else 0
        self._parameters = ends.row(count, zero, self._scale, normal)

    def links(
        self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0
    ) -> list[Any]:
        """See `Stage`."""
        from edgelstm.kernels.links import Link, Place

        p = np.repeat(self._parameters, count, 0)
        return [Link(self._kernel, p, self, self.type, Place(self.output_size), by_rows=True)]

    def states(self) -> States:
        """See `Stage`: none."""
        return {}

    def set_states(self, new: States) -> None:
        """See `Stage`."""

    def reset(self) -> None:
        """See `Stage`."""
