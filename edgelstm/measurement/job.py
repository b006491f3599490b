"""What the measuring process is told, and what it says: a folder of files, and lines of JSON."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.measurement.plain import plain, typed

JOB, ARRAYS = "job.json", "arrays.npz"
Values = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Called:
    """An entrant as the measuring process opens it; its arrays stand under its number.

    Attributes:
        group: What shares a fastest one that is paced: the precision, of steps alone; else None.
    """

    preparer: str
    path: str
    group: str | None
    is_step: bool
    states: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Windows:
    """Stretches of repeated calls of one entrant, with nothing before and behind them."""

    entrant: int
    idle_s: float
    window_s: float
    n_windows: int


@dataclasses.dataclass(frozen=True)
class Job:
    """What to do.

    Attributes:
        seconds: For rounds and paced steps together; 0 for none of both.
        most_rounds: Rounds end there, if not before.
        period_ms: Of paced steps; `pace_all`: of every step entrant, not of the fastest per group.
        cpu: Which it is pinned to; None: none.
        windows: What is repeated while a meter runs.
        trigger: Pin that is high meanwhile, as `--trigger` takes it; None: none.
        most_processes: That share rounds, this one included.
        begun: When this process was started, Unix time.
        until: When the seconds are over, Unix time; None: this is the first process, and they
            begin when it is open.
        refused: Entrants that the first process refused.
    """

    entrants: tuple[Called, ...]
    seconds: float
    most_rounds: int
    period_ms: float
    pace_all: bool
    threads: int
    cpu: int | None
    seed: int
    last_level_kib: float | None
    windows: tuple[Windows, ...] = ()
    trigger: str | None = None
    most_processes: int = 1
    begun: float = 0.0
    until: float | None = None
    refused: tuple[int, ...] = ()


def write_arrays(folder: pathlib.Path, arrays: dict[str, Values]) -> None:
    """For all processes that are started with the folder."""
    np.savez(folder / ARRAYS, **arrays)  # type: ignore[arg-type]


def write_job(folder: pathlib.Path, job: Job) -> None:
    """For the next process that is started with the folder."""
    (folder / JOB).write_text(json.dumps(plain(job)), "utf-8")


def read_job(folder: pathlib.Path) -> tuple[Job, dict[str, Values]]:
    """What was written for this process."""
    job = typed(Job, json.loads((folder / JOB).read_text("utf-8")))
    with np.load(folder / ARRAYS) as found:
        return job, dict(found)
