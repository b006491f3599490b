"""What `bench_kernels` measures of ours: sessions, bare kernels, programs, plain loops."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edgelstm.execution import stages
from edgelstm.execution.bytecode import encode
from edgelstm.execution.chained import Chained
from edgelstm.execution.fused import packed_layer
from edgelstm.execution.session import Session
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize

STEPS = 100
Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One row of the tables.

    Attributes:
        name: Of the row.
        mode: `float32`, `int8`, `hybrid` or `gru`.
        side: `ours` is what users call, `extra` other ways into the same kernels, `plain` loops
            without vectors, `peer` another runtime.
        sequence: Runs STEPS steps from the start; returns (STEPS, hidden_size).
        step: Runs one step on from where it is.
    """

    name: str
    mode: str
    side: str
    sequence: Callable[[], Array] | None
    step: Callable[[], Any] | None


@dataclasses.dataclass(frozen=True)
class Task:
    """The same layer in each form, and its input."""

    input_size: int
    hidden_size: int
    networks: dict[str, Any]
    x: Array
    x_q: Array

    def input(self, mode: str) -> Array:
        """What a network of this mode reads: int8 reads and gives integers."""
        return self.x_q if mode == "int8" else self.x


def task(input_size: int, hidden_size: int) -> Task:
    """Random weights as PyTorch initialises them, normal input."""
    rng = np.random.default_rng(1)
    rows, bound = 4 * hidden_size, np.float32(hidden_size**-0.5)
    w, u, b = (
        rng.uniform(-1, 1, shape).astype(np.float32) * bound
        for shape in ((rows, input_size), (rows, hidden_size), (rows,))
    )
    x = rng.standard_normal((STEPS, input_size)).astype(np.float32)
    lstm = Network((Recurrent((Direction("lstm1", "lstm", w, u, b, np.zeros_like(b)),)),))
    part = slice(0, 3 * hidden_size)
    gru = Direction("gru1", "gru", w[part], u[part], b[part], b[part])
    networks: dict[str, Any] = {
        "float32": lstm,
        "int8": quantize(lstm, x, "int8"),
        "hybrid": quantize(lstm, None, "hybrid"),
        "gru": Network((Recurrent((gru,)),)),
    }
    scale, zero = networks["int8"].input_scale, networks["int8"].input_zero_point
    x_q = np.clip(np.rint(x / scale) + zero, -128, 127).astype(np.int8)
    return Task(input_size, hidden_size, networks, x, x_q)


def ours(given: Task) -> list[Contestant]:
    """Sessions, and the other ways into the same kernels."""
    found = []
    for mode in given.networks:
        found += [_session(given, mode), _entry(given, mode), _program(given, mode)]
    return [*found, _plain(given)]


def _session(given: Task, mode: str) -> Contestant:
    """As users call it."""
    session, x = Session(given.networks[mode]), given.input(mode)
    row, out = x[0].copy(), np.empty(given.hidden_size, x.dtype)

    def sequence() -> Array:
        session.reset()
        return session.run(x)

    return Contestant(
        f"edgelstm {mode}", mode, "ours", sequence, lambda: session.step(row, out=out)
    )


def _entry(given: Task, mode: str) -> Contestant:
    """The compiled function without Python around it."""
    layer = given.networks[mode].layers[0].parts[0]
    stage = stages.FusedStage(layer.name, packed_layer(layer), 1)
    return _chain(f"kernel alone, {mode}", mode, "extra", stage, given)


def _program(given: Task, mode: str) -> Contestant:
    """The same operations row by row: what the fused kernel earns."""
    stage = stages.ProgramStage(encode(parts(given.networks[mode].layers)), 1)
    return _chain(f"program, {mode}", mode, "plain", stage, given)


def _chain(name: str, mode: str, kind: str, stage: Any, given: Task) -> Contestant:
    """One stage, called as a `Session` calls it."""
    x = given.input(mode)
    chain = Chained([stage], (x.shape[-1], x.dtype), 1, batched=False)
    run, step = (chain.call(is_step=is_step) for is_step in (False, True))
    row, y = x[0].copy(), np.empty((STEPS, given.hidden_size), x.dtype)
    y_row = y[0].copy()

    def sequence() -> Array:
        stage.reset()
        run(x, y)
        return y

    return Contestant(name, mode, kind, sequence, lambda: step(row, y_row))


@numba.njit(nogil=True, error_model="numpy", fastmath=True)  # type: ignore[untyped-decorator]
def _loops(w: Any, b: Any, x: Any, xh: Any, z: Any, c: Any, y: Any) -> None:
    """w: float32 (inputs + hidden, 4 * hidden); the obvious loops, gates i f g o."""
    inputs, n = x.shape[1], c.shape[0]
    for t in range(x.shape[0]):
        xh[:inputs] = x[t]
        z[:] = b
        for k in range(inputs + n):
            for j in range(4 * n):
                z[j] += w[k, j] * xh[k]
        for j in range(n):
            i, f = 1 / (1 + np.exp(-z[j])), 1 / (1 + np.exp(-z[n + j]))
            g, o = np.tanh(z[2 * n + j]), 1 / (1 + np.exp(-z[3 * n + j]))
            c[j] = f * c[j] + i * g
            xh[inputs + j] = o * np.tanh(c[j])
        y[t] = xh[inputs:]


def _plain(given: Task) -> Contestant:
    """An LSTM as one would write it for numba."""
    layer, n, x = given.networks["float32"].layers[0].parts[0], given.hidden_size, given.x
    w = np.concatenate([layer.weight_ih, layer.weight_hh], 1).T.copy()
    xh, z, c = (np.zeros(k, np.float32) for k in (len(w), 4 * n, n))
    y, y_row = np.zeros((STEPS, n), np.float32), np.zeros((1, n), np.float32)

    def sequence() -> Array:
        xh[:], c[:] = 0, 0
        _loops(w, layer.bias_ih, x, xh, z, c, y)
        return y

    row = x[:1].copy()
    return Contestant(
        "plain loops",
        "float32",
        "plain",
        sequence,
        lambda: _loops(w, layer.bias_ih, row, xh, z, c, y_row),
    )
