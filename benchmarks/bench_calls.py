"""What a call of `run` costs beside `Session.run`: `python -m benchmarks.bench_calls`.

Both compute the bundled network on the same sequences, in turns; each time is the shortest of many.
`run` begins from the initial states and takes a session that it keeps; a first call makes one.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import edgelstm

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


def main() -> None:
    """Prints a line per precision and length."""
    float32 = edgelstm.demo()
    int8 = edgelstm.quantize(float32, edgelstm.demo_data().calibration)
    print(
        f"{'':8s} {'steps':>6s} {'run':>10s} {'Session.run':>12s} {'above':>7s} {'ratio':>6s}   us"
    )
    for name, network in (("float32", float32), ("int8", int8)):
        session = edgelstm.Session(network)
        for steps in STEPS:
            x = np.random.default_rng(0).normal(size=(steps, network.input_size)).astype("f4")
            once, kept = shortest_us(
                [lambda x=x: edgelstm.run(network, x), lambda x=x: session.run(x)]
            )
            print(
                f"{name:8s} {steps:6,d} {once:10.1f} {kept:12.1f} "
                f"{once - kept:7.1f} {once / kept:6.2f}"
            )
        (new,) = shortest_us([lambda: edgelstm.Session(network)])
        print(f"{name:8s} {'':6s} {new:10.1f} to make a Session")


if __name__ == "__main__":
    main()
