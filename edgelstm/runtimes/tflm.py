""".tflite files in TensorFlow Lite Micro's own interpreter, with its reference kernels."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgelstm.runtimes.runtime import Array

# More than any microcontroller has. Pages of it that are not used take no memory.
LARGE_ARENA_BYTES = 1 << 28
ALIGNMENT_BYTES = 16
PROBE_S = 20


class MicroFile:
    """An `OpenedFile`; the state stays inside the interpreter."""

    def __init__(self, content: bytes, arena_bytes: int) -> None:
        """Raises, or ends the process, if the arena is too small."""
        from tflite_micro.python.tflite_micro import runtime

        self._interpreter = runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)

    def run(self, sequences: Array) -> Array:
        """See `OpenedFile`."""
        return np.stack([self._run_one(x) for x in sequences])

    def _run_one(self, x: Array) -> Array:
        self.reset()
        y: Array = self._invoke(x[None])[0]
        return y

    def step(self, x_t: Array) -> Array:
        """See `OpenedFile`."""
        return self._invoke(x_t[None, None]).reshape(-1)

    def reset(self) -> None:
        """See `OpenedFile`."""
        self._interpreter.reset()

    def run_sawtooth(self) -> Array:
        """Output for an input that is not constant."""
        details = self._interpreter.get_input_details(0)
        x = np.resize(np.arange(-8, 8), details["shape"])
        return self._invoke(x.astype(details["dtype"]))

    def _invoke(self, x: Array) -> Array:
        self._interpreter.set_input(x, 0)
        self._interpreter.invoke()
        y: Array = self._interpreter.get_output(0)
        return y


def open_tflm(path: Path, initial_states: Mapping[str, Array]) -> MicroFile:
    """Opens a file with an arena that is always large enough."""
    return MicroFile(path.read_bytes(), LARGE_ARENA_BYTES)


def least_arena_bytes(content: bytes) -> int:
    """Size of the smallest arena in which a file gives the outputs that it gives in a large one.

    An arena that is too small can end the process instead of raising, so each probe is a process
    of its own. Raises what the interpreter raises if the file does not run at all.
    """
    expected = _probe(content, LARGE_ARENA_BYTES)
    too_small, enough = 0, LARGE_ARENA_BYTES // ALIGNMENT_BYTES
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
            same = _probe(content, arena_bytes) == expected
        finally:
            os._exit(0 if same else 1)
    return os.waitpid(process, 0)[1] == 0


def _probe(content: bytes, arena_bytes: int) -> bytes:
    return MicroFile(content, arena_bytes).run_sawtooth().tobytes()
