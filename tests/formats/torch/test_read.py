"""PyTorch's files and modules: the same weights through every door, the same results as PyTorch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.formats.torch.read import from_torch
from edgelstm.layers.directions import parts
from edgelstm.model.forward import forward
from tests.torch_modules import (
    HIDDEN,
    INPUTS,
    OUTPUTS,
    Net,
    all_steps,
    assert_computes_the_same,
    assert_same_weights,
    hidden_layer,
    last_of_output,
    nn,
    to_onnx,
    torch,
)

safetensors = pytest.importorskip("safetensors.torch")


def without_fc2(module: Any) -> dict[str, Any]:
    return {k: v for k, v in module.state_dict().items() if not k.startswith("fc2")}


def through_pt(module: Any, folder: Path) -> Any:
    torch.save(without_fc2(module), folder / "net.pt")
    return read(folder / "net.pt")


def through_checkpoint(module: Any, folder: Path) -> Any:
    optimizer = torch.optim.Adam(module.parameters(), lr=0.0)
    module(torch.zeros(1, 2, INPUTS)).sum().backward()
    optimizer.step()
    saved = {"epoch": 3, "model": without_fc2(module), "optimizer": optimizer.state_dict()}
    torch.save(saved, folder / "net.pth")
    return read(folder / "net.pth")


def through_safetensors(module: Any, folder: Path) -> Any:
    safetensors.save_file(without_fc2(module), folder / "net.safetensors")
    return read(folder / "net.safetensors")


def through_npz(module: Any, folder: Path) -> Any:
    np.savez(folder / "net.npz", **{k: v.numpy() for k, v in without_fc2(module).items()})
    return read(folder / "net.npz")


def through_torchscript_exporter(module: Any, folder: Path) -> Any:
    return read(to_onnx(module, folder / "net.onnx", dynamo=False))


def through_dynamo_exporter(module: Any, folder: Path) -> Any:
    return read(to_onnx(module, folder / "net.onnx", dynamo=True))


DOORS = (
    through_pt,
    through_checkpoint,
    through_safetensors,
    through_npz,
    through_torchscript_exporter,
    through_dynamo_exporter,
    lambda module, folder: from_torch(module),
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_one_module_gives_the_same_network_through_every_door(kind: str, tmp_path: Path) -> None:
    module = Net(last_of_output, kind, n_layers=2)
    networks = [door(module, tmp_path) for door in DOORS]
    expected = networks[0]
    assert_same_weights(expected, module)
    assert_computes_the_same(expected, module)
    for got in networks[1:]:
        assert got.last_step is expected.last_step
        assert [layer.name for layer in got.layers] == [layer.name for layer in expected.layers]
        for layer, other in zip(got.layers, expected.layers, strict=True):
            for name, array in layer.arrays.items():
                np.testing.assert_array_equal(array, other.arrays[name])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_weights_keep_their_values(dtype: Any, tmp_path: Path) -> None:
    module = Net().to(dtype)
    for network in (through_pt(module, tmp_path), through_safetensors(module, tmp_path)):
        expected = module.rnn.weight_ih_l0.detach().float().numpy()
        np.testing.assert_array_equal(network.layers[0].arrays["weight_ih"], expected)


def test_reading_leaves_the_weights_apart_from_the_file_and_the_module(tmp_path: Path) -> None:
    module = Net()
    networks = [door(module, tmp_path) for door in (through_pt, DOORS[-1])]
    before = module.rnn.weight_ih_l0.detach().numpy().copy()
    with torch.no_grad():
        module.rnn.weight_ih_l0 += 1
    torch.save(without_fc2(module), tmp_path / "net.pt")
    for network in networks:
        np.testing.assert_array_equal(network.layers[0].arrays["weight_ih"], before)


@pytest.mark.parametrize(
    "saved, said",
    [
        ({"encoder": nn.LSTM(4, 8).state_dict(), "head": nn.Linear(8, 3).state_dict()}, "'encoder"),
        ({"epoch": 3, "weights": [torch.zeros(3)]}, "dictionaries of weights in it: none"),
        (torch.zeros(3), "dictionaries of weights in it: none"),
        (nn.LSTM(4, 8), "holds pickled objects (torch.nn.modules.rnn.LSTM), which are never"),
        ({"weight": torch.eye(3).to_sparse()}, "holds pickled objects (torch._utils._rebuild_spar"),
        ({"weight": torch.empty(3, 3, device="meta")}, "_rebuild_meta_tensor_no_storage"),
    ],
)
def test_files_that_are_no_single_state_dict_are_refused(
    saved: Any, said: str, tmp_path: Path
) -> None:
    torch.save(saved, tmp_path / "net.pt")
    with pytest.raises(ModelError) as caught:
        read(tmp_path / "net.pt")
    assert str(caught.value).startswith("net.pt: ") and said in str(caught.value)


def test_types_of_weights_that_are_no_floats_are_named(tmp_path: Path) -> None:
    tensors = {"weight": torch.zeros(3, 4).to(torch.float8_e5m2)}
    safetensors.save_file(tensors, tmp_path / "net.safetensors")
    with pytest.raises(ModelError, match="tensor 'weight' has type F8_E5M2; F32, F16, BF16 or"):
        read(tmp_path / "net.safetensors")
    torch.save({"weight": torch.zeros(3, 4, dtype=torch.int8)}, tmp_path / "net.pt")
    with pytest.raises(ModelError, match="tensor 'weight' is int8; weights are needed in float16"):
        read(tmp_path / "net.pt")


@pytest.mark.parametrize("suffix", [".pt", ""])
def test_without_torch_the_install_line_is_given(suffix: str, tmp_path: Path) -> None:
    torch.save(Net().state_dict(), tmp_path / "net.pt")
    call = f"read({str(tmp_path / 'net.pt')!r})" if suffix else "from_torch(None)"
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from edgelstm.formats import read\n"
        "from edgelstm.formats.torch.read import from_torch\n"
        f"try: {call}\n"
        "except ValueError as error: print(error)\n"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    purpose = "reading net.pt" if suffix else "from_torch"
    assert got.stdout == f'{purpose} needs torch: pip install "edgelstm[torch]"\n'


SEQUENCES = {
    "LSTM": (lambda: nn.LSTM(INPUTS, HIDDEN, 3, batch_first=True, dropout=0.2), ["lstm"] * 3),
    "GRU": (lambda: nn.GRU(INPUTS, HIDDEN, bias=False, batch_first=True), ["gru"]),
    "LSTMCell": (lambda: nn.LSTMCell(INPUTS, HIDDEN), ["lstm"]),
    "GRUCell": (lambda: nn.GRUCell(INPUTS, HIDDEN, bias=False), ["gru"]),
    "Linear": (lambda: nn.Linear(INPUTS, OUTPUTS), ["dense"]),
    "LSTM, GRU, dense": (
        lambda: nn.Sequential(
            nn.LSTM(INPUTS, HIDDEN, batch_first=True),
            nn.Dropout(0.3),
            nn.GRU(HIDDEN, HIDDEN),
            nn.Sequential(nn.Linear(HIDDEN, OUTPUTS, bias=False), nn.Softmax(dim=-1)),
        ),
        ["lstm", "gru", "dense"],
    ),
}


@pytest.mark.parametrize("module, kinds", SEQUENCES.values(), ids=SEQUENCES)
def test_layers_and_their_sequences_are_read_as_they_stand(
    module: Callable[[], Any], kinds: list[str]
) -> None:
    made = module()
    got = from_torch(made)
    assert [layer.name.rstrip("0123456789") for layer in parts(got.layers)] == kinds
    assert not got.last_step and not got.assumed
    tensors = [array for layer in got.layers for array in layer.arrays.values()]
    for parameter in made.parameters():
        expected = parameter.detach().numpy()
        assert any(np.array_equal(tensor, expected) for tensor in tensors)


class Same(nn.Module):  # type: ignore[misc]
    """Not one of PyTorch's own modules, so that the graph is followed."""

    def forward(self, x: Any) -> Any:
        return x.clone()


@pytest.mark.parametrize("dim", [1, -1])
@pytest.mark.parametrize("more", [[], [Same()]])
def test_dense_layers_alone_take_batch_and_features(dim: int, more: list[Any]) -> None:
    dense = [nn.Linear(INPUTS, 5), nn.ReLU(), nn.Dropout(), nn.Linear(5, 3), nn.Softmax(dim)]
    module = nn.Sequential(*dense, *more).eval()
    got = from_torch(module)
    x = np.random.default_rng(2).normal(size=(7, INPUTS)).astype(np.float32)
    expected = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(forward(got, x[:, None])[:, 0], expected, atol=1e-6)


def test_double_and_half_modules_become_float32() -> None:
    double = from_torch(Net(all_steps).double())
    assert double.assumed == ()
    half = from_torch(nn.LSTM(INPUTS, HIDDEN).bfloat16())
    assert all(array.dtype == np.float32 for array in half.layers[0].arrays.values())
    third = Net(hidden_layer).double()
    with torch.no_grad():
        third.fc.bias.fill_(1 / 3)
    assert from_torch(third).assumed == ("float64 weights are rounded to float32",)
    assert from_torch(third.rnn).assumed == ()
