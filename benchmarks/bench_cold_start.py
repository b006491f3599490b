"""Seconds to the first result of a new process: `python -m benchmarks.bench_cold_start`.

Once with an empty folder of compiled kernels, then five times with what that run left there. Wall
time is what a user waits; CPU time is what a busy machine would have taken alone.
"""

import os
import statistics
import subprocess
import sys
import tempfile

CHILD = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import sys
import numpy as np
import edgelstm

network, x = edgelstm.demo(), np.zeros((10, 12), np.float32)
if sys.argv[1] != "float32":
    network = edgelstm.quantize(network, edgelstm.demo_data().calibration, sys.argv[1])
edgelstm.run(network, x)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
RUNS = 5


def seconds(precision: str, folder: str) -> tuple[float, float]:
    """Wall and CPU time of one process."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, precision],
        env={**os.environ, "NUMBA_CACHE_DIR": folder, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def main() -> None:
    """Prints a line per precision."""
    for precision in ("float32", "hybrid", "int8"):
        with tempfile.TemporaryDirectory() as folder:
            cold = seconds(precision, folder)
            warm = [seconds(precision, folder) for _ in range(RUNS)]
        wall, cpu = (statistics.median(times) for times in zip(*warm, strict=True))
        print(
            f"{precision:8s} empty folder {cold[0]:.2f} s ({cold[1]:.2f} s CPU), "
            f"then median of {RUNS} {wall:.2f} s ({cpu:.2f} s CPU)"
        )


if __name__ == "__main__":
    main()
