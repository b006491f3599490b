"""Written .onnx files against ONNX's checker, ONNX Runtime and PyTorch."""

import dataclasses
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.numpy_helper import to_array

from edgelstm.formats.onnx import NATIVE
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network
from tests.onnx_files import (
    Array,
    around,
    model,
    run,
    session,
    snr_db,
    stream,
)

# ---- float32


def torch_results(network: Network, x: Array) -> Array:
    torch = pytest.importorskip("torch", reason="pip install torch")
    value = torch.from_numpy(x)
    for layer in parts(network.layers):
        module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[layer.cell_name](
            layer.input_size, layer.hidden_size, batch_first=True
        )
        module.load_state_dict(
            {
                f"{key}_l0": torch.from_numpy(getattr(layer, key))
                for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
        )
        value = module(value)[0]
    return np.asarray(value.detach().numpy())


@pytest.mark.parametrize("gain", [1, 6])
@pytest.mark.parametrize("sizes", [(1, 1), (5, 16), (13, 33), (7, 16, 3)])
@pytest.mark.parametrize("cell_name", ["lstm", "gru"])
def test_float_files_match_torch_at_any_batch_and_steps(
    cell_name: str, sizes: tuple[int, ...], gain: float
) -> None:
    network = random_network(cell_name, sizes, gain=gain)
    opened = session(model(network))
    for n, steps in ((1, 1), (3, 20), (2, 50)):
        x = random_input(network, n, steps)
        got, expected = opened.run(["y"], {"x": x})[0], torch_results(network, x)
        # ONNX Runtime's sigmoid and tanh are approximations in float32
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)


def gru_reset_before(layer: Direction, x: Array) -> Array:
    """Cho et al. 2014 in float64, with both biases of n outside of the reset gate's reach."""
    h, results = np.zeros((len(x), layer.hidden_size)), []
    w_r, w_z, w_n = np.split(layer.weight_ih.astype(np.float64), 3)
    u_r, u_z, u_n = np.split(layer.weight_hh.astype(np.float64), 3)
    b_r, b_z, b_n = np.split(layer.bias_ih.astype(np.float64) + layer.bias_hh, 3)
    for t in range(x.shape[1]):
        r = 1 / (1 + np.exp(-(x[:, t] @ w_r.T + h @ u_r.T + b_r)))
        z = 1 / (1 + np.exp(-(x[:, t] @ w_z.T + h @ u_z.T + b_z)))
        n = np.tanh(x[:, t] @ w_n.T + (r * h) @ u_n.T + b_n)
        h = (1 - z) * n + z * h
        results.append(h)
    return np.stack(results, 1)


