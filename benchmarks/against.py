"""The kernels of this tree beside those of another: `python -m benchmarks.bench_kernels --against`.

Two processes, one per tree, take turns on one core: in each round both run the same row, one after
the other, and the ratio of their CPU times within the round counts. What slows the machine for a
while slows both. A row whose interval lies below LEAST is run again in fresh processes before it
counts, since where a process happens to put its arrays can cost as much as that.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edgelstm.measurement import clocks, ratios

LEAST = 0.97  # of the other tree's time over this tree's
BATCH_NS = 1e7  # processes take turns: where one begins, its caches are cold
DRAWS = 2_000
CHILD = pathlib.Path(__file__).with_name("against_child.py")
OWN = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Row:
    """The other tree's CPU time over this tree's: above 1, this tree is faster.

    Attributes:
        name: Of the contestant and of how it is run.
        ratio: Median of the ratios within a round.
        low, high: 95 % bootstrap interval of that median.
        own_us, other_us: Median microseconds of a call.
    """

    name: str
    ratio: float
    low: float
    high: float
    own_us: float
    other_us: float

    @property
    def is_slower(self) -> bool:
        """Whether this tree is slower than may be."""
        return self.high < LEAST


def pin() -> None:
    """This process to one core, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class Child:
    """A process that runs the rows of one tree when it is told to, and waits meanwhile."""

    def __init__(self, tree: pathlib.Path, size: tuple[int, int]) -> None:
        self._tree = tree
        self._process = subprocess.Popen(
            [sys.executable, CHILD, *map(str, size)],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        found = self._answer()
        if pathlib.Path(found["package"]).resolve() != tree / "edgelstm":
            self.close()
            raise SystemExit(f"{tree}: Python imports {found['package']} there")
        self.names: list[str] = found["names"]

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise SystemExit(f"{self._tree}: its process ended with {self._process.returncode}")
        return json.loads(line)

    def microseconds(self, name: str, calls: int) -> float:
        """CPU time of a call, of so many after one more."""
        assert self._process.stdin
        print(json.dumps([name, calls]), file=self._process.stdin, flush=True)
        return float(self._answer())

    def timed(self, name: str) -> tuple[Callable[[], None], float, Callable[[], int]]:
        """What `clocks.batch_size` takes: a call of a row, BATCH_NS, and the CPU time of its calls.

        Calls run when the clock is read, as many as were asked for since.
        """
        asked, taken_ns = 0, 0

        def call() -> None:
            nonlocal asked
            asked += 1

        def clock() -> int:
            nonlocal asked, taken_ns
            if asked:
                taken_ns += round(asked * 1e3 * self.microseconds(name, asked))
            asked = 0
            return taken_ns

        return call, BATCH_NS, clock

    def close(self) -> None:
        """Closes its input, at which it ends."""
        self._process.communicate()


def compare(
    other: pathlib.Path, size: tuple[int, int], rounds: int, chosen: Iterable[str] | None = None
) -> list[Row]:
    """Rows of one size; of `chosen` names, or those that both trees have."""
    own_child, other_child = (Child(tree, size) for tree in (OWN, other))
    with contextlib.closing(own_child), contextlib.closing(other_child):
        names = chosen or [name for name in own_child.names if name in other_child.names]
        return [_row(name, own_child, other_child, rounds) for name in names]


def _row(name: str, own: Child, other: Child, rounds: int) -> Row:
    calls = min(clocks.batch_size(*child.timed(name)) for child in (own, other))
    times = np.empty((rounds, 2))
    for k in range(rounds):
        # Who comes second finds the caches as the other left them: in turns.
        for place, child in ((0, own), (1, other))[:: 1 if k % 2 else -1]:
            times[k, place] = child.microseconds(name, calls)
    found = ratios.ratio(times[:, 0], times[:, 1], draws=DRAWS)
    own_us, other_us = np.median(times, axis=0)
    return Row(
        name,
        float(np.median(times[:, 1] / times[:, 0])),
        found.low,
        found.high,
        float(own_us),
        float(other_us),
    )


def run(other: pathlib.Path, sizes: Iterable[tuple[int, int]], rounds: int) -> int:
    """Prints a line per row; the exit code is 1 if one is slower than may be, twice."""
    pin()  # the children too
    print(f"{'other / this':>13s} {'95 % interval':>15s} {'this us':>10s} {'other us':>10s}")
    slower = False
    for size in sizes:
        rows = compare(other, size, rounds)
        _print(size, rows)
        again = [row.name for row in rows if row.is_slower]
        if again:
            print("again, in fresh processes:")
            rows = compare(other, size, rounds, again)
            _print(size, rows)
            slower |= any(row.is_slower for row in rows)
    return 1 if slower else 0


def _print(size: tuple[int, int], rows: list[Row]) -> None:
    for row in rows:
        mark = "  SLOWER" if row.is_slower else ""
        print(
            f"{row.ratio:13.3f} {row.low:7.3f}-{row.high:7.3f} {row.own_us:10.3f}"
            f" {row.other_us:10.3f}  {size} {row.name}{mark}",
            flush=True,
        )
