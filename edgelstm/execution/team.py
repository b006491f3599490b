"""One sequence in several threads: each computes its own units of every step.

Where the weights of a network do not fit into the cache that a core has for itself, threads that
read a share of them each can be faster than one that reads all. Whether they are is measured, call
by call.
"""

import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from edgelstm.execution.caches import private_bytes
from edgelstm.execution.stages import Call, Stage, cores, pool
from edgelstm.execution.trial import Trial

# Products of a call, per thread: up to here, waking threads costs more than they bring.
LEAST_MACS = 20_000_000
_trials: weakref.WeakKeyDictionary[Any, Trial] = weakref.WeakKeyDictionary()


def members(stages: Sequence[Stage]) -> int:
    """Threads whose private caches hold the weights of all layers, each a share; 1: no team.

    No more than there are cores, and 1 where the size of such a cache is not known.
    """
    cache_bytes = _private_bytes()
    if cache_bytes is None:
        return 1
    weight_bytes: int = sum(_shared_bytes(packed) for stage in stages for packed in stage.packed)
    return max(1, min(cores(), -(-weight_bytes // cache_bytes)))


_private_bytes = functools.cache(private_bytes)


def shares_units(stage: Stage) -> bool:
    """Whether each thread of a team computes units of its own there."""
    return any(_shared_bytes(packed) for packed in stage.packed)


def _shared_bytes(packed: Any) -> int:
    """Of weights that each thread reads its units of; dense layers have no states, and share rows.

    packed: A `kernels.pack_layer.Packed`, or a `kernels.pack_dense.PackedDense`.
    """
    if not packed.states or packed.has_phases:
        return 0
    return sum(array.nbytes for array in packed.arrays.values())


def trial_of(stages: Sequence[Stage]) -> Trial:
    """That of all sessions of a network: they have the packed weights of its layers in common."""
    every = [packed for stage in stages for packed in stage.packed]
    return _trials.setdefault(max(every, key=_shared_bytes), Trial())


@functools.cache
def _leading(process: int) -> threading.Lock:
    """Held by the only call of a process that has a team: two would wait for each other's cores."""
    return threading.Lock()


class TeamCall:
    """A call of one sequence that is a team's, or one thread's, as the trial has it.

    Attributes:
        alone: The call of one thread.
        most: Threads of a team.

    Args:
        alone, most: As above.
        make: Makes what a team runs, a `kernels.team_chain.TeamChain`, for so many steps.
        macs: Products of one step.
        trial: Of the network.
    """

    def __init__(
        self, alone: Call, make: Callable[[int], Any], most: int, *, macs: int, trial: Trial
    ) -> None:
        self.alone, self._make, self.most = alone, make, most
        self._macs, self._trial = macs, trial
        self._chain: Any = None
        self._asked: dict[int, list[Future[int]]] = {}  # by process

    @property
    def threads(self) -> int:
        """Of a call, once it is decided."""
        return self.most if self._trial.prefers_team else 1

    def __call__(self, x: Any, y: Any) -> int:
        """See `stages.Call`."""
        steps = x.shape[-2] if isinstance(x, np.ndarray) and x.ndim > 1 else 0
        if steps * self._macs <= LEAST_MACS * self.most or cores() == 1:
            return self.alone(x, y)
        if not self._trial.wants_team:
            return self._timed(self.alone, x, y, steps, team=False)
        lock = _leading(os.getpid())
        if not lock.acquire(blocking=False):
            return self.alone(x, y)
        try:
            return self._timed(self.lead, x, y, steps, team=True)
        finally:
            lock.release()

    def _timed(self, call: Call, x: Any, y: Any, steps: int, *, team: bool) -> int:
        begin = time.perf_counter()
        found = call(x, y)
        if found == 0:
            self._trial.note(1e6 * (time.perf_counter() - begin) / steps, team=team)
        return found

    def lead(self, x: Any, y: Any) -> int:
        """The call of a team: asks threads to come, and computes with those that do."""
        steps = x.shape[-2]
        if self._chain is None or not self._chain.holds(steps):
            self._chain = self._make(steps)
        lead = self._chain.call()
        self._ask(self._chain.help())
        found: int = lead(x, y)
        self._chain = None if self._chain.is_large else self._chain
        return found

    def _ask(self, help_once: Callable[[], int]) -> None:
        """Has as many threads come as there are places; who was asked before and waits counts."""
        asked = self._asked.setdefault(os.getpid(), [])
        asked[:] = [one for one in asked if not (one.running() or one.done())]
        try:
            while len(asked) + 1 < self.most:
                asked.append(pool(os.getpid()).submit(help_once))
        except RuntimeError:  # the process is ending, and starts no threads any more
            pass
