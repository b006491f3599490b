"""Instructions per step of the fused LSTM kernels: `python -m benchmarks.bench_instructions`.

A sequence of 24 steps less an empty one, so that the call is not counted. Raspberry Pis are counted
under qemu-user by a plugin (EDGELSTM_AARCH64, see tests/aarch64.py, and a C compiler), x86 on this
processor by single steps. Prints a Markdown table, and what was skipped and why.
"""

import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from benchmarks.counted import FORMATS, MARK, SIZES, STEPS
from tests import aarch64
from tests.kernels.test_targets import AVX2, AVX512, lacks

CHILD = ["-m", "benchmarks.counted"]
X86 = {"x86 AVX2": ("haswell", AVX2), "x86 AVX-512 VNNI": ("cascadelake", f"{AVX512},+avx512vnni")}
TRACE_ME, CONTINUE, SINGLE_STEP = 0, 7, 9  # ptrace's requests
PTRACE = ctypes.CDLL(None).ptrace
PTRACE.argtypes = (ctypes.c_long,) * 4


def started_under_qemu(
    folder: pathlib.Path, board: str, plugin: pathlib.Path
) -> subprocess.Popen[str]:
    """A child that prints how many instructions ran before each of its signals."""
    command = aarch64.command(folder, board, "-plugin", str(plugin))
    settings = aarch64.settings(folder)
    return subprocess.Popen([*command, *CHILD], env=settings, stdout=subprocess.PIPE, text=True)


def counted_by_plugin(process: subprocess.Popen[str]) -> list[float]:
    """Instructions per step of such a child, format by format and size by size."""
    out, _ = process.communicate()
    if process.returncode:
        raise ChildProcessError(f"qemu-aarch64 ended with status {process.returncode}")
    counts = [int(line) for line in out.split()]
    marks = zip(counts[::3], counts[1::3], counts[2::3], strict=True)
    return [((third - second) - (second - first)) / STEPS for first, second, third in marks]


def counted_by_steps(name: str, features: str) -> list[float]:
    """The same on this processor, restricted to some of its features."""
    settings = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    process = subprocess.Popen(
        [sys.executable, *CHILD],
        env={**os.environ, **settings},
        preexec_fn=lambda: PTRACE(TRACE_ME, 0, 0, 0),
    )
    os.waitpid(process.pid, 0)  # stopped where its program begins
    found = []
    for _ in range(len(FORMATS) * len(SIZES)):
        _until_mark(process.pid, CONTINUE)
        empty, whole = (_until_mark(process.pid, SINGLE_STEP) for _ in range(2))
        found.append((whole - empty) / STEPS)
    PTRACE(CONTINUE, process.pid, 0, 0)
    process.wait()
    return found


def _until_mark(pid: int, request: int) -> int:
    """Lets a stopped child go on until it signals itself; how often it was resumed."""
    resumed, stopped_by = 0, 0
    while stopped_by != MARK:
        PTRACE(request, pid, 0, 0)
        resumed += 1
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            raise ChildProcessError(f"the traced process ended with status {status}")
        stopped_by = os.WSTOPSIG(status)
    return resumed


def boards() -> dict[str, list[float]]:
    """Every Raspberry Pi that can be counted here."""
    folder, compiler = os.environ.get(aarch64.VARIABLE), shutil.which("cc")
    if not folder or not compiler:
        print(f"skipped: aarch64: {aarch64.VARIABLE} is not set, or there is no cc")
        return {}
    with tempfile.TemporaryDirectory() as work:
        plugin = pathlib.Path(work, "count.so")
        source = pathlib.Path(__file__).with_name("count.c")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", plugin, source], check=True)
        where = pathlib.Path(folder).resolve()
        started = {b: started_under_qemu(where, b, plugin) for b in aarch64.BOARDS}
        return {
            f"{board}, {aarch64.BOARDS[board].processor}": counted_by_plugin(process)
            for board, process in started.items()
        }


def main() -> None:
    """Prints the table."""
    rows = boards()
    for name, (processor, features) in X86.items():
        if sys.platform != "linux" or lacks(features):
            print(f"skipped: {name}: this is no Linux, or the processor lacks {lacks(features)}")
        else:
            rows[name] = counted_by_steps(processor, features)
    print("\n| instructions per step |", " | ".join(f"{i} -> {h}" for i, h in SIZES), "|")
    print("|---" * (1 + len(SIZES)) + "|")
    for k, form in enumerate(FORMATS):
        for name, counts in rows.items():
            values = counts[k * len(SIZES) : (k + 1) * len(SIZES)]
            print(f"| {form}, {name} |", " | ".join(f"{v:,.0f}" for v in values), "|")


if __name__ == "__main__":
    main()
