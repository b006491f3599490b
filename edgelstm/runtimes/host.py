"""A folder of C compiled for this machine, and called."""

import ctypes
import functools
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.runtimes.folder import Folder, kept, open_folder
from edgelstm.runtimes.runtime import Array, Call, Calling

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O2", "-shared", "-fPIC")
# As one would build it for the machine that it stays on; a step takes 0.4 to 0.7 of the time.
OWN_FLAGS = ("-std=c99", "-O3", "-march=native", "-shared", "-fPIC")


def open_host(path: Path, initial_states: Mapping[str, Array]) -> "HostFile":
    """Compiles a folder with the compiler that is there, and loads it."""
    return HostFile(open_folder(path))


def prepare_host(path: Path, calling: Calling) -> Call:
    """A `Preparer` of a folder, compiled for this machine alone."""
    return HostFile(open_folder(path), OWN_FLAGS).prepared(calling)


@functools.cache
def compiler_version() -> str | None:
    """Its first line on itself; None without one."""
    try:
        words = compiler()
    except ImportError:
        return None
    done = subprocess.run([*words, "--version"], capture_output=True, text=True)
    return next(iter(done.stdout.splitlines()), None)


def compiler() -> list[str]:
    """The words that call a C compiler; `ImportError` without one."""
    found = next((name for name in COMPILERS if shutil.which(name)), None)
    if found:
        return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"]
    raise ImportError('no C compiler: pip install "edgelstm[mcu]"')


class HostFile:
    """An `OpenedFile`: a shared library and a state."""

    def __init__(self, folder: Folder, options: Sequence[str] = FLAGS) -> None:
        """`options`: of the compiler."""
        self._folder, words = folder, compiler()
        flags = [*options, f"-I{folder.path / 'src'}"]

        def build(target: Path) -> None:
            done = subprocess.run(
                [*words, *flags, "-o", str(target), *map(str, folder.sources)],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise RuntimeError(f"{words[-1]} fails: {done.stderr.strip()}")

        library = ctypes.CDLL(str(kept(folder, [*words, *options], ".so", build)))
        self._init, self._run = (getattr(library, f"{folder.name}_{v}") for v in ("init", "run"))
        self._step: Any = getattr(library, f"{folder.name}_step") if folder.has_step else None
        self._state = ctypes.create_string_buffer(folder.state_bytes + 8)
        self.reset()

    def run(self, sequences: Array) -> Array:
        """See `OpenedFile`."""
        return np.stack([self._run_one(x) for x in sequences])

    def _run_one(self, x: Array) -> Array:
        self.reset()
        x, steps = self._folder.taken(x), len(x)
        y = np.zeros(self._folder.rows(steps) * self._folder.outputs, self._folder.output_type)
        self._run(self._place, _at(x), ctypes.c_int32(steps), _at(y))
        return self._folder.shaped(y)

    def step(self, x_t: Array) -> Array:
        """See `OpenedFile`."""
        x = self._folder.taken(x_t)
        y = np.zeros(self._folder.outputs, self._folder.output_type)
        self._step(self._place, _at(x), _at(y))
        return y

    def reset(self) -> None:
        """See `OpenedFile`."""
        self._init(self._place)

    def prepared(self, calling: Calling) -> Call:
        """See `Preparer`."""
        folder, x = self._folder, calling.x
        assert x.dtype == folder.input_type and x.flags.c_contiguous
        rows = 1 if calling.is_step else folder.rows(len(x))
        y = np.zeros((rows, folder.outputs), folder.output_type)
        place, at_x, at_y, is_step = self._place, _at(x), _at(y), calling.is_step
        if is_step:
            step = functools.partial(self._step, place, at_x, at_y)
        else:
            step = functools.partial(self._run, place, at_x, ctypes.c_int32(len(x)), at_y)

        def call() -> Array:
            if not is_step:
                self._init(place)  # and keeps the state as long as the call
            step()
            return y

        return call

    @property
    def _place(self) -> ctypes.c_void_p:
        address = ctypes.addressof(self._state)
        return ctypes.c_void_p(-(-address // 8) * 8)


def _at(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
