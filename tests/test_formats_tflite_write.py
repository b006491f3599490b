"""Written .tflite files against the generated schema, LiteRT, TFLM and PyTorch."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.write import encode
from edgelstm.network import Dense, Network, Recurrent
from edgelstm.quantization import quantize
from edgelstm.quantized import QuantizedDense, QuantizedNetwork, QuantizedRecurrent, Scale
from edgelstm.reference import LITERT, TFLM, run_integers
from tests.networks import golden_lstm, random_input, random_network

litert = pytest.importorskip("ai_edge_litert.interpreter", reason="pip install ai-edge-litert")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

STEPS = 7


def whole(network: Network | QuantizedNetwork, steps: int = STEPS) -> bytes:
    return encode(network, steps=steps, streaming=False, target=None)


def int8(network: Network, seed: int = 5) -> QuantizedNetwork:
    return quantize(network, random_input(network, 20, 20, seed))


def parsed(content: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(content, 0)


def operators(content: bytes) -> list[tuple[str, int]]:
    """Names and versions, by LiteRT's own schema."""
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    model = parsed(content)
    codes = [(names[c.builtinCode], c.version) for c in model.operatorCodes]
    return [codes[op.opcodeIndex] for op in model.subgraphs[0].operators]


def tensors(content: bytes) -> dict[str, Any]:
    graph = parsed(content).subgraphs[0]
    assert len({t.name for t in graph.tensors}) == len(graph.tensors)
    return {t.name.decode(): t for t in graph.tensors}


def scale_of(tensor: Any) -> tuple[float, int]:
    return tensor.quantization.scale.item(), tensor.quantization.zeroPoint.item()


class Litert:
    def __init__(self, content: bytes) -> None:
        self.interpreter = litert.Interpreter(model_content=content)
        self.interpreter.allocate_tensors()
        self.runner = self.interpreter.get_signature_runner("serving_default")

    def run(self, x: NDArray[Any]) -> NDArray[Any]:
        return np.array(self.runner(x=x)["y"])

    def reset(self) -> None:
        self.interpreter.reset_all_variables()


class Tflm:
    def __init__(self, content: bytes) -> None:
        runtime = pytest.importorskip(
            "tflite_micro.python.tflite_micro.runtime", reason="pip install tflite-micro"
        )
        self.interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 20)

    def run(self, x: NDArray[Any]) -> NDArray[Any]:
        self.interpreter.set_input(x, 0)
        self.interpreter.invoke()
        return np.array(self.interpreter.get_output(0))

    def reset(self) -> None:
        self.interpreter.reset()


RUNTIMES = {"litert": Litert, "tflm": Tflm}
ARITHMETIC = {"litert": LITERT, "tflm": TFLM}


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
    y, behind = torch.from_numpy(x), False
    activations = {
        None: lambda v: v,
        "relu": torch.relu,
        "sigmoid": torch.sigmoid,
        "softmax": lambda v: torch.softmax(v, -1),
    }
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, Recurrent):
                lstm = torch.nn.LSTM(layer.input_size, layer.hidden_size, batch_first=True)
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(lstm, f"{name}_l0").copy_(torch.from_numpy(getattr(layer, name)))
                y = lstm(y)[0]
                continue
            if network.last_step and not behind:
                y, behind = y[:, -1], True
            weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
            y = activations[layer.activation](torch.nn.functional.linear(y, weight, bias))
        if network.last_step and not behind:
            y = y[:, -1]
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
    # Measured 6e-7 at most; the runtimes add in another order and approximate tanh.
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
    opened = dataclasses.replace(
        network, layers=(dataclasses.replace(network.layers[0], cell_clip=0.0),)
    )
    got = run_all(runtime, whole(network), x)
    assert np.abs(got).max() <= np.tanh(0.25) + 1e-6 < np.abs(torch_result(opened, x)).max()
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
        streaming = dataclasses.replace(each, last_step=last_step)
        content = encode(streaming, steps=1, streaming=True, target=None)
        opened = RUNTIMES[runtime](content)
        opened.reset()
        got = np.concatenate([opened.run(x[:, t : t + 1]) for t in range(STEPS)])
        assert got.shape == ((STEPS, 3) if last_step else (STEPS, 1, 3))
        np.testing.assert_array_equal(got.reshape(STEPS, 3), expected)
        opened.reset()
        np.testing.assert_array_equal(opened.run(x[:, :1]), got[:1])


def test_file_holds_fused_operators_alone() -> None:
    network = random_network(
        sizes=(5, 8, 6), outputs=4, activation="softmax", last_step=True, seed=15
    )
    expected = [("UNIDIRECTIONAL_SEQUENCE_LSTM", 1)] * 2 + [
        ("STRIDED_SLICE", 1),
        ("FULLY_CONNECTED", 1),
        ("SOFTMAX", 1),
    ]
    assert operators(whole(network)) == expected
    hybrid = quantize(network, None, "hybrid")
    expected[0] = expected[1] = ("UNIDIRECTIONAL_SEQUENCE_LSTM", 3)
    expected[3] = ("FULLY_CONNECTED", 3)
    assert operators(whole(hybrid)) == expected
    assert operators(whole(int8(network))) == [
        *expected[:2],
        ("STRIDED_SLICE", 2),
        ("FULLY_CONNECTED", 4),
    ]
    per_step = random_network(outputs=4, activation="sigmoid", seed=16)
    assert operators(whole(int8(per_step)))[1:] == [("FULLY_CONNECTED", 5), ("LOGISTIC", 2)]


