"""Stages of the numba engine: a fused layer, or a program of several layers, with states."""

import concurrent.futures
import functools
import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.bytecode.builder import Program

States = dict[str, dict[str, NDArray[Any]]]
Step = Callable[[NDArray[Any], NDArray[Any]], bool]
# Below, waking a thread costs more than it brings.
LEAST_MACS_PER_WORKER = 2_000_000


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def writable(x: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """x as the kernels take it: C order, and not read-only, which is another type to numba."""
    x = np.ascontiguousarray(x, kind)
    return x if x.flags.writeable else x.copy()


def takes(y: Any, result: NDArray[Any]) -> bool:
    """Whether a result can be copied to y as it is."""
    if type(y) is not np.ndarray or y.shape != result.shape or y.dtype != result.dtype:
        return False
    return y.flags.writeable


@functools.cache
def _pool(process: int) -> concurrent.futures.ThreadPoolExecutor:
    """Of one process: threads do not go on in a fork."""
    return concurrent.futures.ThreadPoolExecutor(cores(), thread_name_prefix="edgelstm")


def _share(work: Callable[[int], None], workers: int, macs: int) -> None:
    """work(k) for k in range(workers), in threads where there is enough to do.

    The kernels release the GIL. Every sequence is computed by one thread: the bits do not depend on
    how many there are.
    """
    if macs < LEAST_MACS_PER_WORKER * workers:
        for k in range(workers):
            work(k)
        return
    started = []
    for k in range(workers):
        try:
            started.append(_pool(os.getpid()).submit(work, k))
        except RuntimeError:  # the process is ending, and starts no threads any more
            work(k)
    for done in started:
        done.result()


class Stage(Protocol):
    """Part of a network, see `backends.Engine`.

    Attributes:
        type: Of its results.
        output_size: Values per step that go out.
    """

    type: np.dtype[Any]
    output_size: int

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """(batch, steps, input_size) -> (batch, steps, output_size)."""

    def kernels(self) -> list[Any]:
        """Every `kernels.cache.Kernel` that `advance` takes."""

    def step_kernels(self) -> list[Any]:
        """Those of single steps."""

    def step_call(self) -> Step:
        """See `backends.Engine`."""

    def states(self) -> States:
        """Copies."""

    def set_states(self, new: States) -> None:
        """Takes the states of its layers."""

    def reset(self) -> None:
        """Every state back to its start."""


class FusedStage:
    """One layer with kernels of its own: recurrent, or dense, which has no states."""

    def __init__(self, name: str, packed: Any, batch: int, workers: int) -> None:
        self._name, self._packed, self._workers = name, packed, workers
        self._running = _running(packed, batch, workers)
        self.type: np.dtype[Any] = self._running.type
        self.output_size: int = packed.output_size

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Stage`."""
        if x.dtype != self.type or not (x.flags.c_contiguous and x.flags.aligned):
            x = np.array(x, self.type, order="C")
        batch, steps, _ = x.shape
        y = np.empty((batch, steps, self.output_size), self.type)
        if self._workers == 1:
            self._running.advance(0, x, y)
        else:
            macs = batch * steps * self._packed.macs
            _share(lambda k: self._running.advance(k, x, y), self._workers, macs)
        return y

    def kernels(self) -> list[Any]:
        """See `Stage`."""
        return list(self._running.kernels())

    def step_kernels(self) -> list[Any]:
        """See `Stage`."""
        return [self._packed.kernel("step")]

    def step_call(self) -> Step:
        """See `Stage`."""
        step: Step = self._running.step_call()
        return step

    def states(self) -> States:
        """See `Stage`."""
        found = {s: self._running.state(s) for s in self._packed.states}
        return {self._name: found} if found else {}

    def set_states(self, new: States) -> None:
        """See `Stage`."""
        for state in self._packed.states:
            self._running.set_state(state, new[self._name][state])

    def reset(self) -> None:
        """See `Stage`."""
        self._running.reset()


def _running(packed: Any, batch: int, workers: int) -> Any:
    """The sequences of a packed layer of either kind."""
    from edgelstm.kernels.pack_dense import PackedDense, RunningDense
    from edgelstm.kernels.state import Running

    kind = RunningDense if isinstance(packed, PackedDense) else Running
    return kind(packed, batch, workers)


class ProgramStage:
    """Layers that one of the program kernels runs, row by row."""

    def __init__(self, program: Program, batch: int, workers: int = 1) -> None:
        self._program, self._workers = program, workers
        self._macs = sum(
            w.size for w in self._program.constants[: 1 + (self._program.start.dtype != np.int16)]
        )
        self._values = np.empty((batch, self._program.start.size), self._program.start.dtype)
        integer = self._values.dtype == np.int16
        self._kernel = _integer_kernel() if integer else _float_kernel()
        # Scratch of the hybrid rounding, one per worker; integers need none.
        sizes = () if integer else (self._program.start.size,)
        self._scratch = [tuple(np.empty(n, np.int16) for n in sizes) for _ in range(workers)]
        self._input_size = program.input_size
        self.type: np.dtype[Any] = np.dtype(np.int8 if integer else np.float32)
        self.output_size = self._program.result.size
        self.reset()

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Stage`."""
        x = writable(x, self._values.dtype)
        y = np.empty((*x.shape[:2], self.output_size), x.dtype)
        ends = [len(x) * k // self._workers for k in range(self._workers + 1)]

        def work(k: int) -> None:
            part = slice(ends[k], ends[k + 1])
            self._call(self._values[part], self._scratch[k], x[part], y[part])

        _share(work, self._workers, x[..., 0].size * self._macs)
        return y.astype(self.type, copy=False)

    def _call(self, values: Any, scratch: tuple[Any, ...], x: Any, y: Any) -> None:
        program = self._program
        run = self._kernel.function
        run(program.rows, *program.constants, values, *scratch, x, y, program.result.start)

    def kernels(self) -> list[Any]:
        """See `Stage`."""
        return [self._kernel]

    step_kernels = kernels

    def step_call(self) -> Step:
        """See `Stage`."""
        kind = self._values.dtype
        x_row = np.empty((1, 1, self._input_size), kind)
        y_row = np.empty((1, 1, self.output_size), kind)
        result = np.empty(self.output_size, self.type)

        def step(x: NDArray[Any], y: NDArray[Any]) -> bool:
            if type(x) is not np.ndarray or x.shape != x_row.shape[2:] or x.dtype != self.type:
                return False
            if not takes(y, result):
                return False
            x_row[0, 0] = x
            self._call(self._values, self._scratch[0], x_row, y_row)
            y[...] = y_row[0, 0]
            return True

        return step

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


def _integer_kernel() -> Any:
    from edgelstm.kernels import integer_program

    return integer_program.kernel()


def _float_kernel() -> Any:
    from edgelstm.kernels import float_program

    return float_program.kernel()
