"""Written .onnx files against ONNX's checker, ONNX Runtime, ONNX's own evaluator and PyTorch."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.numpy_helper import from_array, to_array
from onnx.reference import ReferenceEvaluator

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.fixedpoint import quantize_reals
from edgelstm.formats.description import describe, named_arrays
from edgelstm.formats.onnx.read_integer import read
from edgelstm.formats.onnx.write import encode
from edgelstm.forward import forward
from edgelstm.network import Dense, Network, Recurrent, layer_names
from edgelstm.quantization import quantize
from edgelstm.quantized import QuantizedNetwork, QuantizedRecurrent
from edgelstm.reference import run_integers
from tests.networks import golden_lstm, random_input, random_network, uniform

ort = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
AnyNetwork = Network | QuantizedNetwork
Array = NDArray[Any]


def model(network: AnyNetwork, *, streaming: bool = False) -> onnx.ModelProto:
    """The parsed file, after ONNX's own checks."""
    content = encode(network, steps=1, streaming=streaming, target="onnxruntime")
    parsed = onnx.load_from_string(content)
    onnx.checker.check_model(parsed, full_check=True)
    onnx.shape_inference.infer_shapes(parsed, check_type=True, strict_mode=True, data_prop=True)
    return parsed


def session(parsed: onnx.ModelProto) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(parsed.SerializeToString(), options)


def run(network: AnyNetwork, x: Array) -> Array:
    return np.asarray(session(model(network)).run(["y"], {"x": x})[0])


def stream(network: AnyNetwork, x: Array) -> Array:
    """Results of a streaming file fed step by step, (batch, steps, ...)."""
    opened = session(model(network, streaming=True))
    _, *inputs = opened.get_inputs()
    types = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(int16)": np.int16}
    start = opened.get_modelmeta().custom_metadata_map
    states = {
        s.name: np.full(
            (len(x), s.shape[1]), int(start.get(f"edgelstm.{s.name}_zero_point", 0)), types[s.type]
        )
        for s in inputs
    }
    results = []
    for t in range(x.shape[1]):
        y, *new = opened.run(["y", *(f"{s}_out" for s in states)], {"x": x[:, t : t + 1], **states})
        states = dict(zip(states, new, strict=True))
        results.append(y if y.ndim == 2 else y[:, 0])
    return np.stack(results, 1)


def int8(network: Network, n: int = 20, steps: int = 20) -> QuantizedNetwork:
    return quantize(network, random_input(network, n, steps, seed=5))


def integers(network: QuantizedNetwork, n: int, steps: int, seed: int = 1) -> Array:
    x = random_input(network, n, steps, seed)
    q = quantize_reals(x, network.input_scale, network.input_zero_point, (-128, 127))
    return q.astype(np.int8)


def snr_db(expected: Array, got: Array) -> float:
    return float(10 * np.log10((expected**2).sum() / ((expected - got) ** 2).sum()))


def around(dense: tuple[int, int, str | None], network: Network) -> Network:
    """A dense layer in front of a network."""
    into, out, activation = dense
    rng = np.random.default_rng(9)
    layer = Dense("dense", uniform(rng, (out, into), 0.5), uniform(rng, (out,), 0.5), activation)
    layers = [layer, *network.layers]
    kinds = [k.cell_name if isinstance(k, Recurrent) else "dense" for k in layers]
    named = [
        dataclasses.replace(k, name=name)
        for k, name in zip(layers, layer_names(kinds), strict=True)
    ]
    return Network(tuple(named), network.last_step)


def dense_only() -> Network:
    head = random_network("lstm", (6, 6), outputs=3, activation="sigmoid").layers[1]
    return around((5, 6, "relu"), Network((head,), False))


# ---- float32


def torch_results(network: Network, x: Array) -> Array:
    torch = pytest.importorskip("torch", reason="pip install torch")
    value = torch.from_numpy(x)
    for layer in network.layers:
        assert isinstance(layer, Recurrent)
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


