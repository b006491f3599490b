"""Instructions per step of the fused LSTM kernels: `python -m benchmarks.bench_instructions`.

A sequence of 24 steps less an empty one, so that the call is not counted. With `--network`: those
of one `Session.step` from Python, float32 in and out, of a network of the bundled one's sizes, and
of one `Session.run` of 29 steps. With `--peers`: whole networks in ours, ONNX Runtime and LiteRT,
on emulated boards alone; ten minutes of two cores, nearly all to compile ours. Raspberry Pis are
counted under qemu-user by a plugin (EDGELSTM_AARCH64, see tests/aarch64.py, and a C compiler), x86
on this processor by single steps.
Prints a Markdown table, and what was skipped and why.
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks import counted_peers
from benchmarks.counted import CALLS, FORMATS, MARK, NETWORK, SIZES, repeats
from benchmarks.counted_peers import Job
from edgelstm.runtimes.emulated.toolchain import PLUGIN
from tests import aarch64
from tests.kernels.test_targets import AVX2, AVX512, lacks

CHILD, PEERS = ["-m", "benchmarks.counted"], ["-m", "benchmarks.counted_peers"]
X86 = {"x86 AVX2": ("haswell", AVX2), "x86 AVX-512 VNNI": ("cascadelake", f"{AVX512},+avx512vnni")}
TRACE_ME, CONTINUE, SINGLE_STEP = 0, 7, 9  # ptrace's requests
COLUMNS = ("sequence", "without its call", "step", "sequence, plain call")
PTRACE = ctypes.CDLL(None).ptrace
PTRACE.argtypes = (ctypes.c_long,) * 4


def started_under_qemu(
    folder: pathlib.Path, board: str, plugin: pathlib.Path, words: Sequence[str]
) -> subprocess.Popen[str]:
    """A child that prints how many instructions ran before each of its signals."""
    command = aarch64.command(folder, board, "-plugin", str(plugin))
    settings = aarch64.settings(folder)
    return subprocess.Popen([*command, *words], env=settings, stdout=subprocess.PIPE, text=True)


def printed(process: subprocess.Popen[str]) -> list[int]:
    """What such a child prints."""
    out, _ = process.communicate()
    if process.returncode:
        raise ChildProcessError(f"qemu-aarch64 ended with status {process.returncode}")
    return [int(line) for line in out.split()]


def counted_by_plugin(process: subprocess.Popen[str], n: int) -> list[float]:
    """Instructions per step of such a child, n of them, format by format and column by column."""
    counts = printed(process)
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


@contextlib.contextmanager
def built_plugin() -> Iterator[tuple[pathlib.Path, pathlib.Path] | None]:
    """The folder of `tests.aarch64` and the plugin; None, and why is printed, if one is missing."""
    folder, compiler = os.environ.get(aarch64.VARIABLE), shutil.which("cc")
    if not folder or not compiler:
        print(f"skipped: aarch64: {aarch64.VARIABLE} is not set, or there is no cc")
        yield None
        return
    with tempfile.TemporaryDirectory() as work:
        plugin = pathlib.Path(work, "count.so")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", plugin, PLUGIN], check=True)
        yield pathlib.Path(folder).resolve(), plugin


def boards(what: Sequence[str]) -> dict[str, list[float]]:
    """Every Raspberry Pi that can be counted here."""
    with built_plugin() as built:
        if built is None:
            return {}
        where, plugin = built
        words = [*CHILD, *what]
        started = {b: started_under_qemu(where, b, plugin, words) for b in aarch64.BOARDS}
        return {
            f"{board}, {aarch64.BOARDS[board].processor}": counted_by_plugin(process, repeats(what))
            for board, process in started.items()
        }


def peers(
    networks: Iterable[str], engines: Iterable[str]
) -> dict[str, dict[Job, NDArray[np.int64]]]:
    """Instructions of each counted call, by processor; prints what gives other values."""
    with built_plugin() as built, tempfile.TemporaryDirectory() as work:
        if built is None:
            return {}
        where, plugin = built
        folder = pathlib.Path(work)
        jobs = counted_peers.write_files(folder, networks, engines)
        words = [*PEERS, work]
        started = {
            board: started_under_qemu(where, board, plugin, [*words, f"{work}/{board}.npz"])
            for board in aarch64.BOARDS
        }
        subprocess.run([sys.executable, *words, f"{work}/host.npz"], check=True)
        found = {
            aarch64.BOARDS[board].processor: counted_peers.instructions(jobs, printed(process))
            for board, process in started.items()
        }
        with np.load(folder / "host.npz") as host:
            for board in started:
                with np.load(folder / f"{board}.npz") as got:
                    for k, job in enumerate(jobs):
                        if told := counted_peers.fault(job, got[str(k)], host[str(k)]):
                            print(f"wrong: {board}: {job}: {told}")
        return found


def print_peers(found: dict[str, dict[Job, NDArray[np.int64]]]) -> None:
    """A table of each network; medians of the counted calls, and how far they lie apart."""
    heads = [f"{name}, {column}" for name in found for column in COLUMNS]
    titles = dict.fromkeys(job.network for counts in found.values() for job in counts)
    for title in titles:
        print(f"\n| instructions a step, {title} |", " | ".join(heads), "|")
        print("|---" + "|---:" * len(heads) + "|")
        rows = dict.fromkeys((j.engine, j.precision) for j in next(iter(found.values())))
        for engine, precision in rows:
            cells = []
            for counts in found.values():
                cells += _cells(counts, (title, engine, precision))
            print(f"| {counted_peers.NAMES[engine]}, {precision} |", " | ".join(cells), "|")
    spread = max(
        float(np.ptp(values) / np.median(values)) for c in found.values() for values in c.values()
    )
    print(f"\ncounted calls of one file differ by {100 * spread:.1f} % at most")


def _cells(counts: dict[Job, NDArray[np.int64]], row: tuple[str, str, str]) -> list[str]:
    """Of one processor, in the order of `COLUMNS`."""
    calls = {
        job.form: float(np.median(values))
        for job, values in counts.items()
        if (job.network, job.engine, job.precision) == row
    }
    n = counted_peers.STEPS
    whole, alone = calls[counted_peers.SEQUENCE], calls[counted_peers.ALONE]
    values = [whole / n, (whole - alone) / (n - 1), calls[counted_peers.STEP]]
    plain = calls.get(counted_peers.PLAIN)
    return [*(f"{v:,.0f}" for v in values), "-" if plain is None else f"{plain / n:,.0f}"]


def columns(what: Sequence[str]) -> list[str]:
    """Of the table, for these arguments of the child."""
    if what:
        return [f"Session.{call}" for call in CALLS]
    return [f"{i} -> {h}" for i, h in SIZES]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--network", action="store_true", help="of calls of a whole network")
    parser.add_argument("--peers", action="store_true", help="ours and other runtimes")
    asked = parser.parse_args()
    if asked.peers:
        found = peers(counted_peers.NETWORKS, counted_peers.NAMES)
        if found:
            print_peers(found)
        return
    what = [NETWORK] if asked.network else []
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
