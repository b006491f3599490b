"""The measuring process: it opens what takes turns, measures, and says so line by line.

Whatever ends it, the lines that came before are kept. Nothing else reaches standard output.
"""

import json
import math
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from edgelstm.measurement import clocks, reference_loops, turns
from edgelstm.measurement.job import Job, Values, Windows, read_job
from edgelstm.measurement.paced import jitter, paced
from edgelstm.measurement.plain import plain
from edgelstm.measurement.sharing import LEAST_SHARE, share
from edgelstm.measurement.trigger import Set, driven
from edgelstm.runtimes.child import end_with_parent, prepare
from edgelstm.runtimes.runtime import Calling

Tell = Callable[[dict[str, Any]], None]
Opened = dict[int, Callable[[], Any]]
PACED_S, PACED_SHARE = 5.0, 0.2  # of one engine; of the whole, all of them together
JITTER_SHARE, JITTER_S = 0.05, 0.5  # of the whole; of one engine, see `paced`
SLOWEST_S = 5.0  # a call that takes longer is not measured


def main(folder: str) -> int:
    """Does the job that lies in a folder; returns the exit code."""
    end_with_parent()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as lines:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        job, arrays = read_job(pathlib.Path(folder))
        if job.cpu is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {job.cpu})
        measure(job, arrays, lambda told: _write(lines, told))
    return 0


def _write(lines: IO[str], told: dict[str, Any]) -> None:
    lines.write(json.dumps(told) + "\n")
    lines.flush()


def measure(job: Job, arrays: dict[str, Values], tell: Tell) -> None:
    """Opens, warms, takes turns, then steps one by one, then windows; says each as it is done."""
    opened: Opened = {}
    for k, entrant in enumerate(job.entrants):
        if k in job.refused:
            continue
        tell({"opening": k})
        states = {name: arrays[f"{k} state {name}"] for name in entrant.states}
        calling = Calling(arrays[f"{k} x"], states, job.threads)
        call = prepare(entrant.preparer, entrant.path, calling)
        start = time.perf_counter()
        call()
        took = time.perf_counter() - start
        if job.until is None and took > SLOWEST_S:
            told = f"one call takes {took:.1f} s; at most {SLOWEST_S:g} s are measured"
            tell({"refused": k, "reason": told})
        else:
            opened[k] = call
    if job.seconds and opened:
        _rounds(job, opened, tell)
    with driven(job.trigger) as set_pin:
        for windows in job.windows:
            if windows.entrant in opened:
                _windows(windows, opened[windows.entrant], set_pin, tell)
    tell({"done": True})


def _rounds(job: Job, opened: Opened, tell: Tell) -> None:
    """Warms, then takes turns; the last process also makes steps singly and once a period."""
    now, opening_s = time.time(), time.time() - job.begun
    tell({"warming": True, "until": job.until or now + job.seconds})
    end = time.perf_counter() + (job.until or now + job.seconds) - now
    n, calls = len(job.entrants), dict(opened)
    calls |= {n: reference_loops.computing(), n + 1: reference_loops.streaming(job.last_level_kib)}
    counts = _warmed(job, calls, tell)
    steps = [k for k in opened if job.entrants[k].is_step]
    n_paced = len(steps) if job.pace_all else len({job.entrants[k].group for k in steps})
    paced_s = min(PACED_S, PACED_SHARE * job.seconds / n_paced) if n_paced else 0.0
    jitter_s = min(JITTER_SHARE * job.seconds, JITTER_S * len(steps))
    turns_end, now = end - n_paced * paced_s, time.perf_counter()
    left_s = turns_end - now - jitter_s
    ours = share(left_s, opening_s, job.most_processes - 1, LEAST_SHARE * job.seconds)
    tell({"following": ours.following})
    if ours.following:
        rounds = math.ceil(job.most_rounds / (ours.following + 1))
        _turns(job, (calls, counts), (now + ours.turns_s, rounds), tell)
        return
    for k in steps:
        found = jitter(opened[k], clocks.clock_cost_ns(clocks.wall_clock), jitter_s / len(steps))
        tell({"jitter": k, "found": plain(found)})
    seen = _turns(job, (calls, counts), (turns_end, job.most_rounds), tell)
    fastest = {}
    for k in sorted(steps, key=lambda k: -seen[k]):
        fastest[job.entrants[k].group] = k
    for k in steps if job.pace_all else sorted(fastest.values()):
        tell({"pacing": k})
        tell({"paced": k, "found": plain(paced(opened[k], job.period_ms, paced_s))})


def _warmed(job: Job, calls: Opened, tell: Tell) -> dict[int, int]:
    """Calls of a batch of each; the first process also waits until all of them are warm."""
    cost = max(clocks.clock_cost_ns(c) for c in (clocks.cpu_clock, clocks.wall_clock))
    batch_ns = clocks.least_batch_ns(cost)
    counts = {k: clocks.batch_size(call, batch_ns) for k, call in calls.items()}
    for k, call in calls.items():
        if job.until is None:
            clocks.settle(call, counts[k])
        tell({"batch": k, "calls": counts[k]})
    return counts


def _turns(
    job: Job, taking: tuple[Opened, dict[int, int]], until: tuple[float, int], tell: Tell
) -> dict[int, float]:
    """Rounds until a time or a number of them; the median CPU time of each."""
    (calls, counts), (end, most_rounds) = taking, until
    keys, n = list(calls), 0
    taken: list[Any] = []
    start, cpu = time.perf_counter(), time.process_time()
    with turns.no_collection():
        each = turns.rounds(
            list(calls.values()), [counts[k] for k in keys], np.random.default_rng(job.seed)
        )
        while not n or (n < most_rounds and time.perf_counter() < end):
            times = next(each)
            taken.append(times[0])
            tell({"round": times.tolist(), "keys": keys if not n else None})
            n += 1
    wall = time.perf_counter() - start
    lost = max(0.0, 1 - (time.process_time() - cpu) / wall)
    tell({"others": lost if job.threads == 1 else None})
    return {k: statistics.median(row[at] for row in taken) for at, k in enumerate(keys)}


def _windows(asked: Windows, call: Callable[[], Any], set_pin: Set, tell: Tell) -> None:
    """Idle, windows of repeated calls, idle: their begins and ends in Unix time."""
    k = asked.entrant
    count = clocks.batch_size(call, 1e8 if asked.window_s > 1 else 1e6)
    _idle(k, asked.idle_s, tell)
    for _ in range(asked.n_windows):
        set_pin(True)
        calls, begin = 0, time.time()
        end = time.perf_counter() + asked.window_s
        while time.perf_counter() < end:
            for _ in range(count):
                call()
            calls += count
        over = time.time()
        set_pin(False)
        tell({"window": k, "begin": begin, "end": over, "calls": calls})
    _idle(k, asked.idle_s, tell)


def _idle(k: int, seconds: float, tell: Tell) -> None:
    begin = time.time()
    time.sleep(seconds)
    tell({"idle": k, "begin": begin, "end": time.time()})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
