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
    weight_bytes: int = sum(stage.packed.shared_bytes for stage in stages if stage.packed)
    return max(1, min(cores(), -(-weight_bytes // cache_bytes)))


_private_bytes = functools.cache(private_bytes)


def trial_of(stages: Sequence[Stage]) -> Trial:
    """That of all sessions of a network: they have the packed weights of its layers in common."""
    every = [stage.packed for stage in stages if stage.packed]
    return _trials.setdefault(max(every, key=lambda packed: packed.shared_bytes), Trial())


@functools.cache
def _leading(process: int) -> threading.Lock:
    """Held by the only call of a process that has a team: two would wait for each other's cores."""
    return threading.Lock()


class TeamCall:
    """A call of one sequence that is a team's, or one thread's, as the trial has it.

    Args:
        alone: The call of one thread.
        make: Makes what a team runs, a `kernels.links.TeamChain`.
        most: Threads of a team.
        macs: Products of one step.
        trial: Of the network.
    """

    def __init__(
        self, alone: Call, make: Callable[[], Any], most: int, *, macs: int, trial: Trial
    ) -> None:
        self._alone, self._make, self._most = alone, make, most
        self._macs, self._trial = macs, trial
        self._asked: dict[int, list[Future[int]]] = {}  # by process

    def __call__(self, x: Any, y: Any) -> int:
        """See `stages.Call`."""
        steps = x.shape[-2] if isinstance(x, np.ndarray) and x.ndim > 1 else 0
        if steps * self._macs <= LEAST_MACS * self._most or cores() == 1:
            return self._alone(x, y)
        if not self._trial.wants_team:
            return self._timed(self._alone, x, y, steps, team=False)
        lock = _leading(os.getpid())
        if not lock.acquire(blocking=False):
            return self._alone(x, y)
        try:
            return self._timed(self._lead, x, y, steps, team=True)
        finally:
            lock.release()

    def _timed(self, call: Call, x: Any, y: Any, steps: int, *, team: bool) -> int:
        begin = time.perf_counter()
        found = call(x, y)
        if found == 0:
            self._trial.note(1e6 * (time.perf_counter() - begin) / steps, team=team)
        return found

    @functools.cached_property
    def _chain(self) -> Any:
        return self._make()

    def _lead(self, x: Any, y: Any) -> int:
        """Asks threads to come, and computes with those that do."""
        lead = self._chain.call()
        self._ask(self._chain.help())
        found: int = lead(x, y)
        return found

    def _ask(self, help_once: Callable[[], int]) -> None:
        """Has as many threads come as there are places; who was asked before and waits counts."""
        asked = self._asked.setdefault(os.getpid(), [])
        asked[:] = [one for one in asked if not (one.running() or one.done())]
        try:
            while len(asked) + 1 < self._most:
                asked.append(pool(os.getpid()).submit(help_once))
        except RuntimeError:  # the process is ending, and starts no threads any more
            pass
