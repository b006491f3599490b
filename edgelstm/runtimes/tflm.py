""".tflite files in TensorFlow Lite Micro's own interpreter, with its reference kernels."""

import os
import re
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.runtimes.runtime import Array, Call, CalledFile, Calling, initial

# More than any microcontroller has. Pages of it that are not used take no memory.
LARGE_ARENA_BYTES = 1 << 28
ALIGNMENT_BYTES = 16
PROBE_S = 20
MOST_INPUTS = 1000


def open_tflm(path: Path, initial_states: Mapping[str, Array]) -> CalledFile:
    """Opens a file with an arena that is always large enough."""
    interpreter = _interpreter(path.read_bytes(), LARGE_ARENA_BYTES)
    start = [
        initial(details, value)
        for details, value in zip(_inputs(interpreter)[1:], initial_states.values(), strict=True)
    ]
    return CalledFile(lambda values: _invoke(interpreter, values), interpreter.reset, start)


def prepare_tflm(path: Path, calling: Calling) -> Call:
    """A `Preparer`."""
    interpreter = _interpreter(path.read_bytes(), LARGE_ARENA_BYTES)
    x, is_step = calling.batched, calling.is_step

    def call() -> Array:
        if not is_step:
            interpreter.reset()
        interpreter.set_input(x, 0)
        interpreter.invoke()
        y: Array = interpreter.get_output(0)
        return y

    return call


def _interpreter(content: bytes, arena_bytes: int) -> Any:
    """Raises, or ends the process, if the arena is too small."""
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)


def _inputs(interpreter: Any) -> list[Mapping[str, Any]]:
    """Details of every input; nothing counts them, and none has a name."""
    found: list[Mapping[str, Any]] = []
    while len(found) < MOST_INPUTS:
        try:
            found.append(interpreter.get_input_details(len(found)))
        except Exception:  # behind the last
            break
    return found


def _invoke(interpreter: Any, values: Sequence[Array]) -> list[Array]:
    """As many outputs as inputs: behind y stands the new value of each state behind x."""
    for k, value in enumerate(values):
        interpreter.set_input(value, k)
    interpreter.invoke()
    return [interpreter.get_output(k) for k in range(len(values))]


def least_arena_bytes(content: bytes) -> int:
    """Size of the smallest arena in which a file gives the outputs that it gives in a large one.

    It holds at least what the interpreter says to have allocated; planning small files needs a
    little more. An arena that is too small can end the process instead of raising, so each probe
    is a process of its own. Raises what the interpreter raises if the file does not run at all.
    """
    interpreter = _interpreter(content, LARGE_ARENA_BYTES)
    expected = _probe(interpreter)
    enough, more = -(-_allocated_bytes(interpreter) // ALIGNMENT_BYTES), 1
    too_small = enough - 1
    while not _fits(content, enough * ALIGNMENT_BYTES, expected):
        too_small, enough, more = enough, enough + more, 2 * more
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if _fits(content, middle * ALIGNMENT_BYTES, expected):
            enough = middle
        else:
            too_small = middle
    return enough * ALIGNMENT_BYTES


def _fits(content: bytes, arena_bytes: int, expected: bytes) -> bool:
    import resource  # absent on Windows, as TFLM is

    process = os.fork()
    if process == 0:
        signal.alarm(PROBE_S)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        same = False
        try:
            same = _probe(_interpreter(content, arena_bytes)) == expected
        finally:
            os._exit(0 if same else 1)
    return os.waitpid(process, 0)[1] == 0


def _allocated_bytes(interpreter: Any) -> int:
    """What it prints on standard error; 0 if it prints something else."""
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        found = re.search(rb"allocation total (\d+) bytes", file.read())
    return int(found[1]) if found else 0


def _probe(interpreter: Any) -> bytes:
    """Outputs for inputs that are not constant; indices are 0, which every table has."""
    values = [
        np.resize(np.arange(-8, 8), details["shape"]).astype(details["dtype"])
        * (details["dtype"] != np.int32)
        for details in _inputs(interpreter)
    ]
    return b"".join(y.tobytes() for y in _invoke(interpreter, values))
