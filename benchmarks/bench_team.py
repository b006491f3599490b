"""One sequence by one thread, and by a team of threads: `python -m benchmarks.bench_team [ROUNDS]`.

A sequence of 100 steps in one call, from a NumPy array to a NumPy array, both ways in turns, on all
cores that the process may use. Wall time, as a team takes CPU time of several cores; each time is
the shortest of many, as what else runs on these cores only adds to it.
"""

import functools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.networks import PRECISIONS, STEPS, random_case
from benchmarks.report import markdown_row
from edgelstm.execution.backends import open_engine
from edgelstm.execution.team import TeamCall
from edgelstm.measurement import turns

ROUNDS = 101
NETWORKS = {
    "3 x LSTM 256": (256, 256, 256, 256),
    "LSTM 256 -> 512": (256, 512),
    "LSTM 512 -> 1024": (512, 1024),
}
HEADS = ["format", "threads", "one thread", "team", "one thread / team"]


def opened(network: Any) -> TeamCall:
    """The call of a sequence of real values, from the start."""
    call = open_engine(None, network, None).call(is_step=False, real=True)
    if not isinstance(call, TeamCall):
        raise SystemExit("no team: one core, or caches that are not known")
    return call


def check_same(network: Any, x: NDArray[Any]) -> None:
    """Two sequences by a team, one behind the other, are what one thread makes of them."""
    got, expected = (np.empty((len(x), network.output_size), np.float32) for _ in range(2))
    team, alone = opened(network), opened(network)
    for _ in range(2):
        assert team.lead(x, got) == alone.alone(x, expected) == 0
        assert np.array_equal(got, expected)


def cells(network: Any, x: NDArray[Any], n_rounds: int) -> list[str]:
    """Of a row: threads, microseconds per step, and the ratio."""
    check_same(network, x)
    call, y = opened(network), np.empty((len(x), network.output_size), np.float32)
    ways = [functools.partial(way, x, y) for way in (call.alone, call.lead)]
    found = turns.rounds(ways, [1, 1], np.random.default_rng(0))
    alone, team = np.min([next(found)[1] for _ in range(n_rounds)], axis=0) / len(x)
    return [str(call.most), f"{alone:.2f}", f"{team:.2f}", f"**{alone / team:.2f}**"]


def rows(n_rounds: int) -> Iterator[str]:
    """A table in Markdown."""
    yield markdown_row("network", HEADS)
    yield "|---|---|" + "---:|" * (len(HEADS) - 1)
    for title, sizes in NETWORKS.items():
        case = random_case(title, "lstm", sizes, None)
        for precision in PRECISIONS:
            yield markdown_row(
                title, [precision, *cells(case.networks[precision], case.x, n_rounds)]
            )


def main() -> None:
    """Prints the machine and the table."""
    n_rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    about = machine.machine()
    print(f"{about['cpu']}, {about['instruction_set']}; load {about['load']:.1f}")
    print(f"microseconds per step of {STEPS}, the shortest of {n_rounds} rounds\n")
    for row in rows(n_rounds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
