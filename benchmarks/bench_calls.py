"""What a call of `run` costs beside `Session.run`: `python -m benchmarks.bench_calls`.

Both compute the bundled network on the same sequences, in turns; each time is the shortest of many.
`run` begins from the initial states and takes a session that it keeps; a first call makes one.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import edgelstm
from edgelstm.formats import AnyNetwork

STEPS = (1, 50, 5_000)
ROUNDS = 15
SECONDS = 0.02  # of one round


def shortest_us(calls: list[Callable[[], Any]]) -> list[float]:
    """Microseconds of each call, measured in turns."""
    for call in calls:
        call()
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, found in zip(calls, times, strict=True):
            found.append(_one_round(call))
    return [1e6 * min(found) for found in times]


def _one_round(call: Callable[[], Any]) -> float:
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        call()
        n += 1
    return (time.perf_counter() - start) / n


def report(name: str, network: AnyNetwork) -> None:
    """A line per length, and what a session of its own takes."""
    session = edgelstm.Session(network)
    for steps in STEPS:
        x = np.random.default_rng(0).normal(size=(steps, network.input_size)).astype(np.float32)
        once, kept = shortest_us([partial(edgelstm.run, network, x), partial(session.run, x)])
        above, ratio = once - kept, once / kept
        print(f"{name:8s} {steps:6,d} {once:10.1f} {kept:12.1f} {above:7.1f} {ratio:6.2f}")
    (made,) = shortest_us([partial(edgelstm.Session, network)])
    print(f"{name:8s} a Session {made:7.1f}")


def main() -> None:
    """Prints the tables, in microseconds."""
    print(f"{'us':8s} {'steps':>6s} {'run':>10s} {'Session.run':>12s} {'above':>7s} {'ratio':>6s}")
    report("float32", edgelstm.demo())
    report("int8", edgelstm.quantize(edgelstm.demo(), edgelstm.demo_data().calibration))


if __name__ == "__main__":
    main()