@pytest.mark.parametrize("gain", [1, 6])
def test_gru_with_the_reset_before_the_product_matches_its_equations(gain: float) -> None:
    network = random_network("gru_reset_before", (5, 16), gain=gain)
    x = random_input(network, 3, 30)
    layer = network.layers[0]
    assert isinstance(layer, Recurrent)
    # float32 against float64 over 30 steps
    np.testing.assert_allclose(
        run(network, x), gru_reset_before(layer.forward, x), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("cell_name", sorted({entry.cell for entry in NATIVE}))
@pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "softmax"])
@pytest.mark.parametrize("last_step", [False, True])
def test_dense_layers_before_and_behind_match_forward(
    cell_name: str, activation: str | None, last_step: bool
) -> None:
    network = random_network(
        cell_name, (6, 16, 5), outputs=3, activation=activation, last_step=last_step
    )
    network = around((4, 6, "relu"), network)
    x = random_input(network, 3, 9)
    got, expected = run(network, x), forward(network, x)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)  # float32 against float64
    steps = [forward(network, x[:, : t + 1]) for t in range(9)]
    expected = np.stack([y if last_step else y[:, -1] for y in steps], 1)
    np.testing.assert_allclose(stream(network, x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("cell_name", "order"), [("lstm", "iofg"), ("gru", "zrn"), ("gru_reset_before", "zrn")]
)
def test_both_biases_stand_in_the_file(cell_name: str, order: str) -> None:
    network = random_network(cell_name, (2, 3))
    [layer] = parts(network.layers)
    tensors = {t.name: to_array(t) for t in model(network).graph.initializer}
    places = [layer.spec.gates.index(gate) for gate in order]
    expected = [b.reshape(-1, 3)[places].ravel() for b in (layer.bias_ih, layer.bias_hh)]
    np.testing.assert_array_equal(tensors[f"{layer.name}/B"], [np.concatenate(expected)])


def test_coupled_gates_are_an_lstm_with_negated_weights() -> None:
    network = random_network("lstm_coupled_peephole", (2, 3))
    [layer] = parts(network.layers)
    tensors = {t.name.split("/")[-1]: to_array(t)[0] for t in model(network).graph.initializer}
    f, g, o = np.split(layer.weight_ih, 3)
    np.testing.assert_array_equal(tensors["W"], np.concatenate([-f, o, f, g]))
    f, o = np.split(layer.weight_peephole, 2)
    np.testing.assert_array_equal(tensors["P"], np.concatenate([-f, o, f]))
    kinds = [node.op_type for node in model(network).graph.node]
    assert "LSTM" in kinds and "Scan" not in kinds
    [node] = [node for node in model(network).graph.node if node.op_type == "LSTM"]
    # ONNX Runtime's input_forget is f = 1 - i, and its clip cuts the sums of gates
    assert {a.name for a in node.attribute} == {"hidden_size"}


# ---- hybrid


@pytest.mark.parametrize("sizes", [(40, 64), (1, 1), (7, 16, 33)])
def test_hybrid_files_stay_close_to_float(sizes: tuple[int, ...]) -> None:
    network = random_network("lstm", sizes, outputs=4, last_step=False)
    x = random_input(network, 4, 50)
    quantized, expected = quantize(network, None, "hybrid"), forward(network, x)
    assert snr_db(expected, run(quantized, x)) > 25
    assert snr_db(expected, stream(quantized, x)) > 25


def test_hybrid_files_keep_one_scale_per_gate() -> None:
    network = random_network("lstm", (40, 64))
    [layer] = parts(network.layers)
    gates = np.repeat([100, 1, 1, 1], 64)[:, None].astype(np.float32)
    # with one scale for the whole matrix, three gates would round to zero: 9 dB
    uneven = dataclasses.replace(layer, weight_ih=layer.weight_ih * gates)
    network = Network((Recurrent((uneven,)),))
    x = random_input(network, 4, 50)
    assert snr_db(forward(network, x), run(quantize(network, None, "hybrid"), x)) > 25


# ---- what the files say


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("precision", ["float32", "hybrid", "int8"])
def test_files_say_what_they_take_and_who_wrote_them(precision: str, streaming: bool) -> None:
    floats = random_network("lstm", (5, 16, 3))
    network = floats if precision == "float32" else quantize(floats, np.ones((4, 5)), precision)
    parsed = model(network, streaming=streaming)
    assert (parsed.ir_version, parsed.producer_name) == (9, "edgelstm")
    assert {o.domain: o.version for o in parsed.opset_import}[""] == 18
    metadata = {entry.key: entry.value for entry in parsed.metadata_props}
    assert metadata["edgelstm.precision"] == precision
    ends = {end.name: end.type.tensor_type for end in (*parsed.graph.input, *parsed.graph.output)}
    shapes = {k: [d.dim_param or d.dim_value for d in t.shape.dim] for k, t in ends.items()}
    steps = 1 if streaming else "steps"
    expected: dict[str, list[Any]] = {"x": ["batch", steps, 5], "y": ["batch", steps, 3]}
    if streaming:
        expected |= {f"{s}0{out}": ["batch", 16] for s in "hc" for out in ("", "_out")}
        expected |= {f"{s}1{out}": ["batch", 3] for s in "hc" for out in ("", "_out")}
    assert shapes == expected
    if precision == "int8":
        assert isinstance(network, QuantizedNetwork)
        assert ends["x"].elem_type == ends["y"].elem_type == onnx.TensorProto.INT8
        assert float(metadata["edgelstm.input_scale"]) == network.input_scale
        assert int(metadata["edgelstm.output_zero_point"]) == network.output_zero_point
