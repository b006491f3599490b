"""What stands around recurrent layers, in .onnx files of PyTorch's exporters and our own."""

import functools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats import read, write
from edgelstm.formats.torch.read import from_torch
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.modules import MODULES, Module, inputs, made, torch

ort = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
onnx = pytest.importorskip("onnx", reason="pip install onnx")

PIECES = (
    *("bidirectional h_n", "mean", "max", "embedding, GRU", "LayerNorm behind", "proj_size"),
    *("BatchNorm on the input", "(x - mean)/std", "RNN relu", "log-softmax head", "flatten"),
    *("relu on the output", "leaky relu", "relu and L2 norm", "autoencoder with repeat"),
    *("cat(last, mean)", "BatchNorm on the last step", "two heads"),
)
EXPORTED = [name for name in PIECES if name != "proj_size"]


@functools.cache
def network_of(name: str) -> Network:
    return from_torch(made(name))


def exported(name: str, path: Path, *, dynamo: bool) -> Path:
    """By one of PyTorch's exporters, with batch and steps as they are in the example."""
    given = inputs(name, 2, 7)
    options: dict[str, Any] = {"dynamo": dynamo, "input_names": ["x"]}
    if not dynamo:
        free = {0: "batch"} if MODULES[name].steps else {0: "batch", 1: "steps"}
        options["dynamic_axes"] = {"x": free}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(made(name), given, path, **options)
    return path


@pytest.mark.parametrize("name", EXPORTED)
def test_a_file_of_an_exporter_is_read_as_the_module(name: str, tmp_path: Path) -> None:
    module = made(name)
    network = read(exported(name, tmp_path / "x.onnx", dynamo=False))
    assert isinstance(network, Network)
    (x,) = inputs(name, 3, 9)
    with torch.no_grad():
        y = module(x)
    expected = (torch.cat(y, -1) if isinstance(y, tuple) else y).numpy()
    np.testing.assert_allclose(forward(network, x.numpy()), expected, atol=1e-5)  # float32 sums


def in_onnxruntime(path: Path, x: Any) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("name", PIECES)
def test_a_written_file_gives_the_same_and_reads_back(name: str, tmp_path: Path) -> None:
    network, path = network_of(name), tmp_path / "x.onnx"
    write(network, path)
    for batch, steps in ((1, 7), (3, 4)):
        x = inputs(name, batch, steps)[0].numpy()
        expected = forward(network, x)
        np.testing.assert_allclose(in_onnxruntime(path, x), expected, atol=1e-5)
        again = read(path)
        assert isinstance(again, Network)
        np.testing.assert_array_equal(forward(again, x), expected)


INTEGER = [name for name in PIECES if name not in ("mean", "LayerNorm behind", "cat(last, mean)")]


@pytest.mark.parametrize("precision", ["int8", "int16x8"])
@pytest.mark.parametrize("name", INTEGER)
def test_integers_are_equal_in_onnxruntime(name: str, precision: str, tmp_path: Path) -> None:
    network, path = network_of(name), tmp_path / "x.onnx"
    x = inputs(name, 20, 9)[0].numpy()
    try:
        qnetwork = quantize(network, x, precision)
    except ModelError as refused:
        assert "has no form in" in str(refused)
        return
    write(qnetwork, path)
    given = x
    if not network.indices:
        rng, scale = np.random.default_rng(0), qnetwork.input
        assert scale is not None
        given = rng.integers(*scale.limits, (20, x.shape[1], x.shape[2])).astype(scale.type)
    got = in_onnxruntime(path, given)
    if network.indices:
        assert qnetwork.output is not None
        got = qnetwork.output.reals(got)
    np.testing.assert_array_equal(got, run(qnetwork, given, engine="reference"))
    again = read(path)
    np.testing.assert_array_equal(got, run(again, given, engine="reference"))


def test_a_mean_of_integers_is_refused_by_name() -> None:
    network = network_of("mean")
    x = inputs("mean", 2, 9)[0].numpy()
    with pytest.raises(ModelError, match="layer 'mean': the mean of integers has no form in fused"):
        quantize(network, x)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["embedding, GRU", "flatten"])
def test_a_written_file_is_verified_with_its_own_input(
    name: str, precision: str, tmp_path: Path
) -> None:
    network: Any = network_of(name)
    if precision != "float32":
        network = quantize(network, inputs(name, 8, 9)[0].numpy(), precision)
    write(network, tmp_path / "x.onnx")
    assert verify(tmp_path / "x.onnx", n_sequences=4).passed


def ended(path: Path, ends: Any, *, dynamo: bool) -> tuple[Path, Any, Any]:
    """The file, an input and PyTorch's outputs; `ends` makes them of a GRU's steps."""
    parts = {"rnn": torch.nn.GRU(4, 5, batch_first=True)}
    parts |= {"one": torch.nn.Linear(5, 2), "two": torch.nn.Linear(5, 3)}
    module = Module(lambda net, x: ends(net, net.rnn(x)[0]), **parts)
    x = torch.randn(1, 6, 4)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), path, dynamo=dynamo)
        return path, x.numpy(), module(x)


@pytest.mark.parametrize("dynamo", [False, True])
def test_heads_on_one_value_lie_side_by_side_in_y(dynamo: bool, tmp_path: Path) -> None:
    def ends(net: Any, h: Any) -> Any:
        return net.one(h), net.two(h)

    path, x, expected = ended(tmp_path / "x.onnx", ends, dynamo=dynamo)
    network = read(path)
    assert isinstance(network, Network)
    assert any("2 outputs lie side by side in y, 2 + 3" in said for said in network.assumed)
    both = np.concatenate([y.numpy() for y in expected], -1)
    np.testing.assert_allclose(forward(network, x), both, atol=1e-5)  # float32 sums


def test_heads_of_different_activations_are_refused(tmp_path: Path) -> None:
    def ends(net: Any, h: Any) -> Any:
        return net.one(h).sigmoid(), net.two(h)

    path, _, _ = ended(tmp_path / "x.onnx", ends, dynamo=False)
    with pytest.raises(ModelError, match="heads that end with None and sigmoid; one activation"):
        read(path)


def test_an_output_that_no_network_has_leaves_the_first(tmp_path: Path) -> None:
    def ends(net: Any, h: Any) -> Any:
        return net.one(h), h.cumsum(1)

    path, x, expected = ended(tmp_path / "x.onnx", ends, dynamo=False)
    network = read(path)
    assert isinstance(network, Network)
    assert any("of its 2 outputs the first, '" in said for said in network.assumed)
    np.testing.assert_allclose(forward(network, x), expected[0].numpy(), atol=1e-5)