def gru_reset_before(layer: Recurrent, x: Array) -> Array:
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
    np.testing.assert_allclose(run(network, x), gru_reset_before(layer, x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell_name", CELLS)
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


@pytest.mark.parametrize("cell_name", CELLS)
def test_both_biases_stand_in_the_file(cell_name: str) -> None:
    network = random_network(cell_name, (2, 3))
    [layer] = network.layers
    assert isinstance(layer, Recurrent)
    tensors = {t.name: to_array(t) for t in model(network).graph.initializer}
    order = {"lstm": "iofg"}.get(cell_name, "zrn")
    places = [layer.spec.gates.index(gate) for gate in order]
    expected = [b.reshape(-1, 3)[places].ravel() for b in (layer.bias_ih, layer.bias_hh)]
    np.testing.assert_array_equal(tensors[f"{layer.name}/B"], [np.concatenate(expected)])


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
    [layer] = network.layers
    assert isinstance(layer, Recurrent)
    gates = np.repeat([100, 1, 1, 1], 64)[:, None].astype(np.float32)
    # with one scale for the whole matrix, three gates would round to zero: 9 dB
    uneven = dataclasses.replace(layer, weight_ih=layer.weight_ih * gates)
    network = Network((uneven,), last_step=False)
    x = random_input(network, 4, 50)
    assert snr_db(forward(network, x), run(quantize(network, None, "hybrid"), x)) > 25


# ---- int8


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((1, 1), {}),
        ((5, 16), {}),
        ((5, 3), {"cell_clip": 0.5}),
        ((13, 33), {"gain": 40}),
        ((40, 64), {}),
        ((40, 64), {"gain": 40, "cell_clip": 1.0}),
        ((13, 33, 16), {"gain": 6}),
        ((5, 16), {"outputs": 3}),
        ((5, 16), {"outputs": 3, "activation": "relu", "last_step": True}),
        ((5, 16, 7), {"outputs": 5, "activation": "sigmoid"}),
        ((5, 16), {"last_step": True}),
    ],
)
def test_int8_files_equal_the_reference_at_any_batch_and_steps(
    sizes: tuple[int, ...], options: dict[str, Any]
) -> None:
    quantized = int8(random_network("lstm", sizes, **options))
    opened = session(model(quantized))
    for n, steps in ((1, 1), (3, 40), (40, 150 if sizes == (40, 64) else 30)):
        x = integers(quantized, n, steps)
        [got] = opened.run(["y"], {"x": x})
        assert got.dtype == np.int8
        np.testing.assert_array_equal(got, run_integers(quantized, x))


def test_int8_files_equal_the_runtimes_golden_vector() -> None:
    x = np.array([[[60, -90], [-128, 127], [12, 40], [127, -5]]], np.int8)
    expected = [[[76, -6], [0, 10], [18, 77], [58, 83]]]  # TFLM's own
    np.testing.assert_array_equal(run(golden_lstm(), x), expected)
    np.testing.assert_array_equal(stream(golden_lstm(), x), expected)


@pytest.mark.parametrize("zero_point", [-128, 127])
def test_zero_points_at_the_ends_equal_the_reference(zero_point: int) -> None:
    network = golden_lstm()
    [layer] = network.layers
    assert isinstance(layer, QuantizedRecurrent)
    scales = {
        value: dataclasses.replace(s, zero_point=zero_point) if s.type == "int8" else s
        for value, s in layer.scales.items()
    }
    network = dataclasses.replace(network, layers=(dataclasses.replace(layer, scales=scales),))
    x = np.random.default_rng(0).integers(-128, 128, (20, 30, 2)).astype(np.int8)
    np.testing.assert_array_equal(run(network, x), run_integers(network, x))


@pytest.mark.parametrize("last_step", [False, True])
def test_int8_streaming_equals_the_whole_sequence(last_step: bool) -> None:
    network = random_network(
        "lstm", (6, 16, 5), outputs=3, activation="relu", last_step=last_step, cell_clip=1.0
    )
    quantized = int8(around((4, 6, "relu"), network))
    x = integers(quantized, 3, 25)
    whole = [run_integers(quantized, x[:, : t + 1]) for t in range(25)]
    expected = np.stack([y if last_step else y[:, -1] for y in whole], 1)
    np.testing.assert_array_equal(stream(quantized, x), expected)


def test_int8_files_equal_the_reference_in_onnx_own_evaluator() -> None:
    quantized = int8(random_network("lstm", (5, 16, 3), outputs=2, gain=6, cell_clip=1.0))
    x = integers(quantized, 4, 30)
    [got] = ReferenceEvaluator(model(quantized)).run(None, {"x": x})
    np.testing.assert_array_equal(got, run_integers(quantized, x))


@pytest.mark.parametrize("streaming", [False, True])
def test_dense_layers_alone_are_a_file_too(streaming: bool) -> None:
    network = dense_only()
    quantized, hybrid = int8(network), quantize(network, None, "hybrid")
    compute = stream if streaming else run
    x, q = random_input(network, 3, 10), integers(quantized, 3, 10)
    np.testing.assert_array_equal(compute(quantized, q), run_integers(quantized, q))
    np.testing.assert_allclose(compute(network, x), forward(network, x), atol=1e-6)  # float32
    assert snr_db(forward(network, x), compute(hybrid, x)) > 25


