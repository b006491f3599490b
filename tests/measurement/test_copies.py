"""A copy that is 10 % slower is told from a true one, on a core that two other programs want too.

Not in CI, whose machines are others' as well: EDGELSTM_COPIES=1 pytest -s -m slow FILE
"""

import collections
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.measurement import clocks, ratios, turns
from edgelstm.measurement.machine import allowed_cpus
from tests.networks import random_network

RUNS, STEPS = 20, 100
KINDS = (("int8", "step", 12, 48), ("float32", "sequence", 128, 256), ("float32", "step", 256, 512))
Call = Callable[[], Any]

pytestmark = pytest.mark.skipif("EDGELSTM_COPIES" not in os.environ, reason="minutes of a core")


@pytest.fixture
def busy() -> Iterator[None]:
    """Two endless loops on the core that this process is pinned to."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {allowed_cpus()[-1]})
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
        os.sched_setaffinity(0, before)


def calls(precision: str, mode: str, inputs: int, hidden: int) -> tuple[Call, Call, Call]:
    """The true one, its copy, and one with 10 % more steps in a sequence."""
    network: Any = random_network("lstm", (inputs, hidden))
    x: Any = np.random.default_rng(0).standard_normal((STEPS * 11 // 10, inputs), np.float32)
    if precision != "float32":
        network = edgelstm.quantize(network, x[None], precision)
        x = np.clip(np.rint(x / network.input.scale), -128, 127).astype(np.int8)

    def call(sequence: Any) -> Call:
        session = edgelstm.Session(network)
        if mode == "step":
            row = sequence[0].copy()
            out = session.step(row)
            return lambda: session.step(row, out)
        return lambda: session.run(sequence)

    return call(x[:STEPS]), call(x[:STEPS]), call(x)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
def test_ten_percent_are_told_and_a_copy_is_not(
    kind: tuple[str, str, int, int], busy: None
) -> None:
    precision, mode, inputs, hidden = kind
    least = clocks.least_batch_ns(clocks.clock_cost_ns(clocks.cpu_clock))
    said = {(clock, who): collections.Counter[str]() for clock in (0, 1) for who in (1, 2)}
    for seed in range(RUNS):
        three = calls(precision, mode, inputs, hidden)
        count = clocks.batch_size(three[0], least)
        counts = (count, count, count)
        if mode == "step":
            count = max(10, count // 10 * 10)
            counts = (count, count, count * 11 // 10)
        with turns.no_collection():
            each = turns.rounds(three, counts, np.random.default_rng(seed))
            times = np.array([next(each) for _ in range(ratios.ENOUGH_ROUNDS)])
        times *= np.array(counts) / count  # of a batch, not of a call
        for (clock, who), verdicts in said.items():
            found = ratios.ratio(times[:, clock, 0], times[:, clock, who])
            verdicts[ratios.verdict(found, len(times))] += 1
    for clock, name in enumerate(("CPU", "wall")):
        print(f"{kind}, {name}: slowed {dict(said[clock, 2])}, copy {dict(said[clock, 1])}")
    assert said[0, 2][ratios.SLOWER] >= RUNS - 1
    assert said[0, 1][ratios.SLOWER] + said[0, 1][ratios.FASTER] <= 1
