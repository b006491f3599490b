"""Stages in a row as one compiled call, from the caller's array to the result."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.stages import UNFIT, Call, EndStage, Stage, share
from edgelstm.execution.team import TeamCall, members, shares_units, trial_of


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
        finite: Whether x must be finite.
        normal: float32 (2, values of a row) that its first stage normalises x by, or None.
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
        finite: bool = False,
        normal: NDArray[np.float32] | None = None,
    ) -> None:
        self._stages = [stage for stage in stages if stage]
        self._x, self._batch, self._batched, self._ends = x, batch, batched, (finite, normal)
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

    def threads(self, stage: Any) -> int:
        """That share the units of a stage in whole sequences; 1 as long as it is not decided."""
        call = self.__dict__.get("_sequence")
        if isinstance(call, TeamCall) and stage in self._stages and shares_units(stage):
            return call.threads
        return 1

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
        of_team = [] if is_step or self._most() == 1 else self.team_kernels()
        own = [link.kernel for each in links for link in each]
        return list(dict.fromkeys([*own, driver(), *of_team]))

    def team_kernels(self) -> list[Any]:
        """Every one that a team takes, which computes one sequence."""
        from edgelstm.kernels.team_chain import kernels

        if self._batch != 1:
            return []
        somebody = 1  # address of a row that nobody looks at
        return kernels(self._links(0, 0, 1, is_step=False, member=somebody))

    def _links(
        self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0
    ) -> list[Any]:
        """Those of all stages, in order."""
        stages = self._stages if is_step else self._read
        links = [s.links(worker, first, count, is_step=is_step, member=member) for s in stages]
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
            *self._ends,
        )
        calls: list[Call] = [Chain(form, sets).call() for sets in self._sets(is_step=is_step)]
        macs, size = sum(stage.macs for stage in self._stages), max(1, self._x[0])
        if len(calls) == 1:
            return calls[0] if is_step else self._shared(calls[0], form, macs)

        def call(x: Any, y: Any) -> int:
            if not isinstance(x, np.ndarray):
                return UNFIT
            return share(lambda k: calls[k](x, y), len(calls), x.size // size * macs)

        return call

    def _shared(self, alone: Call, form: Any, macs: int) -> Call:
        """A team's call of one sequence, if there can be a team, else that of one thread."""
        from edgelstm.kernels.team_chain import TeamChain

        if (most := self._most()) == 1:
            return alone
        make = functools.partial(TeamChain, form, most, self._member_links)
        return TeamCall(alone, make, most, macs=macs, trial=trial_of(self._stages))

    def _most(self) -> int:
        """Threads of a team; 1: none."""
        return members(self._stages) if self._batch == 1 else 1

    def _member_links(self, number: int, member: int) -> list[Any]:
        return self._links(number, 0, 1, is_step=False, member=member)
