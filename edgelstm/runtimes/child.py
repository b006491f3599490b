"""The main of a child process: one job with one file. Nothing that it prints is its answer.

Standard output is a file that holds the arrays and gets the answer behind them; standard input is
a pipe that ends when the parent does. Neither has a name, so nothing remains of a killed process.
"""

import ctypes
import importlib
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.runtimes.runtime import (
    Array,
    Call,
    Calling,
    OpenedFile,
    Opener,
    Preparer,
)
from edgelstm.runtimes.tflm import least_arena_bytes

REFUSED, UNUSABLE = 3, 4  # exit codes; the answer is the reason
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(job: str, *words: str) -> int:
    """Does a job of `JOBS` and returns the exit code.

    Args:
        job: Key of `JOBS`.
        words: The job's own.
    """
    end_with_parent()
    with os.fdopen(os.dup(1), "r+b") as exchanged:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        exchanged.seek(0)
        with np.load(exchanged) as archive:
            arrays = dict(archive)
        exchanged.seek(0, os.SEEK_END)
        try:
            result = JOBS[job](arrays, *words)
        except Exception as error:
            exchanged.write(f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
            return UNUSABLE if isinstance(error, ImportError) else REFUSED
        np.save(exchanged, result)
        return 0


def end_with_parent() -> None:
    """Ends this process when its parent ends, killed or not."""
    if sys.platform == "linux":  # also inside of an interpreter that holds Python's lock
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    os.read(0, 1)  # nothing ever comes
    os._exit(1)


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


def calls(arrays: dict[str, Array], *pairs: str) -> Array:
    """Outputs of several files, each called as it is measured: the bytes of an `.npz`.

    Args:
        arrays: `0 sequences`: what file 0 is called with, one after the other, a step where it has
            no axis of steps; `0 state NAME`: its initial states.
        pairs: Preparer and path of each file.

    Returns:
        `0 outputs`, or `0 refused`: the reason.
    """
    found, packed = {}, io.BytesIO()
    for k, (preparer, path) in enumerate(zip(pairs[::2], pairs[1::2], strict=True)):
        own = {key.removeprefix(f"{k} "): v for key, v in arrays.items() if key.startswith(f"{k} ")}
        try:
            found[f"{k} outputs"] = _called(own, preparer, path)
        except Exception as error:
            found[f"{k} refused"] = np.array(f"{type(error).__name__}: {error}")
    np.savez(packed, **found)  # type: ignore[arg-type]
    return np.frombuffer(packed.getvalue(), np.uint8)


def _called(arrays: dict[str, Array], preparer: str, path: str) -> Array:
    x = arrays["sequences"][0].copy()
    call, outputs = prepare(preparer, path, Calling(x, _states(arrays))), []
    for values in arrays["sequences"]:
        x[...] = values
        outputs.append(np.array(call()))
    return np.array(outputs)


def prepare(preparer: str, path: str, calling: Calling) -> Call:
    """A call of a file, by its `Preparer`: ``module:function``."""
    function: Preparer = _imported(preparer)
    return function(Path(path), calling)


def graph(arrays: dict[str, Array], path: str) -> Array:
    """Outputs of an `.onnx` graph in several calls: the bytes of an `.npz`, ``call output``.

    Args:
        arrays: ``call input``, by their numbers; `asked`: bytes of JSON, with the other arguments
            of `ort.call_graph` and the names of each call's inputs.
        path: The model.
    """
    asked = json.loads(arrays["asked"].tobytes())
    calls = [
        {name: arrays[f"{k} {n}"] for n, name in enumerate(names)}
        for k, names in enumerate(asked["calls"])
    ]
    function = _imported("edgelstm.runtimes.ort:call_graph")
    found = function(Path(path), asked["folder"], asked["outputs"], calls, asked["carried"])
    packed, numbers = io.BytesIO(), "fiub"
    results = {f"{k} {n}": y for k, ys in enumerate(found) for n, y in enumerate(ys)}
    np.savez(packed, **{key: y for key, y in results.items() if y.dtype.kind in numbers})
    return np.frombuffer(packed.getvalue(), np.uint8)


def arena(arrays: dict[str, Array], path: str) -> Array:
    """Bytes of the smallest arena in which TFLM runs the file."""
    return np.array(least_arena_bytes(Path(path).read_bytes()))


JOBS: dict[str, Callable[..., Array]] = {
    "run": run,
    "step": step,
    "calls": calls,
    "graph": graph,
    "arena": arena,
}


def _open(arrays: dict[str, Array], path: str, opener: str) -> OpenedFile:
    module, name, *words = opener.split(":")
    function: Opener = _imported(f"{module}:{name}")
    return function(Path(path), _states(arrays), *words)


def _imported(place: str) -> Any:
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


def _states(arrays: dict[str, Array]) -> dict[str, Array]:
    return {
        key.removeprefix("state "): value for key, value in arrays.items() if key != "sequences"
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
