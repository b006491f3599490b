"""Two cells that exist nowhere: equations and a line of `CELLS`, and what each then has.

The UGRNN (Collins et al. 2017), and the LSTM's operations wired otherwise.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.cells.spec import CellSpec, sigmoid, tanh, trace
from edgelstm.cost.count_ops import count
from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats import read, write
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.networks import random_input, random_network

X, H = 3, 5  # inputs, units


def ugrnn(W: Any, U: Any, x: Any, h: Any) -> Any:
    u = sigmoid(W.u(x) + U.u(h))
    n = tanh(W.n(x) + U.n(h))
    return (u * h + (1 - u) * n,)


def wired(W: Any, U: Any, x: Any, h: Any, c: Any) -> Any:
    i, f, g, o = (W.i(x) + U.i(h), W.f(x) + U.f(h), W.g(x) + U.g(h), W.o(x) + U.o(h))
    c = sigmoid(f) * c + sigmoid(o) * tanh(g)
    return sigmoid(i) * tanh(c), c


NEW = {
    "ugrnn": CellSpec("ugrnn", ("u", "n"), ("h",), ugrnn),
    "wired": CellSpec("wired", ("i", "f", "g", "o"), ("h", "c"), wired),
}
HAS = [(n, p) for n in NEW for p in ("float32", "hybrid", "int8", "int16x8")]
new_cells = pytest.mark.parametrize("cell_name", NEW)
engines = pytest.mark.parametrize(
    "engine", ["reference", pytest.param("numba", marks=pytest.mark.slow)]
)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, spec in NEW.items():
        monkeypatch.setitem(CELLS, name, spec)


def made(cell_name: str) -> tuple[Network, NDArray[np.float32]]:
    network = random_network(cell_name, (X, H))
    return network, random_input(network, 2, 6)


def by_hand(network: Network, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The equations once more, in plain numpy on stacked gates."""
    (layer,) = network.layers[0].parts
    w, u, b, r = (a.astype(float) for a in layer.arrays.values())
    h, c, y = np.zeros((len(x), H)), np.zeros((len(x), H)), []
    for t in range(x.shape[1]):
        z = np.split(x[:, t] @ w.T + b + h @ u.T + r, len(w) // H, axis=1)
        s = [1 / (1 + np.exp(-v)) for v in z]
        if len(z) == 2:
            h = np.tanh(z[1]) + s[0] * (h - np.tanh(z[1]))
        else:
            c = s[1] * c + s[3] * np.tanh(z[2])
            h = s[0] * np.tanh(c)
        y.append(h)
    return np.stack(y, 1)


@new_cells
@engines
def test_it_runs_in_float32_and_hybrid(cell_name: str, engine: str) -> None:
    network, x = made(cell_name)
    expected = by_hand(network, x)
    assert np.abs(run(network, x, engine=engine) - expected).max() < 2e-6  # float32 sums
    hybrid = quantize(network, x, "hybrid")
    got = run(hybrid, x, engine=engine)
    # Another engine rounds the same to int8; what rounding costs is far less than a wrong gate.
    assert np.abs(got - run(hybrid, x, engine="reference")).max() < 2e-6
    assert 0 < np.abs(got - expected).max() < 0.02


@pytest.mark.parametrize(("cell_name", "precision"), HAS)
def test_npz_gives_it_back(cell_name: str, precision: str, tmp_path: Path) -> None:
    network, x = made(cell_name)
    given = network if precision == "float32" else quantize(network, x, precision)
    got = read(write(given, tmp_path / "net.npz"))
    (layer,) = got.layers
    assert isinstance(layer, Recurrent) and layer.cell_name == cell_name
    assert np.array_equal(run(got, x, engine="reference"), run(given, x, engine="reference"))


COUNTS = {  # MACs; adds: sums of a gate's two products, and what the cell adds; muls; activations
    "ugrnn": (2 * H * (X + H), 2 * H + 2 * H, 2 * H, H, H),
    "wired": (4 * H * (X + H), 4 * H + H, 3 * H, 3 * H, 2 * H),
}


@new_cells
@pytest.mark.parametrize("precision", ["float32", "hybrid", "int8"])
def test_it_is_counted(cell_name: str, precision: str) -> None:
    total = count(made(cell_name)[0], precision=precision).total
    macs, adds, muls, sigmoids, tanhs = COUNTS[cell_name]
    assert (total.macs, total.sigmoids, total.tanhs) == (macs, sigmoids, tanhs)
    assert total.muls - macs == muls
    stored = 4 if precision == "float32" else 1
    assert total.weight_bytes == macs * stored
    if precision == "float32":  # a product of n terms has n - 1 adds, and one for its bias
        gates = len(NEW[cell_name].gates) * H
        assert total.adds == macs - 2 * gates + gates + adds


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize(("cell_name", "precision"), HAS)
def test_files_compute_it_and_give_it_back(
    cell_name: str, precision: str, suffix: str, tmp_path: Path
) -> None:
    network, x = made(cell_name)
    given = network if precision == "float32" else quantize(network, x, precision)
    path = write(given, tmp_path / f"net{suffix}", steps=6)
    verified = verify(path, given, n_sequences=8).verified
    assert "ok" in {v.status for v in verified} <= {"ok", "skipped"}, verified
    got = read(path)
    assert np.array_equal(run(got, x, engine="reference"), run(given, x, engine="reference"))


def test_fused_integers_of_another_scale_are_refused() -> None:
    told = "layer 'ugrnn1': a ugrnn has no fused int8 form: .*; what works for it: float32"
    with pytest.raises(ModelError, match=told):
        quantize(*made("ugrnn"), "int8", "fused")


@engines
@pytest.mark.parametrize("form", ["fused", "composed"])
def test_the_wiring_is_that_of_the_cell_in_integers(engine: str, form: str) -> None:
    network, x = made("wired")
    quantized = quantize(network, x, "int8", form)
    got = run(quantized, x, engine=engine)
    assert np.array_equal(got, run(quantized, x, engine="reference"))
    assert np.abs(got - by_hand(network, x)).max() < 0.02
    layer: Any = network.layers[0].parts[0]
    lstm = Network((Recurrent((dataclasses.replace(layer, cell_name="lstm"),)),))
    assert np.abs(run(lstm, x, engine="reference") - got).max() > 0.05


@pytest.mark.parametrize(
    ("equations", "told"),
    [
        (lambda W, U, x, h: (tanh(W.n(x)) * 0.5,), "the only constant is the 1 of 1 - v"),
        (lambda W, U, x, h: (2 - tanh(W.n(x)),), "the only constant in a cell is the 1"),
        (lambda W, U, x, h: tanh(W.n(x)), "'wrong' return a tuple of one new value per state: h"),
        (lambda W, U, x, h: (h, h), "'wrong' return a tuple of one new value per state: h"),
        (lambda W, U, x, h: (tanh(W.k(x)),), "gate 'k' is not in ('n',)"),
    ],
)
def test_equations_that_are_none_say_what_is_needed(equations: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(told)):
        trace(CellSpec("wrong", ("n",), ("h",), equations))


# ---- what is legal in equations, and has no place in a kernel or in stored integers


def twice(W: Any, U: Any, x: Any, h: Any) -> Any:
    """One gate's weights multiply two values."""
    f = sigmoid(W.f(x) + U.f(h))
    n = tanh(W.n(x) + U.n(h))
    return (f * n + (1 - f) * tanh(U.n(f * h)),)


def highway(W: Any, U: Any, x: Any, h: Any) -> Any:
    """x goes on as it is, so there are as many inputs as units."""
    f = sigmoid(W.f(x) + U.f(h))
    return (f * x + (1 - f) * h,)


def by_equations(network: Network, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The equations on arrays, without the list of operations that tracing makes of them."""
    (layer,) = network.layers[0].parts
    assert isinstance(layer, Direction)
    rows = {g: layer.spec.rows(g, layer.hidden_size) for g in layer.spec.gates}

    class Products:
        def __init__(self, weight: Any, bias: Any) -> None:
            self._weight, self._bias = weight.astype(float), bias.astype(float)

        def __getattr__(self, gate: str) -> Any:
            at = rows[gate]
            return lambda v: v @ self._weight[at].T + self._bias[at]

    w, u = Products(layer.weight_ih, layer.bias_ih), Products(layer.weight_hh, layer.bias_hh)
    h, y = np.zeros((len(x), layer.hidden_size)), []
    for t in range(x.shape[1]):
        (h,) = layer.spec.equations(w, u, x[:, t].astype(float), h)
        y.append(h)
    return np.stack(y, 1)


UNUSUAL = {
    "twice": CellSpec("twice", ("f", "n"), ("h",), twice),
    "highway": CellSpec("highway", ("f",), ("h",), highway),
}


@pytest.mark.parametrize("engine", ["reference", "numba"])
@pytest.mark.parametrize("cell_name", UNUSUAL)
def test_unusual_equations_are_computed_as_they_stand(
    cell_name: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CELLS, cell_name, UNUSUAL[cell_name])
    network = random_network(cell_name, (4, 4))
    x = random_input(network, 2, 7)
    got = run(network, x, engine=engine)
    assert np.abs(got - by_equations(network, x)).max() < 2e-6  # float32 sums


@pytest.mark.parametrize(
    ("cell_name", "precision", "told"),
    [
        ("twice", "hybrid", "weight_hh of gate n multiplies two values"),
        ("twice", "int8", "weight_hh of gate n multiplies two values"),
        ("highway", "int8", "operation 'mul' reads x"),
        ("highway", "int16x8", "operation 'mul' reads x"),
    ],
)
def test_unusual_equations_without_integers_are_refused(
    cell_name: str, precision: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CELLS, cell_name, UNUSUAL[cell_name])
    network = random_network(cell_name, (4, 4))
    with pytest.raises(ModelError, match=f"layer '{cell_name}1': .*{told}"):
        quantize(network, random_input(network, 2, 7), precision)
