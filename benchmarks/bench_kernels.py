"""Microseconds per step of our kernels and of every runtime that is installed, side by side.

    taskset -c 1 python -m benchmarks.bench_kernels [--sizes 0,3] [--rounds 9] [--no-peers]
    python -m benchmarks.bench_kernels --ci        two sizes, ratios to plain loops, exit code 1
    python -m benchmarks.bench_kernels --against FOLDER [--rounds 200]       see against.py

Everything runs in one process and one thread. First all results are compared, and a peer that gives
wrong ones is left out; then rounds go over all contestants in random order, a few milliseconds
each, and the median round counts. `sequence` is 100 steps in one call, `step` one call per step
with the state carried on. Counted is the CPU time of the process, all its threads together: wall
time would count the turns of other processes. Trust ratios within one run: what shares the caches
of a busy machine is still in the microseconds.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import against, machine, report  # noqa: E402
from benchmarks.contestants import STEPS, Contestant, Task, ours, task  # noqa: E402
from edgelstm.execution.session import run  # noqa: E402
from edgelstm.measurement import turns  # noqa: E402
from edgelstm.model.forward import forward  # noqa: E402

SIZES = ((16, 32), (40, 64), (64, 128), (128, 256), (256, 512), (512, 1024))
CI_SIZES = (1, 2)
N_GATES = 4
MODES = ("sequence", "step")
ROUNDS, AGAINST_ROUNDS = 9, 200
# Largest distance from float64 that still is the same network; int8 also has to be equal.
TOLERANCE = {"float32": 1e-5, "gru": 1e-5, "hybrid": 0.1, "int8": 0.1}
# How much faster than plain loops the kernels must be wherever CI runs.
CI_RATIOS = {"float32": 1.3, "int8": 2.0, "hybrid": 1.5, "gru": 1.3}


def right(given: Task, found: list[Contestant]) -> list[Contestant]:
    """Those that compute the same: real values within TOLERANCE, our integers equal to the oracle.

    Peers that do not are named on standard output.
    """
    exact = {mode: forward(given.networks[mode], given.x[None])[0] for mode in ("float32", "gru")}
    network = given.networks["int8"]
    oracle = run(network, given.x_q, engine="reference")
    kept = []
    for one in found:
        if one.sequence is not None:
            y = np.array(one.sequence())
            if y.dtype == np.int8:
                assert one.side == "peer" or np.array_equal(y, oracle), f"{one.name}: integers"
                y = network.output.reals(y)
            error = float(np.abs(y - exact["gru" if one.mode == "gru" else "float32"]).max())
            if not error < TOLERANCE[one.mode]:
                assert one.side == "peer", f"{one.name}: {error} from float64"
                print(f"left out: {one.name}: {error:.3g} from float64")
                continue
        kept.append(one)
    return kept


def measure(found: list[Contestant], n_rounds: int) -> list[dict[str, Any]]:
    """Median, fastest and slowest tenth of each, in microseconds per step."""
    jobs = [(one, mode, getattr(one, mode)) for one in found for mode in MODES]
    jobs = [job for job in jobs if job[2] is not None]
    per_call = [STEPS if mode == "sequence" else 1 for _, mode, _ in jobs]
    times = turns.cpu_microseconds([call for *_, call in jobs], n_rounds) / per_call
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
        for (one, mode, _), seen in zip(jobs, times.T, strict=True)
    ]


def measure_size(size: tuple[int, int], *, n_rounds: int, with_peers: bool) -> dict[str, Any]:
    """Everything of one size."""
    from benchmarks import bound
    from benchmarks.peers import peers

    given = task(*size)
    with tempfile.TemporaryDirectory() as folder:
        found = ours(given) + (list(peers(given, pathlib.Path(folder))) if with_peers else [])
    rows = measure(right(given, found), n_rounds)
    of_x, of_h = (N_GATES * size[1] * columns for columns in size)
    limits = {
        form: bound.bounds_us([of_h], [of_x], form, bound.peak_gmac_per_s(form))
        for form in bound.BYTES
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
        n_rounds = args.rounds or ROUNDS
        results.append(measure_size(SIZES[k], n_rounds=n_rounds, with_peers=with_peers))
    found = {"machine": machine.machine(), "results": results}
    print(report.tables(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    if args.plot:
        report.plot(found, args.plot)
    return 1 if args.ci and slower_than_promised(results) else 0


if __name__ == "__main__":
    sys.exit(main())