def test_file_names_its_tensors_and_its_signature() -> None:
    network = random_network(outputs=4, activation="sigmoid", last_step=True, seed=17)
    content = whole(int8(network))
    model = parsed(content)
    gates = "ifgo"
    expected = (
        ["x"]
        + [f"lstm1/weight_{side}_{g}" for side in ("ih", "hh") for g in gates]
        + [f"lstm1/bias_{g}" for g in gates]
        + ["lstm1/h", "lstm1/c"]
        + [f"lstm1/sum_{g}" for g in gates]
        + ["lstm1/hidden", "lstm1/output"]
        + [f"last_step/{name}" for name in ("begin", "end", "strides", "output")]
        + ["dense1/weight", "dense1/bias", "dense1/linear", "y"]
    )
    assert list(tensors(content)) == expected
    (signature,) = model.signatureDefs
    assert signature.signatureKey == b"serving_default"
    graph = model.subgraphs[0]
    ends = [(end.name, end.tensorIndex) for end in (*signature.inputs, *signature.outputs)]
    assert ends == [(b"x", graph.inputs.item()), (b"y", graph.outputs.item())]
    assert model.description == b"edgelstm: int8, 7 steps"
    (entry,) = model.metadata
    assert entry.name == b"min_runtime_version"
    assert model.buffers[entry.buffer].data.tobytes() == b"2.14.0".ljust(16, b"\0")
    assert content[4:8] == b"TFL3" and model.version == 3 and model.buffers[0].data is None


def test_constants_are_aligned_to_16_bytes() -> None:
    content = whole(int8(random_network(sizes=(3, 5), outputs=2, seed=18)))
    for buffer in parsed(content).buffers[1:]:
        assert any(
            content[k : k + buffer.data.size] == buffer.data.tobytes()
            for k in range(0, len(content), 16)
        )


def test_int8_tensors_have_the_scales_of_the_network() -> None:
    qnetwork = int8(random_network(sizes=(5, 8), outputs=4, activation="sigmoid", seed=19))
    lstm, dense = qnetwork.layers
    assert isinstance(lstm, QuantizedRecurrent) and isinstance(dense, QuantizedDense)
    found = tensors(whole(qnetwork))
    x, h, c = (lstm.scales[v] for v in ("x", "h", "c"))
    assert dense.linear is not None
    expected: dict[str, Scale] = {
        "x": x,
        **dict.fromkeys(("lstm1/h", "lstm1/output", "lstm1/hidden"), h),
        "lstm1/c": c,
        **{f"lstm1/sum_{g}": Scale(2.0**-12, 0, "int16") for g in "ifgo"},
        **{
            f"lstm1/bias_{g}": Scale(lstm.weight_scales[f"ih {g}"] * x.scale, 0, "") for g in "ifgo"
        },
        "dense1/weight": Scale(dense.weight_scale, 0, "int8"),
        "dense1/bias": Scale(dense.weight_scale * h.scale, 0, "int32"),
        "dense1/linear": dense.linear,
        "y": Scale(1 / 256, -128, "int8"),
    }
    for side in ("ih", "hh"):
        for g in "ifgo":
            scale = Scale(lstm.weight_scales[f"{side} {g}"], 0, "int8")
            expected[f"lstm1/weight_{side}_{g}"] = scale
    # Products of two short scales are exact in float32.
    got = {name: scale_of(found[name]) for name in expected}
    assert got == {name: (scale.scale, scale.zero_point) for name, scale in expected.items()}
    variables = [name for name, tensor in found.items() if tensor.isVariable]
    assert variables == ["lstm1/h", "lstm1/c"]


def test_interpreters_see_shapes_and_types() -> None:
    network = random_network(outputs=4, last_step=True, seed=20)
    for each, kind in ((network, np.float32), (int8(network), np.int8)):
        content = whole(each)
        opened = Litert(content).interpreter
        assert opened.get_signature_list() == {
            "serving_default": {"inputs": ["x"], "outputs": ["y"]}
        }
        (x,), (y,) = opened.get_input_details(), opened.get_output_details()
        assert (x["name"], x["shape"].tolist(), x["dtype"]) == ("x", [1, STEPS, 5], kind)
        assert (y["name"], y["shape"].tolist(), y["dtype"]) == ("y", [1, 4], kind)
        details = Tflm(content).interpreter.get_output_details(0)
        assert (list(details["shape"]), details["dtype"]) == ([1, 4], kind)


def test_int8_lstm_of_64_units_stays_below_34_kilobytes() -> None:
    content = whole(int8(random_network(sizes=(40, 64), seed=21)))
    assert len(content) <= 26_624 + 8 * 1024


