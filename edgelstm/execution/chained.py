"""Stages in a row as one compiled call, from the caller's array to the result."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgelstm.execution.stages import UNFIT, Call, EndStage, Stage, share


class Chained:
    """Stages that one call runs, for `batch` sequences that are spread over workers.

    Args:
        stages: In order; None: the last step is read here.
        x: Values of a row that comes in, and their type.
        batch: Sequences.
        batched: Whether arrays have an axis of them.
        workers: Threads.
        y_steps: Of the result, see `kernels.links.Form`.
        reads: Whether anything is read of the steps.
        largest: Magnitude that float32 x may have; inf: it may also be what is not finite.
    """

    def __init__(
        self,
        stages: Sequence[Stage | None],
        x: tuple[int, np.dtype[Any]],
        batch: int,
        *,
        batched: bool = True,
        workers: int = 1,
        y_steps: tuple[int, ...] = (0,),
        reads: bool = False,
        largest: float = np.inf,
    ) -> None:
        self._stages = [stage for stage in stages if stage]
        self._x, self._batch, self._batched, self._largest = x, batch, batched, largest
        self._workers, self._y_steps, self._reads = workers, y_steps, reads
        last = self._stages[-1] if self._stages else None
        self._output = (last.output_size, last.type) if last else x
        self._read_at = list(stages).index(None) if None in stages else None
        self._read = self._stages
        if self._read_at == len(self._stages):
            self._read = [*self._stages, EndStage("copy", *self._output)]

    def call(self, *, is_step: bool) -> Call:
        """What runs sequences, or one step of each."""
        key = "_step" if is_step else "_sequence"
        if key not in self.__dict__:
            self.__dict__[key] = self._new_call(is_step=is_step)
        made: Call = self.__dict__[key]
        return made

    def kernels(self, *, is_step: bool) -> list[Any]:
        """Every `kernels.cache.Kernel` that such a call takes."""
        from edgelstm.kernels.chain import driver
        from edgelstm.kernels.links import sets_of

        # Of sets: others of the same size take the same.
        sizes: dict[int, tuple[int, int, int]] = {}
        for k in range(self._workers):
            for first, count in sets_of(self._batch, k, self._workers):
                sizes.setdefault(count, (k, first, count))
        links = [self._links(*one, is_step=is_step) for one in sizes.values()]
        return list(dict.fromkeys([*(link.kernel for each in links for link in each), driver()]))

    def _links(self, worker: int, first: int, count: int, *, is_step: bool) -> list[Any]:
        """Those of all stages, in order."""
        stages = self._stages if is_step else self._read
        links = [stage.links(worker, first, count, is_step=is_step) for stage in stages]
        return list(itertools.chain.from_iterable(links))

    def _sets(self, *, is_step: bool) -> list[dict[tuple[int, int], list[Any]]]:
        """Worker after worker: sequences that run side by side, and their links."""
        from edgelstm.kernels.links import sets_of

        return [
            {
                (first, count): self._links(k, first, count, is_step=is_step)
                for first, count in sets_of(self._batch, k, self._workers)
            }
            for k in range(self._workers)
        ]

    def _new_call(self, *, is_step: bool) -> Call:
        from edgelstm.kernels.links import Chain, End, Form

        before = self._stages[: self._read_at]
        form = Form(
            End(*self._x),
            End(*self._output),
            self._batch,
            self._batched,
            not is_step,
            None if self._read_at is None else sum(stage.n_links for stage in before),
            self._y_steps,
            self._reads,
            self._largest,
        )
        calls = [Chain(form, sets).call() for sets in self._sets(is_step=is_step)]
        if len(calls) == 1:
            return calls[0]
        macs, size = sum(stage.macs for stage in self._stages), max(1, self._x[0])

        def call(x: Any, y: Any) -> int:
            if not isinstance(x, np.ndarray):
                return UNFIT
            return share(lambda k: calls[k](x, y), len(calls), x.size // size * macs)

        return call
