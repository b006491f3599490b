"""In which order layers run where a file holds weights alone: sizes, the file, names, the caller.

Expected values are torch's own where a module stands behind the file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.formats.asked import Asked
from edgelstm.formats.state_dict import to_network
from edgelstm.layers.directions import parts
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from tests.formats.test_state_dict import Tensors, dense, recurrent, weights

RELU = Asked(activation="relu")
X = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)


class InTurn(nn.Module):
    """Runs its parts in the order in which they were defined; the last dense one is a head."""

    def __init__(self, parts: dict[str, nn.Module], runs: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.runs = runs or tuple(parts)
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layers = [self.get_submodule(name) for name in self.runs]
        is_recurrent = [isinstance(layer, nn.RNNBase) for layer in layers]
        for k, layer in enumerate(layers):
            if not is_recurrent[k] and not any(is_recurrent[k:]) and x.ndim == 3:
                x = x[:, -1]
            x = layer(x)[0] if is_recurrent[k] else layer(x)
            if not is_recurrent[k] and not all(is_recurrent[k + 1 :]):
                x = torch.relu(x)
        return x


def lstm() -> nn.LSTM:
    return nn.LSTM(6, 6, batch_first=True)


def gru() -> nn.GRU:
    return nn.GRU(6, 6, batch_first=True)


def save_pt(module: nn.Module, path: Path) -> Path:
    path = path / "net.pt"
    torch.save(module.state_dict(), path)
    return path


def save_checkpoint(module: nn.Module, path: Path) -> Path:
    path = path / "net.pt"
    held = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save({"epoch": 3, "state": {"model_state_dict": held}}, path)
    return path


def save_safetensors(module: nn.Module, path: Path) -> Path:
    path = path / "net.safetensors"
    save_file(module.state_dict(), path)
    return path


def check(module: nn.Module, network: Any) -> None:
    with torch.no_grad():
        expected = module(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(forward(network, X), expected, atol=1e-6)  # both in float32


def named(network: Network) -> str:
    """What is said about the order."""
    [told] = [text for text in network.assumed if text.startswith("the layers run")]
    return told.removeprefix("the layers run in the order ")


DEFINED: dict[str, Callable[[], dict[str, nn.Module]]] = {
    "decoder is sorted before encoder": lambda: {"encoder": lstm(), "decoder": lstm()},
    "gru is sorted before lstm": lambda: {"lstm": lstm(), "gru": gru(), "out": nn.Linear(6, 3)},
    "b is sorted before z": lambda: {"z": lstm(), "hidden": nn.Linear(6, 6), "b": nn.Linear(6, 6)},
    "one in front": lambda: {"squeeze": nn.Linear(6, 6), "rnn": lstm(), "fc": nn.Linear(6, 2)},
    "one between": lambda: {"up": gru(), "middle": nn.Linear(6, 6), "down": gru()},
}


@pytest.mark.parametrize("save", [save_pt, save_checkpoint])
@pytest.mark.parametrize("parts", DEFINED.values(), ids=DEFINED)
def test_a_pt_file_runs_in_the_order_of_definition(
    parts: Callable[[], dict[str, nn.Module]],
    save: Callable[[nn.Module, Path], Path],
    tmp_path: Path,
) -> None:
    module = InTurn(parts())
    n_dense = sum(isinstance(part, nn.Linear) for part in parts().values())
    network = read(save(module, tmp_path), activation="relu" if n_dense > 1 else None)
    assert isinstance(network, Network) and named(network).endswith(", that of the file")
    check(module, network)


@pytest.mark.parametrize("parts", DEFINED.values(), ids=DEFINED)
def test_without_an_order_in_the_file_the_caller_is_asked(
    parts: Callable[[], dict[str, nn.Module]], tmp_path: Path
) -> None:
    module = InTurn(parts())
    path = save_safetensors(module, tmp_path)
    activation = "relu" if sum(isinstance(p, nn.Linear) for p in parts().values()) > 1 else None
    with pytest.raises(ModelError, match=r"fit in more than one order: .*as in --order .*order=\("):
        read(path, activation=activation)
    network = read(path, activation=activation, order=tuple(parts()))
    assert isinstance(network, Network)
    assert not any("order" in text and "gates" not in text for text in network.assumed)
    check(module, network)


def test_a_pt_file_with_sorted_names_shows_no_order_of_definition(tmp_path: Path) -> None:
    module = InTurn({"encoder": lstm(), "decoder": lstm()})
    torch.save(load_file(save_safetensors(module, tmp_path)), tmp_path / "sorted.pt")
    with pytest.raises(ModelError, match="more than one order"):
        read(tmp_path / "sorted.pt")


def test_where_the_files_order_does_not_fit_the_only_one_that_does_is_taken(tmp_path: Path) -> None:
    parts = {"out": nn.Linear(6, 3), "rnn": lstm()}
    module = InTurn(parts, ("rnn", "out"))
    network = read(save_pt(module, tmp_path))
    assert isinstance(network, Network)
    assert named(network) == "'rnn', 'out', the only one in which the sizes fit"
    check(module, network)


@pytest.mark.parametrize("names", [("lstm2", "lstm1"), ("fc", "rnn")])
def test_a_file_that_contradicts_its_names_is_refused(
    names: tuple[str, str], tmp_path: Path
) -> None:
    second = lstm() if names[0] == "lstm2" else nn.Linear(6, 6)
    module = InTurn({names[0]: second, names[1]: lstm()})
    path = save_pt(module, tmp_path)
    with pytest.raises(ModelError, match=f"in the file, '{names[0]}', '{names[1]}', contradicts"):
        read(path)
    if names[0] == "lstm2":
        check(module, read(path, order=names))


NUMBERED: dict[str, tuple[str, ...]] = {
    "lstm": tuple(f"lstm{k}" for k in range(1, 13)),
    "layers": tuple(f"net.layers.{k}" for k in range(12)),
    "layers of several": ("layers.0.rnn", "layers.1.cell", "layers.2.rnn", "layers.10.a"),
    "two numbers": ("b1.rnn_1", "b1.rnn_2", "b2.rnn_1", "b10.rnn_1"),
}


@pytest.mark.parametrize("names", NUMBERED.values(), ids=NUMBERED)
def test_numbers_of_one_stem_say_the_order(names: tuple[str, ...]) -> None:
    suffix = "_l0"
    tensors: Tensors = {}
    for k, name in enumerate(sorted(names)):
        tensors |= recurrent(f"{name}.", 4, 4, suffix)
        tensors[f"{name}.bias_ih{suffix}"] = weights(16, seed=100 + k)
    got = to_network(tensors, "net.npz")
    assert named(got) == ", ".join(f"'{n}'" for n in names) + ", as their names say"
    for name, layer in zip(names, got.layers, strict=True):
        expected = tensors[f"{name}.bias_ih{suffix}"]
        np.testing.assert_array_equal(layer.arrays["bias_ih"], expected)


def test_sizes_go_before_numbers() -> None:
    tensors = {**recurrent("lstm128.", 5, 128), **recurrent("lstm64.", 128, 64)}
    order = "'lstm128', 'lstm64', the only one in which the sizes fit"
    assert named(to_network(tensors, "net.npz")) == order


def test_sizes_decide_where_names_do_not_fit() -> None:
    tensors = {
        **recurrent("a_second.", 8, 6, n_gates=3),
        **recurrent("z_first.", 5, 8),
        **dense("fc.", 6, 3),
    }
    got = to_network(tensors, "net.pt")
    assert [layer.name for layer in parts(got.layers)] == ["lstm1", "gru1", "dense1"]
    assert named(got) == "'z_first', 'a_second', 'fc', the only one in which the sizes fit"


@pytest.mark.parametrize("name", ["fc", "out", "decoder.linear", "classifier.1", "output_layer"])
def test_what_is_called_a_head_stands_at_the_end(name: str) -> None:
    got = to_network({**dense(f"{name}.", 4, 4), **recurrent("rnn.", 4, 4)}, "net.npz")
    assert named(got) == f"'rnn', '{name}', as their names say"


OPEN = {
    "fc1 fc2 around or behind": {
        **dense("fc1.", 4, 4),
        **recurrent("rnn.", 4, 4),
        **dense("fc2.", 4, 2),
    },
    "not called a head": {**dense("fc_in.", 4, 4), **recurrent("rnn.", 4, 4)},
    "lstm and lstm2": {**recurrent("lstm.", 4, 4), **recurrent("lstm2.", 4, 4)},
    "a ring": {**recurrent("b.", 5, 8), **dense("x.", 8, 5), **recurrent("a.", 5, 8)},
}


@pytest.mark.parametrize("tensors", OPEN.values(), ids=OPEN)
def test_what_stays_open_is_an_error(tensors: Tensors) -> None:
    with pytest.raises(ModelError, match="^net.npz: the sizes of the layers fit in more than one"):
        to_network(tensors, "net.npz", RELU)


def test_many_layers_without_an_order_end_soon() -> None:
    tensors: Tensors = {}
    for k in range(150):
        tensors |= dense(f"x{chr(97 + k % 26)}{k}y.", 2 + k % 3, 2 + (k + 1) % 3)
    with pytest.raises(ModelError, match="more than one order"):
        to_network(tensors, "net.npz", RELU)
    for k in range(150, 201):
        tensors |= dense(f"x{k}y.", 2, 2)
    with pytest.raises(ModelError, match="holds 201 separate layers; at most 200 are read"):
        to_network(tensors, "net.npz", RELU)


TWO = {**recurrent("encoder.", 4, 4), **recurrent("decoder.", 4, 4)}
MIXED = {**recurrent("", 4, 4), **recurrent("net.", 4, 4), **recurrent("net.", 4, 4, "")}


@pytest.mark.parametrize(
    "tensors, order, said",
    [
        (TWO, ("encoder",), "order leaves 'decoder' out; each of 'decoder', 'encoder' is needed"),
        (TWO, (), "order leaves 'decoder' out"),
        (
            TWO,
            ("encoder", "decoder", "fc"),
            "order names 'fc', which is not one of the layers; each",
        ),
        (TWO, ("encoder", "decoder", "encoder"), "order names 'encoder' twice; each of"),
        (TWO, ("encoder.", "decoder"), "order names 'encoder.', which is not one of"),
        (
            {**recurrent("rnn.", 5, 8), **dense("fc.", 8, 3)},
            ("fc", "rnn"),
            "in which the sizes do not fit: 'fc.*' dense 8 -> 3, 'rnn.*_l0' lstm 5 -> 8, as in "
            "--order rnn,fc (in Python order=('rnn', 'fc'))",
        ),
        (MIXED, ("net",), "each of 'weight_ih_l0', 'net.weight_ih_l0', 'net.weight_ih' is needed"),
    ],
)
def test_an_order_that_is_wrong_names_the_candidates(
    tensors: Tensors, order: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ModelError) as caught:
        to_network(tensors, "net.npz", Asked(order=order))
    assert str(caught.value).startswith("net.npz: ") and said in str(caught.value)


def test_layers_without_a_prefix_and_of_one_prefix_can_be_named() -> None:
    order = ("net.weight_ih", "weight_ih_l0", "net.weight_ih_l0")
    got = to_network(MIXED, "net.npz", Asked(order=order))
    assert len(got.layers) == 3
