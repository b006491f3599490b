"""The cells against other people's: torch, and onnxruntime with its own operator."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats import read, write
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from tests.networks import random_direction, random_input
from tests.parameters import compiled
from tests.present import imported

Array = NDArray[np.float32]
# float32 weights, both sides in float64: only the order of sums differs.
TOLERANCE = 1e-12


def one(layer: Direction) -> Network:
    return Network((Recurrent((layer,)),))


def random_layer(cell_name: str, *, gain: float = 3, projection: int = 0) -> Direction:
    rng = np.random.default_rng(0)
    return random_direction(cell_name, 5, 7, rng, gain=gain, projection=projection)


def torch_layer(module: torch.nn.Module, cell_name: str) -> Direction:
    """The module's first layer, its weights rounded to float32 where they stand."""
    with torch.no_grad():
        for p in module.parameters():
            p.copy_((p * 3).float())
    tensors = {k: v.detach().float().numpy() for k, v in module.named_parameters()}
    weights = tensors["weight_ih_l0"], tensors["weight_hh_l0"]
    biases = tensors["bias_ih_l0"], tensors["bias_hh_l0"]
    return Direction("l", cell_name, *weights, *biases, weight_hr=tensors.get("weight_hr_l0"))


@pytest.mark.parametrize(
    ("module", "cell_name"),
    [
        (torch.nn.RNN(5, 7, batch_first=True), "rnn"),
        (torch.nn.LSTM(5, 7, batch_first=True, proj_size=3), "lstm"),
        (torch.nn.LSTM(5, 7, batch_first=True, proj_size=1), "lstm"),
    ],
)
def test_cell_matches_torch(module: torch.nn.Module, cell_name: str) -> None:
    layer = torch_layer(module.double(), cell_name)
    x = torch.randn(3, 20, 5, dtype=torch.float64)
    expected = module(x)[0].detach().numpy()
    assert np.abs(forward(one(layer), x.numpy()) - expected).max() < TOLERANCE


def onnx_lstm(layer: Direction, x: Array, gates: dict[str, str], coupled: int) -> Array:
    """ONNX's LSTM in onnxruntime. `gates`: its gates i o f g to ours, with a sign."""
    onnx, ort = pytest.importorskip("onnx"), imported("onnxruntime", "onnxruntime")
    n, h = len(layer.spec.gates), layer.hidden_size

    def blocks(rows: Array) -> Array:
        by_gate = dict(zip(layer.spec.gates, rows.reshape(n, h, -1), strict=True))
        return np.concatenate([_signed(by_gate, gates[g]) for g in "iofg"])

    assert layer.weight_peephole is not None
    peepholes = dict(
        zip(layer.spec.peepholes, layer.weight_peephole.reshape(-1, h, 1), strict=True)
    )
    feeds = {
        "X": x.transpose(1, 0, 2),
        "W": blocks(layer.weight_ih)[None],
        "R": blocks(layer.weight_hh)[None],
        "B": np.concatenate([blocks(layer.bias_ih), blocks(layer.bias_hh)]).T,
        "": None,
        "P": np.concatenate([_signed(peepholes, gates[g]) for g in "iof"]).T,
    }
    names = ["X", "W", "R", "B", "", "", "", "P"]
    node = onnx.helper.make_node("LSTM", names, ["Y"], hidden_size=h, input_forget=coupled)
    infos = [
        onnx.helper.make_tensor_value_info(k, onnx.TensorProto.FLOAT, v.shape)
        for k, v in feeds.items()
        if v is not None
    ]
    y = onnx.helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "g", infos, [y])
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {k: v for k, v in feeds.items() if v is not None})[0]
    return np.asarray(got[:, 0].transpose(1, 0, 2))


def _signed(blocks: dict[str, Array], gate: str) -> Array:
    return -blocks[gate[1:]] if gate.startswith("-") else blocks[gate]


@pytest.mark.parametrize("gain", [1, 4])
def test_peepholes_match_onnxruntime(gain: float) -> None:
    layer = random_layer("lstm_peephole", gain=gain)
    x = random_input(one(layer), 3, 20)
    expected = onnx_lstm(layer, x, {g: g for g in "iofg"}, coupled=0)
    assert np.abs(forward(one(layer), x) - expected).max() < 1e-5  # it computes in float32


