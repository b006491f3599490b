"""Written .tflite files in LiteRT and TFLM, against PyTorch and the integer reference."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.formats.tflite.write import encode
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps, reading
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.reference import run_integers
from edgelstm.quantization.rounding import LITERT, TFLM
from tests.networks import random_input, random_network
from tests.tflite_files import AnyNetwork, Litert, Tflm, content_of, int8

STEPS = 50
RUNTIMES: dict[str, type[Litert] | type[Tflm]] = {"litert": Litert, "tflm": Tflm}
ARITHMETIC = {"litert": LITERT, "tflm": TFLM}


def whole(network: AnyNetwork) -> bytes:
    return content_of(network, STEPS)


def run_all(runtime: str, content: bytes, x: NDArray[Any]) -> NDArray[Any]:
    """Each sequence of x in one call, from a state of zero."""
    opened, results = RUNTIMES[runtime](content), []
    for sequence in x:
        opened.reset()
        results.append(opened.run(sequence[None])[0])
    return np.stack(results)


def torch_result(network: Network, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """torch.nn.LSTM, torch.nn.Linear and torch's activations."""
    torch = pytest.importorskip("torch", reason="pip install torch")
    y = torch.from_numpy(x)
    activations = {
        None: lambda v: v,
        "relu": torch.relu,
        "sigmoid": torch.sigmoid,
        "softmax": lambda v: torch.softmax(v, -1),
    }
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, ReadSteps):
                y = y[:, -1]
                continue
            if isinstance(layer, Recurrent):
                lstm = torch.nn.LSTM(layer.input_size, layer.forward.hidden_size, batch_first=True)
                for name, array in layer.arrays.items():
                    getattr(lstm, f"{name}_l0").copy_(torch.from_numpy(array))
                y = lstm(y)[0]
                continue
            assert isinstance(layer, Dense)
            weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
            y = activations[layer.activation](torch.nn.functional.linear(y, weight, bias))
    result: NDArray[np.float32] = y.numpy()
    return result


def two_heads(network: Network) -> Network:
    """A second dense layer behind the first."""
    rng = np.random.default_rng(9)
    weight = rng.normal(0, 0.5, (3, network.output_size)).astype(np.float32)
    head = Dense("dense2", weight, np.array([0.1, -0.2, 0.3], np.float32), "sigmoid")
    return dataclasses.replace(network, layers=(*network.layers, head))


NETWORKS: dict[str, Network] = {
    "one unit": random_network(sizes=(1, 1), seed=1),
    "default weights": random_network(sizes=(5, 16), seed=2),
    "saturating weights": random_network(sizes=(5, 16), seed=3, gain=6.0),
    "two layers, head per step": random_network(sizes=(5, 33, 3), outputs=4, seed=4),
    "relu, last step": random_network(outputs=4, activation="relu", last_step=True, seed=5),
    "sigmoid": random_network(outputs=4, activation="sigmoid", seed=6, gain=2.0),
    "softmax, last step": random_network(outputs=4, activation="softmax", last_step=True, seed=7),
    "softmax per step": random_network(outputs=4, activation="softmax", seed=8),
    "relu, then sigmoid": two_heads(random_network(outputs=6, activation="relu", seed=9)),
    "last step without head": random_network(sizes=(2, 3), last_step=True, seed=10),
}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", NETWORKS)
def test_float_file_computes_what_torch_computes(name: str, runtime: str) -> None:
    network = NETWORKS[name]
    x = random_input(network, 3, STEPS)
    expected = torch_result(network, x)
    got = run_all(runtime, whole(network), x)
    # Measured 4.2e-7 at most: sums in another order, and another tanh.
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", NETWORKS)
def test_int8_file_computes_the_integers_of_the_reference(name: str, runtime: str) -> None:
    qnetwork = int8(NETWORKS[name])
    x = random_input(qnetwork, 20, STEPS, seed=6)
    x_q = np.clip(np.rint(x / qnetwork.input_scale) + qnetwork.input_zero_point, -128, 127)
    expected = run_integers(qnetwork, x_q.astype(np.int8), ARITHMETIC[runtime])
    got = run_all(runtime, whole(qnetwork), x_q.astype(np.int8))
    assert (got != expected).sum() == 0
    assert got.shape == expected.shape and got.dtype == np.int8


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_cell_clip_cuts_the_cell_in_float_and_int8(runtime: str) -> None:
    network = random_network(seed=12, gain=2.0, cell_clip=0.25)
    x = random_input(network, 2, STEPS)
    got = run_all(runtime, whole(network), x)
    unclipped = np.abs(torch_result(network, x)).max()  # torch knows no clip
    assert np.abs(got).max() <= np.tanh(0.25) + 1e-6 < unclipped
    qnetwork = int8(network)
    x_q = np.clip(x * 20, -128, 127).astype(np.int8)
    expected = run_integers(qnetwork, x_q, ARITHMETIC[runtime])
    assert (run_all(runtime, whole(qnetwork), x_q) == expected).all()


def test_hybrid_file_stays_close_to_float_in_litert() -> None:
    network = random_network(sizes=(5, 33, 16), outputs=4, activation="softmax", seed=13)
    x = random_input(network, 4, STEPS)
    got = run_all("litert", whole(quantize(network, None, "hybrid")), x)
    expected = torch_result(network, x)
    # Weights and the input of each product have 8 bits: about 1 % of the largest value.
    assert np.abs(got - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("last_step", [False, True])
def test_streaming_file_keeps_the_state_between_calls(runtime: str, last_step: bool) -> None:
    network = random_network(outputs=3, seed=14)
    for each in (network, int8(network)):
        x = random_input(network, 1, STEPS).astype(np.float32 if each is network else np.int8)
        expected = run_all(runtime, whole(each), x)[0]
        layers: Any = reading(each.layers, last_step=last_step)
        streaming = dataclasses.replace(each, layers=layers)
        content = encode(streaming, steps=1, streaming=True, target=None)[""]
        opened = RUNTIMES[runtime](content)
        opened.reset()
        got = np.concatenate([opened.run(x[:, t : t + 1]) for t in range(STEPS)])
        assert got.shape == ((STEPS, 3) if last_step else (STEPS, 1, 3))
        np.testing.assert_array_equal(got.reshape(STEPS, 3), expected)
        opened.reset()
        np.testing.assert_array_equal(opened.run(x[:, :1]), got[:1])


def test_equal_networks_give_equal_bytes() -> None:
    assert whole(NETWORKS["sigmoid"]) == whole(NETWORKS["sigmoid"])