def test_int8_file_of_40_64_stays_small() -> None:
    content = encode(int8(random_network("lstm", (40, 64))), steps=1, streaming=False, target=None)
    weights, tables = 4 * 64 * (40 + 64), 3 * 2**17
    assert len(content) - weights - tables < 12_500


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


@pytest.mark.parametrize("precision", ["float32", "hybrid"])
def test_a_cell_clip_that_onnx_has_no_operator_for_is_named(precision: str) -> None:
    floats = random_network("lstm", (2, 3), cell_clip=3.0)
    network = floats if precision == "float32" else quantize(floats, None, precision)
    with pytest.raises(ModelError, match="layer 'lstm1': cell_clip is 3.0; .* write int8"):
        encode(network, steps=1, streaming=False, target=None)


@pytest.mark.parametrize(
    ("target", "message"), [("tflm", "reads .tflite"), ("tensorrt", "unknown; .*: onnxruntime")]
)
def test_targets_that_do_not_read_onnx_are_refused(target: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        encode(random_network(), steps=1, streaming=False, target=target)


# ---- reading back


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("precision", ["hybrid", "int8"])
def test_quantized_files_read_back_whole(precision: str, streaming: bool) -> None:
    floats = random_network("lstm", (6, 16, 3), outputs=2, activation="relu", last_step=True)
    if precision == "int8":
        floats = random_network("lstm", (6, 16, 3), outputs=2, activation="relu", cell_clip=1.5)
    network = around((4, 6, "sigmoid"), floats)
    quantized = quantize(network, random_input(network, 10, 12), precision)
    got = read(model(quantized, streaming=streaming))
    assert describe(got) == describe(quantized)
    for name, expected in named_arrays(quantized).items():
        np.testing.assert_array_equal(named_arrays(got)[name], expected, strict=True)


def without(name: str) -> Callable[[onnx.ModelProto], None]:
    def remove(parsed: onnx.ModelProto) -> None:
        [tensor] = [t for t in parsed.graph.initializer if t.name == name]
        parsed.graph.initializer.remove(tensor)

    return remove


def replaced(name: str, values: Array) -> Callable[[onnx.ModelProto], None]:
    def replace(parsed: onnx.ModelProto) -> None:
        without(name)(parsed)
        parsed.graph.initializer.append(from_array(values, name))

    return replace


def elsewhere(parsed: onnx.ModelProto) -> None:
    [tensor] = [t for t in parsed.graph.initializer if t.name == "lstm1/W_ifgo"]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def described(change: Callable[[Any], Any]) -> Callable[[onnx.ModelProto], None]:
    def edit(parsed: onnx.ModelProto) -> None:
        [entry] = [e for e in parsed.metadata_props if e.key == "edgelstm"]
        entry.value = json.dumps(change(json.loads(entry.value)))

    return edit


def layer_with(**fields: Any) -> Callable[[onnx.ModelProto], None]:
    return described(lambda d: {**d, "layers": [{**d["layers"][0], **fields}]})


@pytest.mark.parametrize(
    "damage",
    [
        without("lstm1/W_ifgo"),
        without("lstm1/Wb_ifgo"),
        replaced("lstm1/W_ifgo", np.zeros((5, 12), np.int8)),
        replaced("lstm1/W_ifgo", np.zeros((5, 13), np.uint8)),
        replaced("lstm1/W_ifgo", np.zeros((), np.uint8)),
        replaced("lstm1/R_ifgo", np.zeros((4, 12), np.uint8)),
        replaced("lstm1/Wb_ifgo", np.zeros(12, np.float32)),
        elsewhere,
        described(lambda d: []),
        described(lambda d: {**d, "layers": 3}),
        described(lambda d: {**d, "precision": "float32"}),
        described(lambda d: {**d, "precision": []}),
        layer_with(cell="mystery"),
        layer_with(cell=["lstm"]),
        layer_with(name={}),
        layer_with(weight_scales={"ih i": "x"}),
        layer_with(scales={}),
    ],
)
def test_damaged_files_are_model_errors(damage: Callable[[onnx.ModelProto], None]) -> None:
    parsed = model(int8(random_network("lstm", (5, 3))))
    damage(parsed)
    with pytest.raises(ModelError):
        read(parsed)
