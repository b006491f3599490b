"""A part of a run: files of one door and seed, in two children that are watched and begun anew."""

import dataclasses
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

WORKERS = 2
LARGEST_MIB = 1000
CPU_SECONDS = 20.0  # of one file: a loaded machine is no fault of it
SECONDS = 120.0  # of one file that waits for something
START_SECONDS = 600.0  # imports, and compiling what the good files need
GOOD = ("read", "refused")


@dataclasses.dataclass(frozen=True)
class Fault:
    """A file that did what none may do: `hang`, `memory`, `crash`, or the name of an exception."""

    door: str
    seed: int
    number: int
    status: str
    words: str


@dataclasses.dataclass
class Part:
    """What came of the files of one door and seed."""

    door: str
    seed: int
    count: int
    statuses: dict[str, int]
    faults: list[Fault]
    peak_mib: int
    seconds: float


def run(door: str, seed: int, count: int, folder: pathlib.Path) -> Part:
    """Takes `count` files; those with faults stay in the folder."""
    start = time.monotonic()
    part = Part(door, seed, count, {}, [], 0, 0.0)
    _child(dataclasses.replace(part, count=0), 0, folder)  # compiles what the others find
    threads = [
        threading.Thread(target=_worker, args=(part, worker, folder)) for worker in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    part.seconds = round(time.monotonic() - start, 1)
    part.faults.sort(key=lambda fault: fault.number)
    return part


def _worker(part: Part, worker: int, folder: pathlib.Path) -> None:
    """Every WORKERS-th file, in as many children as it takes."""
    first = worker
    while first < part.count:
        first = _child(part, first, folder) + WORKERS


def _child(part: Part, first: int, folder: pathlib.Path) -> int:
    """The last file that a child took, to its end or to a fault that ended it."""
    words = [part.door, part.seed, first, part.count, WORKERS, folder]
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.child", *map(str, words)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            errors="replace",
        )
        try:
            last = _follow(part, child, first)
        finally:
            child.kill()
            child.wait()
        if last < first:
            said.seek(0)
            raise RuntimeError(f"good files of '{part.door}' are not taken: {said.read()[-2000:]}")
    return last


def _answers(child: subprocess.Popen[str]) -> "queue.Queue[str | None]":
    """The child's lines as they come; None at their end."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in child.stdout or ():
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _follow(part: Part, child: subprocess.Popen[str], first: int) -> int:
    """Notes what the child answers; the last file that it took, before `first` if none."""
    lines, number = _answers(child), first - WORKERS
    limits = Limits(time.monotonic() + START_SECONDS, START_SECONDS)
    while True:
        try:
            line = lines.get(timeout=0.05)
        except queue.Empty:
            what = _broken(child.pid, limits)
            if what:
                _note(part, number, what, 0, "")
                return number
            continue
        if line is None:
            code = child.wait()
            if code == 0:
                return part.count
            if number >= first:
                _note(part, number, "crash", 0, f"exit code {code}")
            return number
        if line.startswith(">"):
            number = int(line[1:])
            used = _used(child.pid)[0]
            limits = Limits(time.monotonic() + SECONDS, used + CPU_SECONDS)
            continue
        _, status, peak_mib, words = line.split(" ", 3)
        if int(peak_mib) > LARGEST_MIB:
            _note(part, number, "memory", int(peak_mib), f"{peak_mib} MiB")
            return number
        _note(part, number, status, int(peak_mib), words)


@dataclasses.dataclass(frozen=True)
class Limits:
    """When a child is ended: at a time, and after so much time of the processor."""

    until: float
    cpu_seconds: float


def _broken(process: int, limits: Limits) -> str | None:
    """Which limit a child has broken while it says nothing."""
    cpu_seconds, held_bytes = _used(process)
    if held_bytes > LARGEST_MIB << 20:
        return "memory"
    return "hang" if time.monotonic() > limits.until or cpu_seconds > limits.cpu_seconds else None


def _used(process: int) -> tuple[float, int]:
    """Seconds of the processor so far, and bytes of memory now; nothing of one that has ended."""
    try:
        stat = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0
    ticks, pages = int(stat[11]) + int(stat[12]), int(stat[21])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")


def _note(part: Part, number: int, status: str, peak_mib: int, words: str) -> None:
    part.statuses[status] = part.statuses.get(status, 0) + 1
    part.peak_mib = max(part.peak_mib, peak_mib)
    if status not in GOOD:
        part.faults.append(Fault(part.door, part.seed, number, status, words))


def clean(folder: pathlib.Path) -> None:
    """Without the folder, if no file with a fault is in it."""
    if not any(folder.iterdir()):
        shutil.rmtree(folder)
