"""Trainings on any executor: what the log holds is not trained again."""

import concurrent.futures
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.printable import one_line
from edgelstm.searching.log import Entry, Log
from edgelstm.searching.space import Candidate
from edgelstm.searching.working import Outcome, Trainer, Work, versions, work
from edgelstm.training.data import TrainingData


class Here(Executor):
    """Runs what is submitted at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def architecture(candidate: Candidate) -> str:
    """What is trained once, whatever the precision.

    >>> architecture(Candidate("lstm", 48, 1, "int8"))
    'lstm-48x1'
    """
    return candidate.key().removesuffix(f"-{candidate.precision}")


def seed_of(key: str, seed: int) -> int:
    """The trainer's seed: the same on every machine and worker, whatever came before.

    >>> seed_of("lstm-48x1", 0)
    1971374550
    """
    return int(hashlib.sha256(f"{key} {seed}".encode()).hexdigest()[:8], 16)


@dataclasses.dataclass
class Trainings:
    """Has candidates trained and keeps what comes back.

    Attributes:
        log: Of what is finished.
        executor: Where it takes place.
        data: What is trained on.
        trainer: A function, or ``module:function``.
        epochs: Of each.
        precisions: Architecture to those that are measured; float32 is always one.
        told: Called whenever a training ends.
        count: Trainings that took place.
        sent: How often the data were sent.
    """

    log: Log
    executor: Executor
    data: TrainingData
    trainer: Trainer | str
    epochs: int
    precisions: Mapping[str, Sequence[str]]
    told: Callable[[Entry], None] = lambda entry: None
    count: int = 0
    sent: int = 0

    def entry(self, candidate: Candidate, seed: int) -> Entry | None:
        """The finished training of an architecture, with every precision measured."""
        key = architecture(candidate)
        found = self.log.get((key, seed, self.epochs))
        if found is None or found.reason or set(self._measured(key)) <= set(found.scores):
            return found
        return None

    def run(self, candidates: Iterable[Candidate], seed: int) -> None:
        """Trains what is not in the log yet, side by side; returns when all is in it.

        Raises:
            ModelError: A worker has other versions, or the executor is broken.
        """
        waiting: dict[Future[Outcome], Candidate] = {}
        try:
            for candidate in candidates:
                if self.entry(candidate, seed) is None:
                    first = self.sent == 0
                    waiting[self._submit(candidate, seed, with_data=first)] = candidate
            while waiting:
                done, _ = concurrent.futures.wait(
                    waiting, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    candidate = waiting.pop(future)
                    outcome = _outcome(future)
                    if outcome.refused:
                        raise ModelError(f"{outcome.refused}; install the same on all of them")
                    if outcome.needs_data:
                        again = self._submit(candidate, seed, with_data=True)
                        waiting[again] = candidate
                    else:
                        self._keep(candidate, seed, outcome)
        finally:
            for future in waiting:
                future.cancel()

    def _measured(self, key: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.precisions[key], "float32")))

    def _submit(self, candidate: Candidate, seed: int, *, with_data: bool) -> Future[Outcome]:
        key = architecture(candidate)
        known = self.log.get((key, seed, self.epochs))
        asked = Work(
            candidate,
            self._measured(key),
            self.data.digest,
            seed_of(key, seed),
            self.epochs,
            self.trainer,
            versions(),
            self.log.arrays(known) if known else None,
        )
        self.sent += with_data
        try:
            return self.executor.submit(work, asked, self.data if with_data else None)
        except RuntimeError as error:  # a broken or closed executor
            raise ModelError(f"the executor takes no more work: {error}") from None

    def _keep(self, candidate: Candidate, seed: int, outcome: Outcome) -> None:
        key = architecture(candidate)
        known = self.log.get((key, seed, self.epochs))
        entry = Entry(
            key,
            seed,
            self.epochs,
            outcome.scores,
            outcome.saturation,
            known.seconds if known else outcome.seconds,
            outcome.host,
            outcome.reason,
            known.weights if known else None,
        )
        self.count += known is None
        self.told(self.log.add(entry, None if known else outcome.arrays))


def _outcome(future: Future[Outcome]) -> Outcome:
    """What came back; a worker that was lost or took too long is a reason."""
    try:
        return future.result()
    except (concurrent.futures.BrokenExecutor, concurrent.futures.CancelledError) as error:
        raise ModelError(
            f"the executor is broken: {one_line(str(error)) or type(error).__name__}; what is "
            "finished stands in the log, start again"
        ) from None
    except Exception as error:  # whatever an executor says of a worker that was lost
        reason = one_line(f"{type(error).__name__}: {error}")
        return Outcome(reason=reason[:300])
