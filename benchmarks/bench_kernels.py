"""Microseconds per step of our kernels and of every runtime that is installed, side by side.

    taskset -c 1 python -m benchmarks.bench_kernels [--sizes 0,3] [--rounds 9] [--no-peers]
    python -m benchmarks.bench_kernels --ci        two sizes, ratios to plain loops, exit code 1
    python -m benchmarks.bench_kernels --against FOLDER [--rounds 200]       see against.py

Everything runs in one process and one thread. First all results are compared; then rounds go over
all contestants in turn, a few milliseconds each, and the median round counts. `sequence` is 100
steps in one call, `step` one call per step with the state carried on. Counted is the CPU time of
the process, all its threads together: wall time would count the turns of other processes. Trust
ratios within one run: what shares the caches of a busy machine is still in the microseconds.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import pathlib  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import against, report  # noqa: E402
from benchmarks.contestants import STEPS, Contestant, Task, ours, task  # noqa: E402
from edgelstm.execution.session import run  # noqa: E402
from edgelstm.model.forward import forward  # noqa: E402

SIZES = ((16, 32), (40, 64), (64, 128), (128, 256), (256, 512), (512, 1024))
CI_SIZES = (1, 2)
MODES = ("sequence", "step")
BATCH_SECONDS = 0.01
ROUNDS, AGAINST_ROUNDS = 9, 200
# Largest distance from float64 that still is the same network; int8 also has to be equal.
TOLERANCE = {"float32": 1e-5, "gru": 1e-5, "hybrid": 0.1, "int8": 0.1}
# How much faster than plain loops the kernels must be wherever CI runs.
CI_RATIOS = {"float32": 1.3, "int8": 2.0, "hybrid": 1.5, "gru": 1.3}


def check(given: Task, found: list[Contestant]) -> None:
    """All compute the same: real values within TOLERANCE, our integers equal to the oracle."""
    exact = {mode: forward(given.networks[mode], given.x[None])[0] for mode in ("float32", "gru")}
    network = given.networks["int8"]
    oracle = run(network, given.x_q, engine="reference")
    for one in found:
        if one.sequence is None:
            continue
        y = np.array(one.sequence())
        if y.dtype == np.int8:
            assert one.side == "peer" or np.array_equal(y, oracle), f"{one.name}: integers differ"
            y = network.output.reals(y)
        error = float(np.abs(y - exact["gru" if one.mode == "gru" else "float32"]).max())
        assert error < TOLERANCE[one.mode], f"{one.name}: {error} from float64"


def measure(found: list[Contestant], rounds: int) -> list[dict[str, Any]]:
    """Median, fastest and slowest tenth of each, in microseconds per step."""
    jobs = [(one, mode, getattr(one, mode)) for one in found for mode in MODES]
    jobs = [job for job in jobs if job[2] is not None]
    counts = [_count(function) for *_, function in jobs]
    times: list[list[float]] = [[] for _ in jobs]
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for (_, mode, function), count, seen in zip(jobs, counts, times, strict=True):
            function()
            start = time.process_time_ns()
            for _ in range(count):
                function()
            us = (time.process_time_ns() - start) / count / 1e3
            seen.append(us / (STEPS if mode == "sequence" else 1))
    gc.enable()
    return [
        {
            "name": one.name,
            "mode": one.mode,
            "side": one.side,
            "run": mode,
            "median_us": float(np.median(seen)),
            "p10_us": float(np.percentile(seen, 10)),
            "p90_us": float(np.percentile(seen, 90)),
        }
        for (one, mode, _), seen in zip(jobs, times, strict=True)
    ]


def _count(function: Any) -> int:
    for _ in range(3):
        function()
    start = time.perf_counter()
    function()
    return int(min(20_000, max(2, BATCH_SECONDS / max(time.perf_counter() - start, 1e-7))))


def measure_size(size: tuple[int, int], *, rounds: int, with_peers: bool) -> dict[str, Any]:
    """Everything of one size."""
    from benchmarks import bound
    from benchmarks.peers import peers

    given = task(*size)
    found = ours(given) + (list(peers(given)) if with_peers else [])
    check(given, found)
    rows = measure(found, rounds)
    limits = {
        form: bound.bounds_us(*size, form, bound.peak_gmac_per_s(form))
        for form in ("float32", "int8")
    }
    return {"size": list(size), "rows": rows, "bounds_us": limits}


def slower_than_promised(results: list[dict[str, Any]]) -> list[str]:
    """Rows whose ratio to plain loops is below CI_RATIOS."""
    failed = []
    for result in results:
        for mode, least in CI_RATIOS.items():
            ratio = report.ratio(result, mode, "sequence", "plain")
            print(f"{result['size']} {mode}: plain loops / ours {ratio:.2f}, least {least}")
            if ratio < least:
                failed.append(f"{result['size']} {mode}")
    return failed


def machine() -> dict[str, Any]:
    """What the figures belong to."""
    from edgelstm.kernels.simd import target

    cpu = pathlib.Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    model = next((v.split(": ")[1] for v in lines if v.startswith("model name")), "")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": model or platform.processor(),
        "code_for": target.CPU,
        "instruction_set": target.describe(),
        "load": load,
    }


def main() -> int:
    """Runs the benchmark; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", help="indices into the six sizes, such as 0,3")
    parser.add_argument("--rounds", type=int, help="9 unless given, 200 with --against")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--ci", action="store_true", help="short; compares with plain loops only")
    parser.add_argument(
        "--against", type=pathlib.Path, help="folder of another tree, to compare the kernels with"
    )
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path, help="needs edgelstm[plots]")
    args = parser.parse_args()
    chosen = [int(k) for k in args.sizes.split(",")] if args.sizes else list(range(len(SIZES)))
    chosen = list(CI_SIZES) if args.ci else chosen
    if args.against:
        sizes = [SIZES[k] for k in chosen]
        return against.run(args.against.resolve(), sizes, args.rounds or AGAINST_ROUNDS)
    results = []
    for k in chosen:
        print(f"{SIZES[k]} ...", file=sys.stderr, flush=True)
        with_peers = not (args.no_peers or args.ci)
        results.append(measure_size(SIZES[k], rounds=args.rounds or ROUNDS, with_peers=with_peers))
    found = {"machine": machine(), "results": results}
    print(report.tables(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    if args.plot:
        report.plot(found, args.plot)
    return 1 if args.ci and slower_than_promised(results) else 0


if __name__ == "__main__":
    sys.exit(main())
