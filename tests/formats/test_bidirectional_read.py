"""Bidirectional layers from files of others and from modules, against PyTorch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx.helper import make_attribute
from torch import nn

from edgelstm.errors import ModelError
from edgelstm.formats import encode, read
from edgelstm.formats.torch.read import from_torch
from edgelstm.layers.directions import is_bidirectional
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from tests.networks import bidirectional_network
from tests.torch_modules import INPUTS, to_onnx

TOLERANCE = 1e-5  # float32 sums in another order; ONNX Runtime's activations are approximations
MODULES = {"lstm": nn.LSTM, "gru": nn.GRU}


class Tagger(nn.Module):
    """Two layers in both directions, and a head over each step or the last."""

    def __init__(self, cell_name: str, *, last_step: bool, hidden_size: int = 6) -> None:
        super().__init__()
        torch.manual_seed(hidden_size)
        self.rnn = MODULES[cell_name](INPUTS, hidden_size, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden_size, 3)
        self.last_step = last_step
        self.eval()

    def forward(self, x: Any) -> Any:
        y = self.rnn(x)[0]
        return self.head(y[:, -1] if self.last_step else y)


def results(module: nn.Module, x: np.ndarray) -> Any:
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


def check_against(module: nn.Module, network: Any) -> None:
    assert isinstance(network, Network)
    assert any(is_bidirectional(layer) for layer in network.layers)
    x = np.random.default_rng(3).normal(size=(3, 9, INPUTS)).astype(np.float32)
    assert np.abs(forward(network, x) - results(module, x)).max() < TOLERANCE


# ---- PyTorch


def saved_safetensors(module: nn.Module, folder: Path) -> Path:
    from safetensors.torch import save_file

    save_file(module.state_dict(), folder / "net.safetensors")
    return folder / "net.safetensors"


def saved_pt(module: nn.Module, folder: Path) -> Path:
    torch.save(module.state_dict(), folder / "net.pt")
    return folder / "net.pt"


def saved_npz(module: nn.Module, folder: Path) -> Path:
    arrays = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    np.savez(folder / "net.npz", **arrays)
    return folder / "net.npz"


@pytest.mark.parametrize("save", [saved_safetensors, saved_pt, saved_npz])
@pytest.mark.parametrize("last_step", [False, True])
@pytest.mark.parametrize("cell_name", MODULES)
def test_a_state_dict_is_read(
    cell_name: str, last_step: bool, save: Callable[[nn.Module, Path], Path], tmp_path: Path
) -> None:
    module = Tagger(cell_name, last_step=last_step)
    network = read(save(module, tmp_path), head="last" if last_step else "each")
    check_against(module, network)
    assert f"'rnn.*_l1_reverse' is PyTorch's {cell_name.upper()}" in " ".join(network.assumed)


def test_the_head_of_a_state_dict_is_said_to_read_no_final_states(tmp_path: Path) -> None:
    network = read(saved_npz(Tagger("lstm", last_step=True), tmp_path))
    said = "'head.*' reads the last step, not the final states of both directions (h_n)"
    assert network.last_step and said in network.assumed


def test_a_state_dict_of_different_directions_is_refused(tmp_path: Path) -> None:
    held = {k: v.numpy() for k, v in Tagger("lstm", last_step=True).state_dict().items()}
    wrong = {
        "rnn.weight_ih_l0_reverse' is missing": {
            k: v for k, v in held.items() if k != "rnn.weight_ih_l0_reverse"
        },
        "rnn.weight_hh_l0' is missing": {k: v for k, v in held.items() if k != "rnn.weight_hh_l0"},
        "the same cell and sizes are needed": {
            **held,
            "rnn.weight_hh_l0_reverse": np.zeros((18, 6), np.float32),
            "rnn.weight_ih_l0_reverse": np.zeros((18, INPUTS), np.float32),
            "rnn.bias_ih_l0_reverse": np.zeros(18, np.float32),
            "rnn.bias_hh_l0_reverse": np.zeros(18, np.float32),
        },
        "fit in no order": {k: v for k, v in held.items() if "l0_reverse" not in k},
    }
    for message, arrays in wrong.items():
        np.savez(tmp_path / "net.npz", **arrays)
        with pytest.raises(ModelError, match=message):
            read(tmp_path / "net.npz")


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("cell_name", MODULES)
def test_a_module_is_read_layer_by_layer(cell_name: str, bias: bool) -> None:
    torch.manual_seed(0)
    inner = MODULES[cell_name](5, 4, 2, bias=bias, batch_first=True, bidirectional=True)
    network = from_torch(inner)
    assert [layer.name for layer in network.layers] == [f"{cell_name}1", f"{cell_name}2"]
    x = np.random.default_rng(3).normal(size=(3, 9, 5)).astype(np.float32)
    with torch.no_grad():
        expected = inner(torch.from_numpy(x))[0].numpy()
    assert np.abs(forward(network, x) - expected).max() < TOLERANCE


@pytest.mark.parametrize("last_step", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("cell_name", MODULES)
def test_a_module_is_read_by_its_graph(cell_name: str, last_step: bool) -> None:
    module = Tagger(cell_name, last_step=last_step)
    network = from_torch(module)
    assert network.last_step == last_step
    check_against(module, network)


class Finals(Tagger):
    """The usual classifier: the final states of both directions."""

    def forward(self, x: Any) -> Any:
        h = self.rnn(x)[1][0]
        return self.head(torch.cat((h[-2], h[-1]), 1))


def test_the_final_states_of_both_directions_are_read(tmp_path: Path) -> None:
    module = Finals("lstm", last_step=True)
    check_against(module, from_torch(module))
    check_against(module, read(to_onnx(module, tmp_path / "net.onnx", dynamo=False)))


# ---- ONNX of others


@pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("hidden_size", [1, 6])
@pytest.mark.parametrize("last_step", [False, True])
@pytest.mark.parametrize("cell_name", MODULES)
def test_an_exported_graph_is_read(
    cell_name: str, last_step: bool, hidden_size: int, dynamo: bool, tmp_path: Path
) -> None:
    module = Tagger(cell_name, last_step=last_step, hidden_size=hidden_size)
    check_against(module, read(to_onnx(module, tmp_path / "net.onnx", dynamo=dynamo)))


def edited(change: Callable[[onnx.NodeProto, onnx.GraphProto], None], folder: Path) -> Path:
    """A file of one bidirectional layer, with its LSTM changed."""
    content = encode(bidirectional_network("lstm", (5, 4)), ".onnx")[""]
    model = onnx.load_model_from_string(content)
    node = next(n for n in model.graph.node if n.op_type == "LSTM")
    change(node, model.graph)
    onnx.save(model, str(folder / "net.onnx"))
    return folder / "net.onnx"


def test_a_lone_direction_with_weights_of_two_is_refused(tmp_path: Path) -> None:
    def change(node: onnx.NodeProto, graph: onnx.GraphProto) -> None:
        next(a for a in node.attribute if a.name == "direction").s = b"reverse"

    with pytest.raises(ModelError, match=r"has W of shape \(2, 16, 5\) .*; \(1, 4 \*"):
        read(edited(change, tmp_path))


def test_activations_are_named_for_both_directions(tmp_path: Path) -> None:
    plain = ["Sigmoid", "Tanh", "Tanh"]

    def named(activations: list[str]) -> Path:
        return edited(
            lambda node, _: node.attribute.append(make_attribute("activations", activations)),
            tmp_path,
        )

    assert is_bidirectional(read(named(plain * 2)).layers[0])
    for wrong in (plain, [*plain, "Sigmoid", "Tanh", "Relu"]):
        with pytest.raises(ModelError, match="has activations="):
            read(named(wrong))


def test_directions_that_stay_apart_are_refused(tmp_path: Path) -> None:
    def change(node: onnx.NodeProto, graph: onnx.GraphProto) -> None:
        reshape = next(n for n in graph.node if n.op_type == "Reshape")
        graph.output[0].name = reshape.input[0]

    with pytest.raises(ModelError, match="the output has the axes steps, batch, directions, feat"):
        read(edited(change, tmp_path))


def test_weights_of_one_direction_are_refused(tmp_path: Path) -> None:
    def change(node: onnx.NodeProto, graph: onnx.GraphProto) -> None:
        del node.attribute[:]

    with pytest.raises(ModelError, match=r"has W of shape \(2, 16, 5\).*\(1, 4 \* hidden_size"):
        read(edited(change, tmp_path))
