"""Running files in child processes: a refusal or a crash of a runtime becomes a result."""

import contextlib
import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike

from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.child import REFUSED, UNUSABLE
from edgelstm.runtimes.runtime import Array

QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
STDERR_BYTES = 1 << 16
REASON_CHARACTERS = 400


@dataclasses.dataclass(frozen=True, eq=False)
class Execution:
    """How a file ran in a runtime.

    Attributes:
        status: `ok`; `refused`: the runtime said no; `crashed`: its process died or did not answer;
            `skipped`: the runtime cannot be used here.
        reason: One line; None if ok.
        outputs: (n, ...), in the file's own type; None if not ok.
    """

    status: str
    reason: str | None = None
    outputs: Array | None = None


def execute(
    name: str,
    path: str | Path,
    sequences: Array,
    *,
    streaming: bool = False,
    initial_states: Mapping[str, ArrayLike] | None = None,
    timeout_s: float = 120.0,
) -> Execution:
    """Runs a file in a runtime, each sequence from the initial state.

    Args:
        name: Key of `RUNTIMES`.
        path: A file that ends in the runtime's suffix.
        sequences: (n, steps, input_size), in the file's own type.
        streaming: Call the file once per step instead of once per sequence.
        initial_states: Of files that have their states as inputs: input's name to what
            broadcasts to its shape. A state not given starts at 0.
        timeout_s: For the whole of it.
    """
    assert len(sequences), "no sequence to run"
    runtime = RUNTIMES[name]
    if runtime.obstacle is not None:
        return Execution("skipped", runtime.obstacle)
    arrays = {f"state {key}": np.asarray(value) for key, value in (initial_states or {}).items()}
    return run_child(
        ["step" if streaming else "run", str(path), runtime.opener],
        {"sequences": sequences, **arrays},
        timeout_s=timeout_s,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Called:
    """A file that is called as it will be measured.

    Attributes:
        preparer: ``module:function`` of its `Preparer`.
        path: The file.
        sequences: What each call is given, one after the other.
        initial_states: As for `execute`.
    """

    preparer: str
    path: str
    sequences: Array
    initial_states: Mapping[str, ArrayLike] = dataclasses.field(default_factory=dict)


def call_all(files: Sequence[Called], *, timeout_s: float) -> list[Execution]:
    """Calls several files in one process; where that crashes, each in its own.

    Args:
        files: Each has its outputs stacked, or refuses by itself.
        timeout_s: For each process.
    """
    with begin_calls(files) as child:
        return finish_calls(child, files, timeout_s=timeout_s)


def begin_calls(files: Sequence[Called]) -> contextlib.AbstractContextManager["Child"]:
    """Their process, which `finish_calls` waits for: others may run meanwhile."""
    arrays = {f"{k} sequences": file.sequences for k, file in enumerate(files)}
    for k, file in enumerate(files):
        for name, value in file.initial_states.items():
            arrays[f"{k} state {name}"] = np.asarray(value)
    words = (word for file in files for word in (file.preparer, file.path))
    return started(["calls", *words], arrays)


def finish_calls(child: "Child", files: Sequence[Called], *, timeout_s: float) -> list[Execution]:
    """As `call_all`, of a process that runs already."""
    done = child.answer(timeout_s)
    if done.outputs is None:
        if len(files) == 1 or done.status != "crashed":
            return [done] * len(files)
        return [call_all([file], timeout_s=timeout_s)[0] for file in files]
    with np.load(io.BytesIO(done.outputs.tobytes())) as found:
        return [
            Execution("ok", outputs=found[f"{k} outputs"])
            if f"{k} outputs" in found
            else Execution("refused", _line([str(found[f"{k} refused"])]))
            for k in range(len(files))
        ]


def run_child(job: Sequence[str], arrays: Mapping[str, Any], *, timeout_s: float) -> Execution:
    """Does a job of `edgelstm.runtimes.child` in a process of its own.

    Args:
        job: Its name, a file's path, more words.
        arrays: What it reads.
        timeout_s: When the process is ended.
    """
    with started(job, arrays) as child:
        return child.answer(timeout_s)


@dataclasses.dataclass(frozen=True, eq=False)
class Child:
    """A process that does a job, and the files that it reads and writes."""

    process: "subprocess.Popen[bytes]"
    exchanged: IO[bytes]
    sent_bytes: int
    stderr: IO[bytes]

    def answer(self, timeout_s: float) -> Execution:
        """What it gave, once it has ended."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return Execution("crashed", f"no answer within {timeout_s:g} s")
        self.exchanged.seek(0, os.SEEK_END)  # the child has moved the place where both read, write
        self.exchanged.seek(self.sent_bytes)
        answer = self.exchanged.read()
        if code == 0 and answer:
            return Execution("ok", outputs=np.load(io.BytesIO(answer)))
        return _failure(code, answer, last_words(self.stderr))


@contextlib.contextmanager
def started(job: Sequence[str], arrays: Mapping[str, Any]) -> Iterator[Child]:
    """A child that finds the same modules as this process, and ends with it or with the context."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    with tempfile.TemporaryFile() as exchanged, tempfile.TemporaryFile() as stderr:
        np.savez(exchanged, **arrays)
        sent_bytes = exchanged.seek(0, os.SEEK_END)
        exchanged.flush()
        process = subprocess.Popen(
            [sys.executable, "-P", "-X", "utf8", "-m", "edgelstm.runtimes.child", *job],
            env={**os.environ, **QUIET, "PYTHONPATH": path},
            stdin=subprocess.PIPE,  # nothing is written to it: its end is this process's end
            stdout=exchanged,
            stderr=stderr,
        )
        try:
            yield Child(process, exchanged, sent_bytes, stderr)
        finally:
            process.kill()
            process.wait()
            assert process.stdin
            process.stdin.close()


def _failure(code: int, answer: bytes, said: list[str]) -> Execution:
    if code in (REFUSED, UNUSABLE) and answer:
        status = "refused" if code == REFUSED else "skipped"
        return Execution(status, _line([*said, answer.decode("utf-8", "replace")]))
    return Execution("crashed", how_it_ended(code, said))


def how_it_ended(code: int, said: list[str]) -> str:
    """One line on a process that ended before it answered, with its last words."""
    end = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return _line([f"its process ended {end}", *said])


def _line(parts: Iterable[str]) -> str:
    """Text for a terminal: runtimes quote what stands in a file."""
    text = "".join(c if c.isprintable() else " " for c in "; ".join(parts))
    return " ".join(text.split())[:REASON_CHARACTERS]


def last_words(stderr: IO[bytes]) -> list[str]:
    """The last line on standard error that names a place in the source, or the last but notes."""
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - STDERR_BYTES))
    text = stderr.read().decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not re.match(r"INFO|WARNING|[IW]\d{4} ", line)]
    return [line for line in told if ".cc:" in line][-1:] or told[-1:]