def test_equal_networks_give_equal_bytes() -> None:
    assert whole(NETWORKS["sigmoid"]) == whole(NETWORKS["sigmoid"])


# ---- what is refused


def refusal(network: Network | QuantizedNetwork, **options: Any) -> str:
    arguments = {"steps": 1, "streaming": False, "target": None, **options}
    with pytest.raises(ModelError) as caught:
        encode(network, **arguments)
    return str(caught.value)


def with_scale(qnetwork: QuantizedNetwork, value: str, scale: Scale) -> QuantizedNetwork:
    layer = qnetwork.layers[0]
    assert isinstance(layer, QuantizedRecurrent)
    scales = {**layer.scales, value: scale}
    return dataclasses.replace(qnetwork, layers=(dataclasses.replace(layer, scales=scales),))


@pytest.mark.parametrize("cell_name", ["gru", "gru_reset_before"])
def test_gru_is_refused_and_onnx_named(cell_name: str) -> None:
    told = refusal(random_network(cell_name))
    assert told == (
        f"layer 'gru1': TensorFlow Lite has no fused operator for a {cell_name}, only for an lstm; "
        "write .onnx instead"
    )


@pytest.mark.parametrize("target", ["tflm", "cmsis-nn"])
def test_hybrid_is_refused_for_microcontrollers(target: str) -> None:
    told = refusal(quantize(random_network(), None, "hybrid"), target=target)
    assert told == (
        f"target '{target}' loads a hybrid LSTM and returns NaN without an error; "
        "use precision int8 or float32"
    )


def test_streaming_int8_is_refused_for_cmsis_nn() -> None:
    told = refusal(golden_lstm(), target="cmsis-nn", streaming=True)
    assert "passes no state to CMSIS-NN, so every call starts from zero" in told
    assert "streaming=False" in told and "float32" in told and "'tflm'" in told
    assert encode(golden_lstm(), steps=4, streaming=False, target="cmsis-nn")
    assert encode(random_network(), steps=1, streaming=True, target="cmsis-nn")
    assert encode(golden_lstm(), steps=1, streaming=True, target="tflm")


def test_target_that_is_unknown_or_reads_no_tflite_is_refused() -> None:
    assert refusal(random_network(), target="esp-nn") == (
        "target 'esp-nn' is unknown; a .tflite file can be for: "
        "tflm, cmsis-nn, litert, tflite-runtime"
    )
    told = refusal(random_network(), target="onnxruntime")
    assert told == "target 'onnxruntime' does not read .tflite; write .onnx for it"


@pytest.mark.parametrize("scale", [2.0**-8, 2.0**-16, 0.0003], ids=["2^-8", "2^-16", "not a power"])
def test_cell_scale_that_litert_computes_wrongly_is_refused(scale: float) -> None:
    told = refusal(with_scale(golden_lstm(), "c", Scale(scale, 0, "int16")))
    assert told.startswith(f"layer 'lstm1': the cell state has scale {scale:.6g} and zero point 0;")
    assert "a power of two from 2**-15 to 2**-9" in told


def test_cell_clip_below_one_step_is_refused() -> None:
    qnetwork = golden_lstm()
    clipped = dataclasses.replace(qnetwork.layers[0], cell_clip=1e-5)
    told = refusal(dataclasses.replace(qnetwork, layers=(clipped,)))
    assert told == (
        "layer 'lstm1': cell_clip 1e-05 is below one step of the cell state (0.000244141), "
        "which would make it zero; use a larger clip"
    )


def test_sums_beyond_int32_are_refused() -> None:
    network = with_scale(golden_lstm(), "x", Scale(2.0**14, 0, "int8"))
    told = refusal(network)
    assert told.startswith("layer 'lstm1': weight_ih, gate i: sums reach ")
    assert "more than int32 holds" in told
    dense = quantized_dense(np.full((1, 70_000), 127, np.int8))
    told = refusal(QuantizedNetwork((dense,), last_step=False, precision="int8"))
    assert told.startswith("layer 'dense1': weight: sums reach 2266950000, rescaled by 0.5:")


def test_output_scale_that_needs_a_left_shift_is_refused() -> None:
    told = refusal(with_scale(golden_lstm(), "h", Scale(2.0**-31, 0, "int8")))
    assert told == "layer 'lstm1': the output has scale 4.66e-10; at least 9.31e-10 is needed"


def test_int8_softmax_is_refused() -> None:
    dense = dataclasses.replace(quantized_dense(np.ones((2, 3), np.int8)), activation="softmax")
    told = refusal(QuantizedNetwork((dense,), last_step=False, precision="int8"))
    assert told.startswith("layer 'dense1': runtimes differ on an int8 softmax")


def quantized_dense(weight: NDArray[np.int8]) -> QuantizedDense:
    scale = Scale(0.5, 0, "int8")
    return QuantizedDense("dense1", weight, np.zeros(len(weight), np.int32), 0.5, scale, scale)
