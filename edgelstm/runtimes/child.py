"""The main of a child process: one job with one file. Nothing that it prints is its answer."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgelstm.runtimes.runtime import Array, OpenedFile, Opener
from edgelstm.runtimes.tflm import least_arena_bytes

REFUSED, UNUSABLE = 3, 4  # exit codes; the reason stands in reason.txt


def main(folder: Path, job: str, *words: str) -> int:
    """Does a job of `JOBS` and returns the exit code.

    Args:
        folder: Holds arrays.npz; gets result.npy or reason.txt.
        job: Key of `JOBS`.
        words: The job's own.
    """
    with np.load(folder / "arrays.npz") as archive:
        arrays = dict(archive)
    try:
        result = JOBS[job](arrays, *words)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        (folder / "reason.txt").write_text(reason, "utf-8", errors="replace")
        return UNUSABLE if isinstance(error, ImportError) else REFUSED
    np.save(folder / "result.npy", result)
    return 0


def run(arrays: dict[str, Array], path: str, opener: str) -> Array:
    """Outputs of whole sequences."""
    return _open(arrays, path, opener).run(arrays["sequences"])


def step(arrays: dict[str, Array], path: str, opener: str) -> Array:
    """Outputs of sequences that are fed step by step, (n, steps, output_size)."""
    opened = _open(arrays, path, opener)
    outputs = []
    for x in arrays["sequences"]:
        opened.reset()
        outputs.append([opened.step(x_t) for x_t in x])
    return np.array(outputs)


def arena(arrays: dict[str, Array], path: str) -> Array:
    """Bytes of the smallest arena in which TFLM runs the file."""
    return np.array(least_arena_bytes(Path(path).read_bytes()))


JOBS: dict[str, Callable[..., Array]] = {"run": run, "step": step, "arena": arena}


def _open(arrays: dict[str, Array], path: str, opener: str) -> OpenedFile:
    module, name = opener.split(":")
    function: Opener = getattr(importlib.import_module(module), name)
    states = {
        key.removeprefix("state "): value for key, value in arrays.items() if key != "sequences"
    }
    return function(Path(path), states)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