def test_coupled_gates_with_peepholes_match_onnxruntime() -> None:
    layer = random_layer("lstm_coupled_peephole", gain=1)
    x = random_input(one(layer), 3, 20)
    # ONNX couples f = 1 - i: with the opposite sums its i is our 1 - f. Its f is not read.
    gates = {"i": "-f", "o": "o", "f": "f", "g": "g"}
    expected = onnx_lstm(layer, x, gates, coupled=1)
    assert np.abs(forward(one(layer), x) - expected).max() < 1e-5  # it computes in float32


def test_coupled_gates_are_those_with_peepholes_of_zero() -> None:
    layer = random_layer("lstm_coupled_peephole")
    silent = dataclasses.replace(layer, weight_peephole=np.zeros(14, np.float32))
    plain = dataclasses.replace(layer, cell_name="lstm_coupled", weight_peephole=None)
    x = random_input(one(layer), 3, 20)
    assert np.array_equal(forward(one(plain), x), forward(one(silent), x))


def test_mgu_is_a_gru_whose_gates_are_one() -> None:
    mgu = random_layer("mgu")

    def stacked(rows: Array) -> Array:
        f, n = np.split(rows, 2)
        return np.concatenate([f, -f, n])  # reset f, update z = 1 - f: h = n + (1 - f) * (h - n)

    weights = stacked(mgu.weight_ih), stacked(mgu.weight_hh)
    gru = Direction("l", "gru_reset_before", *weights, stacked(mgu.bias_ih), stacked(mgu.bias_hh))
    x = random_input(one(mgu), 3, 20)
    assert np.abs(forward(one(mgu), x) - forward(one(gru), x)).max() < TOLERANCE


@pytest.mark.parametrize("cell_name", compiled(["lstm", "lstm_peephole", "lstm_coupled"]))
@pytest.mark.parametrize("projection", [1, 3, 7])
def test_projections_run_in_the_kernel_as_in_the_oracle(cell_name: str, projection: int) -> None:
    network = one(random_layer(cell_name, gain=1, projection=projection))
    x = random_input(network, 3, 25)
    expected = run(network, x, engine="reference")
    assert expected.shape == (3, 25, projection)
    assert np.abs(run(network, x) - expected).max() < 2e-6  # float32 against float64


ODD = [
    *[(name, 0) for name in ("lstm_peephole", "lstm_coupled", "lstm_coupled_peephole")],
    *[("rnn", 0), ("mgu", 0), ("lstm", 3)],
]


@pytest.mark.parametrize(("cell_name", "projection"), ODD)
def test_npz_keeps_all_that_a_cell_has(cell_name: str, projection: int, tmp_path: Path) -> None:
    network = one(random_layer(cell_name, projection=projection))
    got = read(write(network, tmp_path / "net.npz"))
    expected = network.layers[0].arrays
    assert list(got.layers[0].arrays) == list(expected)
    assert all(np.array_equal(a, expected[k]) for k, a in got.layers[0].arrays.items())


def test_parts_that_the_cell_does_not_have_are_refused() -> None:
    peephole, rnn = random_layer("lstm_peephole"), random_layer("rnn")
    with pytest.raises(ModelError, match="lstm_peephole needs weight_peephole"):
        dataclasses.replace(peephole, weight_peephole=None)
    with pytest.raises(ModelError, match=r"needs \(21,\)"):
        dataclasses.replace(peephole, weight_peephole=np.zeros(7, np.float32))
    with pytest.raises(ModelError, match="rnn has no weight_peephole"):
        dataclasses.replace(rnn, weight_peephole=np.zeros(7, np.float32))
    with pytest.raises(ModelError, match="rnn has no projection"):
        dataclasses.replace(rnn, weight_hr=np.zeros((3, 7), np.float32))
    with pytest.raises(ModelError, match="weight_hh has shape .* needs"):
        dataclasses.replace(random_layer("lstm"), weight_hr=np.zeros((3, 7), np.float32))
