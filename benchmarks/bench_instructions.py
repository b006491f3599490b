"""Instructions per step of the fused LSTM kernels: `python -m benchmarks.bench_instructions`.

A sequence of 24 steps less an empty one, so that the call is not counted. With `--network`: those
of one `Session.step` from Python, float32 in and out, of a network of the bundled one's sizes, and
of one `Session.run` of 29 steps. Raspberry Pis are counted under qemu-user by a plugin
(EDGELSTM_AARCH64, see tests/aarch64.py, and a C compiler), x86 on this processor by single steps.
Prints a Markdown table, and what was skipped and why.
"""

import argparse
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from benchmarks.counted import CALLS, FORMATS, MARK, NETWORK, SIZES, repeats
from edgelstm.runtimes.emulated.toolchain import PLUGIN
from tests import aarch64
from tests.kernels.test_targets import AVX2, AVX512, lacks

CHILD = ["-m", "benchmarks.counted"]
X86 = {"x86 AVX2": ("haswell", AVX2), "x86 AVX-512 VNNI": ("cascadelake", f"{AVX512},+avx512vnni")}
TRACE_ME, CONTINUE, SINGLE_STEP = 0, 7, 9  # ptrace's requests
PTRACE = ctypes.CDLL(None).ptrace
PTRACE.argtypes = (ctypes.c_long,) * 4


def started_under_qemu(
    folder: pathlib.Path, board: str, plugin: pathlib.Path, what: Sequence[str]
) -> subprocess.Popen[str]:
    """A child that prints how many instructions ran before each of its signals."""
    command = aarch64.command(folder, board, "-plugin", str(plugin))
    settings = aarch64.settings(folder)
    return subprocess.Popen(
        [*command, *CHILD, *what], env=settings, stdout=subprocess.PIPE, text=True
    )


def counted_by_plugin(process: subprocess.Popen[str], n: int) -> list[float]:
    """Instructions per step of such a child, n of them, format by format and column by column."""
    out, _ = process.communicate()
    if process.returncode:
        raise ChildProcessError(f"qemu-aarch64 ended with status {process.returncode}")
    counts = [int(line) for line in out.split()]
    marks = zip(counts[::3], counts[1::3], counts[2::3], strict=True)
    return [((third - second) - (second - first)) / n for first, second, third in marks]


def counted_by_steps(name: str, features: str, what: Sequence[str]) -> list[float]:
    """The same on this processor, restricted to some of its features."""
    settings = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    process = subprocess.Popen(
        [sys.executable, *CHILD, *what],
        env={**os.environ, **settings},
        preexec_fn=lambda: PTRACE(TRACE_ME, 0, 0, 0),
    )
    os.waitpid(process.pid, 0)  # stopped where its program begins
    found = []
    for _ in range(len(FORMATS) * len(columns(what))):
        _until_mark(process.pid, CONTINUE)
        empty, whole = (_until_mark(process.pid, SINGLE_STEP) for _ in range(2))
        found.append((whole - empty) / repeats(what))
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


def boards(what: Sequence[str]) -> dict[str, list[float]]:
    """Every Raspberry Pi that can be counted here."""
    folder, compiler = os.environ.get(aarch64.VARIABLE), shutil.which("cc")
    if not folder or not compiler:
        print(f"skipped: aarch64: {aarch64.VARIABLE} is not set, or there is no cc")
        return {}
    with tempfile.TemporaryDirectory() as work:
        plugin = pathlib.Path(work, "count.so")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", plugin, PLUGIN], check=True)
        where = pathlib.Path(folder).resolve()
        started = {b: started_under_qemu(where, b, plugin, what) for b in aarch64.BOARDS}
        return {
            f"{board}, {aarch64.BOARDS[board].processor}": counted_by_plugin(process, repeats(what))
            for board, process in started.items()
        }


def columns(what: Sequence[str]) -> list[str]:
    """Of the table, for these arguments of the child."""
    if what:
        return [f"Session.{call}" for call in CALLS]
    return [f"{i} -> {h}" for i, h in SIZES]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--network", action="store_true", help="of calls of a whole network")
    what = [NETWORK] if parser.parse_args().network else []
    rows, heads = boards(what), columns(what)
    for name, (processor, features) in X86.items():
        if sys.platform != "linux" or lacks(features):
            print(f"skipped: {name}: this is no Linux, or the processor lacks {lacks(features)}")
        else:
            rows[name] = counted_by_steps(processor, features, what)
    print(f"\n| instructions per {'call' if what else 'step'} |", " | ".join(heads), "|")
    print("|---" * (1 + len(heads)) + "|")
    for k, form in enumerate(FORMATS):
        for name, counts in rows.items():
            values = counts[k * len(heads) : (k + 1) * len(heads)]
            print(f"| {form}, {name} |", " | ".join(f"{v:,.0f}" for v in values), "|")


if __name__ == "__main__":
    main()
