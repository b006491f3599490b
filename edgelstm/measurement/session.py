"""Measuring processes from outside: started, heard and ended one by one; what they said is kept."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.measurement.job import Job, Values, write_arrays, write_job
from edgelstm.measurement.plain import typed
from edgelstm.measurement.results import Jitter, Paced
from edgelstm.runtimes.isolation import how_it_ended, last_words

Tell = Callable[[str], None]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Of Unix time: a window of `calls`, or, with none, of idling."""

    begin: float
    end: float
    calls: int


@dataclasses.dataclass
class Record:
    """What the processes have said so far, by the number of the entrant.

    Attributes:
        rounds: Microseconds of a call, (2, entrants that took turns): CPU and wall time.
        processes: Of each round, the number of its process.
        keys: Which entrants took turns; behind them the two reference loops.
        batches: Calls of a batch in each process.
        lost: Of each process, the share of the time in which it did not run; None: not known.
        until: When all is to be over, Unix time.
        following: How many processes follow the one that runs.
        crashed: How one ended before it was done, or None.
        interrupted: The exit code of an interrupt, or None.
    """

    rounds: list[NDArray[np.float64]] = dataclasses.field(default_factory=list)
    processes: list[int] = dataclasses.field(default_factory=list)
    keys: list[int] = dataclasses.field(default_factory=list)
    batches: dict[int, list[int]] = dataclasses.field(default_factory=dict)
    refused: dict[int, str] = dataclasses.field(default_factory=dict)
    jitter: dict[int, Jitter | str] = dataclasses.field(default_factory=dict)
    paced: dict[int, Paced] = dataclasses.field(default_factory=dict)
    stretches: dict[int, list[Stretch]] = dataclasses.field(default_factory=dict)
    lost: list[float | None] = dataclasses.field(default_factory=list)
    started: int = 0
    until: float | None = None
    following: int = 0
    opening: int | None = None
    crashed: str | None = None
    interrupted: int | None = None
    done: bool = False

    @property
    def others(self) -> float | None:
        """Share of the time in which the processes did not run."""
        known = [share for share in self.lost if share is not None]
        return sum(known) / len(known) if known else None

    def times(self, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of an entrant: CPU and wall time of a call, (rounds,)."""
        found = np.array(self.rounds)[:, :, self.keys.index(k)]
        return found[:, 0], found[:, 1]

    def hear(self, told: dict[str, Any]) -> str | None:
        """One line of the process; what is going on where it begins something."""
        if "round" in told:
            self.keys = told["keys"] or self.keys
            self.rounds.append(np.array(told["round"]))
            self.processes.append(self.started)
        elif "batch" in told:
            self.batches.setdefault(told["batch"], []).append(told["calls"])
        elif "refused" in told:
            self.refused[told["refused"]] = told["reason"]
        elif "jitter" in told:
            found = told["found"]
            single = found if isinstance(found, str) else typed(Jitter, found)
            self.jitter[told["jitter"]] = single
        elif "paced" in told:
            self.paced[told["paced"]] = typed(Paced, told["found"])
        elif "window" in told or "idle" in told:
            k = int(told.get("window", told.get("idle", -1)))
            made = Stretch(told["begin"], told["end"], told.get("calls", 0))
            self.stretches.setdefault(k, []).append(made)
        else:
            return self._progress(told)
        if "round" in told and self.processes.count(self.started) == 1:
            n = self.started
            return "taking turns" if n == 1 else f"taking turns in process {n}"
        return None

    def _progress(self, told: dict[str, Any]) -> str | None:
        self.lost += [told["others"]] if "others" in told else []
        self.until = told.get("until", self.until)
        self.following = told.get("following", self.following)
        self.done = told.get("done", self.done)
        self.opening = told.get("opening", self.opening)
        if "pacing" in told:
            return "steps that come once a period"
        return "warming up" if "warming" in told and self.started == 1 else None


def measure(job: Job, arrays: dict[str, Values], folder: pathlib.Path, tell: Tell) -> Record:
    """Runs a job in processes of its own, one after the other.

    An interrupt ends it, and is part of the record, as is a crash.

    Args:
        job: What to do; `most_processes` is of all that follow, too.
        arrays: `K x` and `K state NAME` of entrant K.
        folder: For its files; exists.
        tell: What is going on.
    """
    write_arrays(folder, arrays)
    record = Record()
    try:
        while not record.started or (record.following and not record.crashed):
            record.started += 1
            record.done = False
            write_job(folder, _next(job, record))
            _listen(record, folder, job.threads, tell)
    except (KeyboardInterrupt, SystemExit) as error:  # `__main__` turns signals into the latter
        ended = error.code if isinstance(error, SystemExit) else None
        record.interrupted = ended if isinstance(ended, int) else 130
    return record


def _next(job: Job, record: Record) -> Job:
    """What is left to do."""
    return dataclasses.replace(
        job,
        most_processes=job.most_processes - record.started + 1,
        most_rounds=job.most_rounds - len(record.rounds),
        seed=job.seed + record.started - 1,
        begun=time.time(),
        until=record.until,
        refused=tuple(record.refused),
    )


def _listen(record: Record, folder: pathlib.Path, threads: int, tell: Tell) -> None:
    """Starts a process, and ends it when it has said all."""
    with open(folder / "stderr", "w+b") as stderr, _started(folder, threads, stderr) as process:
        for told in _lines(process):
            if text := record.hear(told):
                tell(text)
            if record.done:  # leaving takes runtimes up to a second, and is of no use
                return
        record.crashed = how_it_ended(process.wait(), last_words(stderr))


@contextlib.contextmanager
def _started(folder: pathlib.Path, threads: int, stderr: Any) -> Iterator["subprocess.Popen[str]"]:
    """In a session of its own: an interrupt from the terminal reaches this process alone."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-X", "utf8", "-m", "edgelstm.measurement.child", str(folder)],
        env={
            **os.environ,
            **dict.fromkeys(THREADS, str(threads)),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": path,
        },
        stdin=subprocess.PIPE,  # nothing is written to it: its end is this process's end
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe
            pipe.close()


def _lines(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stdout
    for line in process.stdout:
        if line.endswith("\n"):
            yield json.loads(line)
