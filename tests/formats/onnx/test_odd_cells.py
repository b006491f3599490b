"""Cells wired as none is, in .onnx files of every precision: what follows from operations alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.cells.spec import CellSpec, sigmoid, tanh
from edgelstm.errors import ModelError
from edgelstm.formats import encode, read, write
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.reference import run_integers
from tests.formats.onnx.test_composed import composed, integers
from tests.formats.onnx.test_every_cell import assert_close, assert_same, given
from tests.networks import random_direction, random_input, random_network
from tests.onnx_files import run, snr_db, stream


def swapped(W: Any, U: Any, x: Any, h: Any, c: Any) -> Any:
    """The second state is the first one of the step before."""
    return tanh(W.n(x) + U.n(h) + sigmoid(W.m(x) + U.m(c))), h


def shared(W: Any, U: Any, x: Any, h: Any, c: Any) -> Any:
    """One matrix multiplies two values, one of them computed; 1 - f, and the states are two."""
    f = sigmoid(W.n(x) + U.n(h))
    c = f * c + (1 - f) * tanh(W.m(x) + U.m(f * h))
    return tanh(U.n(c)), c


def reset(W: Any, U: Any, x: Any, h: Any, c: Any) -> Any:
    """Two states, 1 - f, and a matrix times a computed value."""
    f = sigmoid(W.f(x) + U.f(h))
    c = f * c + (1 - f) * tanh(W.n(x) + U.n(f * h))
    return f * tanh(c), c


def straight(W: Any, U: Any, x: Any, h: Any) -> Any:
    """The new state is the product itself, and x is read beside it."""
    return (W.n(x) + x * U.n(h),)


def twice(W: Any, U: Any, x: Any, h: Any, c: Any) -> Any:
    """Both states are one value."""
    n = W.n(x) + U.n(h)
    return n, n


ODD = {
    f.__name__: CellSpec(f.__name__, gates, states, f)
    for f, gates, states in (
        (swapped, ("n", "m"), ("h", "c")),
        (shared, ("n", "m"), ("h", "c")),
        (reset, ("f", "n"), ("h", "c")),
        (straight, ("n",), ("h",)),
        (twice, ("n",), ("h", "c")),
    )
}


def odd_network(cell_name: str) -> Network:
    made = random_direction(cell_name, 6, 6, np.random.default_rng(0), gain=0.5)
    return Network((Recurrent((made,)),))


@pytest.mark.parametrize(
    ("cell_name", "precision"),
    [
        *[(name, "float32") for name in ODD],
        *[(name, "hybrid") for name in ODD if name != "shared"],  # of which no bias can be merged
    ],
)
def test_a_cell_wired_oddly_is_a_loop_like_any_other(
    cell_name: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CELLS, cell_name, ODD[cell_name])
    floats = odd_network(cell_name)
    x = random_input(floats, 3, 12)
    network, expected = given(floats, precision), forward(floats, x)
    for got in (run(network, x), stream(network, x)):
        if precision == "float32":
            assert_close(got, expected)
        else:
            assert snr_db(expected, got) > 25
    assert_same(read(write(network, tmp_path / "net.onnx")), network)


@pytest.mark.parametrize("precision", ["int8", "int16x8"])
def test_its_integers_are_those_of_the_reference(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CELLS, "reset", ODD["reset"])
    network: QuantizedNetwork = composed(odd_network("reset"), precision)
    x = integers(network, 9, 20)
    expected = run_integers(network, x)
    np.testing.assert_array_equal(run(network, x), expected)
    np.testing.assert_array_equal(stream(network, x), expected)
    assert_same(read(write(network, tmp_path / "net.onnx")), network)


def blind(W: Any, U: Any, x: Any, h: Any) -> Any:
    """The input counts the steps, and no more."""
    return (tanh(U.n(h)),)


def test_weights_that_nothing_reads_are_not_lost_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CELLS, "blind", CellSpec("blind", ("n",), ("h",), blind))
    told = "layer 'blind1': a blind multiplies nothing by weight_ih of its gate n, and .onnx would "
    with pytest.raises(ModelError, match=f"{told}lose it; what works for it: .npz"):
        encode(random_network("blind", (2, 3)), ".onnx")
