"""A way into a whole network, from an array to an array: ours, and that of every runtime.

Peers are called by the preparers that `edgelstm bench` measures them with. Of ONNX Runtime's files
those are tried that a user may make in place of edgelstm's.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.networks import Array, Case
from benchmarks.onnx_graph import dynamic, graph
from edgelstm.execution.session import Session
from edgelstm.formats import write
from edgelstm.layers.recurrent import Recurrent
from edgelstm.measurement.engines import ENGINES
from edgelstm.runtimes.child import prepare
from edgelstm.runtimes.runtime import Calling

OURS = "edgelstm"
NAMES = {"litert": "LiteRT", "onnxruntime": "ONNX Runtime", "torch": "PyTorch"}


@dataclasses.dataclass(frozen=True, eq=False)
class Road:
    """What is timed: NumPy array in, NumPy array out.

    Attributes:
        runtime: Whose.
        form: What it is called with, or how its file was made.
        precision: Of the weights: `float32`, `hybrid` or `int8`.
        mode: `step` goes on from where it is; `sequence` begins at the start.
        call: The whole of it; the result is new, or one array that the next call overwrites.
        raw: Whether x and y are the int8 network's integers.
        reset: Back to the start of a sequence, for steps.
    """

    runtime: str
    form: str
    precision: str
    mode: str
    call: Callable[[Array], Array]
    raw: bool = False
    reset: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """Of the road, within its precision and mode."""
        return f"{self.runtime}, {self.form}"

    def inputs(self, case: Case) -> list[Array]:
        """What it is called with, one after the other, to run the case's input once."""
        return _inputs(case, self.mode, raw=self.raw)

    def fault(self, case: Case) -> str | None:
        """Why it does not compute the case's network, or None."""
        expected = case.reals[self.mode]
        for _ in range(2):  # the second time whatever the first has left behind shows
            self.reset()
            found = [np.array(self.call(x)) for x in self.inputs(case)]
        got = np.concatenate([np.ravel(y) for y in found])
        if got.size != expected.size:
            return f"gives {got.size} values where {expected.size} are expected"
        is_ours = self.runtime == OURS
        return case.fault(self.precision, self.mode, got.reshape(expected.shape), exact=is_ours)


def _inputs(case: Case, mode: str, *, raw: bool) -> list[Array]:
    x = case.x_q if raw else case.x
    return [np.ascontiguousarray(row) for row in (x if mode == "step" else [x])]


def ours(case: Case) -> Iterator[Road]:
    """`Session`, as users call it; int8 from real values and from raw integers."""
    for precision, network in case.networks.items():
        for raw in (False, True) if precision == "int8" else (False,):
            form = "Session, raw int8" if raw else "Session"
            for mode in case.modes:
                call, reset = _session(network, mode, raw=raw)
                yield Road(OURS, form, precision, mode, call, raw, reset)


def _session(network: Any, mode: str, *, raw: bool) -> tuple[Any, Callable[[], None]]:
    session = Session(network)
    if mode == "step":
        out = np.empty(network.output_size, np.int8 if raw else np.float32)
        return functools.partial(session.step, out=out), session.reset

    def sequence(x: Array) -> Array:
        session.reset()
        return session.run(x)

    return sequence, session.reset


def litert(case: Case, folder: pathlib.Path) -> Iterator[Road]:
    """The files that edgelstm writes; int8 from integers to integers."""
    for precision, network in case.networks.items():
        for mode in case.modes:
            is_step = mode == "step"
            path = folder / f"{precision}_{mode}.tflite"
            steps = None if is_step else len(case.x)
            write(network, path, steps=steps, streaming=is_step)
            yield _peer(case, ("litert", "set_tensor"), (precision, mode), path)


def onnxruntime(case: Case, folder: pathlib.Path) -> Iterator[Road]:
    """Files of its operators alone, steps first; int8 weights by its own quantizer.

    It has no LSTM that computes in int8, and no GRU with int8 weights.
    """
    for k, (precision, form, content) in enumerate(_onnx_files(case)):
        path = folder / f"{k}.onnx"
        path.write_bytes(content)
        for mode in case.modes:
            yield _peer(case, ("onnxruntime", form), (precision, mode), path, batch_axis=1)


def _onnx_files(case: Case) -> Iterator[tuple[str, str, bytes]]:
    """Precision, how it was made, and the file."""
    network = case.networks["float32"]
    content = graph(network)
    yield "float32", "io-binding", content
    cells = {layer.cell_name for layer in network.layers if isinstance(layer, Recurrent)}
    if cells == {"lstm"}:
        for name, made in dynamic(content):
            yield "hybrid", f"io-binding, {name}", made
        # A small head is quicker with float weights.
        if any(layer.kind == "dense" for layer in network.layers):
            for name, made in dynamic(content, op_types_to_quantize=["LSTM"]):
                yield "hybrid", f"io-binding, {name}, float head", made


def torch(case: Case, folder: pathlib.Path) -> Iterator[Road]:
    """Its modules traced and frozen; int8 weights by its dynamic quantization."""
    path = write(case.networks["float32"], folder / "float32.npz")
    for precision in ("float32", "hybrid"):
        for mode in case.modes:
            yield _peer(case, ("torch", "jit"), (precision, mode), path)


def _peer(
    case: Case,
    named: tuple[str, str],
    kind: tuple[str, str],
    path: pathlib.Path,
    batch_axis: int = 0,
) -> Road:
    """An engine that calls a file, with one thread."""
    (engine, form), (precision, mode) = named, kind
    raw = precision == "int8"
    given = _inputs(case, mode, raw=raw)[0].copy()
    calling = Calling(given, batch_axis=batch_axis)
    preparer = ENGINES[engine].preparers[precision]
    opened = prepare(preparer, str(path), calling)

    def call(x: Array) -> Array:
        given[...] = x
        return opened()

    def reset() -> None:
        nonlocal opened
        if mode == "step":
            opened = prepare(preparer, str(path), calling)

    return Road(NAMES[engine], form, precision, mode, call, raw, reset)


PEERS = (litert, onnxruntime, torch)
