"""Reading .tflite: own files, files as other converters write them, and files that are no models."""

import dataclasses
import pathlib
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.facts import FileFacts
from edgelstm.formats.tflite import facts
from edgelstm.formats.tflite.model import Model, Operator, Tensor, pack, unpack
from edgelstm.formats.tflite.read import read
from edgelstm.formats.tflite.write import encode
from edgelstm.network import Dense, Network, Recurrent, arrays
from edgelstm.quantization import quantize
from edgelstm.quantized import QuantizedDense, QuantizedNetwork, QuantizedRecurrent, Scale
from edgelstm.reference import LITERT, run_integers
from tests.networks import golden_lstm, random_input, random_network

AnyNetwork = Network | QuantizedNetwork
STEPS = 7


def int8(network: Network) -> QuantizedNetwork:
    return quantize(network, random_input(network, 20, 20))


def hybrid(network: Network) -> QuantizedNetwork:
    return quantize(network, None, "hybrid")


def same(network: Network) -> Network:
    return network


def content_of(network: AnyNetwork, steps: int = STEPS) -> bytes:
    return encode(network, steps=steps, streaming=False, target=None)


def read_bytes(
    content: bytes, folder: pathlib.Path, last_step: bool | None = None, activation: Any = None
) -> AnyNetwork:
    path = folder / "net.tflite"
    path.write_bytes(content)
    return read(path, last_step, activation)


def refusal(content: bytes, folder: pathlib.Path, **stated: Any) -> str:
    with pytest.raises(ModelError) as caught:
        read_bytes(content, folder, **stated)
    told = str(caught.value)
    assert told.startswith("net.tflite: ")
    return told.removeprefix("net.tflite: ")


NETWORKS = {
    "one layer": random_network(sizes=(3, 5), seed=1),
    "one unit": random_network(sizes=(1, 1), seed=2),
    "two layers and a head per step": random_network(sizes=(3, 5, 4), outputs=2, seed=3),
    "relu": random_network(outputs=4, activation="relu", last_step=True, seed=4),
    "sigmoid": random_network(outputs=4, activation="sigmoid", seed=5),
    "softmax": random_network(outputs=4, activation="softmax", last_step=True, seed=6),
    "cell clip": random_network(last_step=True, seed=7, gain=3.0, cell_clip=0.7),
    "dense alone": Network(
        (Dense("dense1", np.eye(2, 3, dtype=np.float32), np.zeros(2, np.float32), "relu"),), False
    ),
}


# ---- own files


@pytest.mark.parametrize("name", NETWORKS)
def test_float_file_gives_the_weights_back(name: str, tmp_path: pathlib.Path) -> None:
    expected = NETWORKS[name]
    got = read_bytes(content_of(expected), tmp_path)
    assert isinstance(got, Network)
    assert got.last_step == expected.last_step and not got.assumed
    for layer, wanted in zip(got.layers, expected.layers, strict=True):
        values = arrays(wanted)
        if isinstance(wanted, Recurrent):
            assert isinstance(layer, Recurrent)
            assert layer.cell_clip == np.float32(wanted.cell_clip)
            values["bias_ih"] = wanted.bias_ih + wanted.bias_hh
            values["bias_hh"] = np.zeros_like(wanted.bias_hh)
        else:
            assert isinstance(layer, Dense) and layer.activation == wanted.activation
        assert layer.name == wanted.name
        for key, array in arrays(layer).items():
            np.testing.assert_array_equal(array, values[key])


@pytest.mark.parametrize("precision", [int8, hybrid])
@pytest.mark.parametrize("name", NETWORKS)
def test_quantized_file_gives_integers_and_scales_back(
    name: str, precision: Callable[[Network], QuantizedNetwork], tmp_path: pathlib.Path
) -> None:
    expected = precision(NETWORKS[name])
    got = read_bytes(content_of(expected), tmp_path)
    assert isinstance(got, QuantizedNetwork)
    assert (got.precision, got.last_step) == (expected.precision, expected.last_step)
    assert got.steps is None and not got.dropped_softmax
    for layer, wanted in zip(got.layers, expected.layers, strict=True):
        assert type(layer) is type(wanted)
        for field in dataclasses.fields(wanted):
            if field.name != "saturation":
                _assert_equal(getattr(layer, field.name), getattr(wanted, field.name), field.name)


def _assert_equal(value: Any, wanted: Any, field: str) -> None:
    if isinstance(wanted, np.ndarray):
        assert value.dtype == wanted.dtype and value.flags.c_contiguous and value.flags.writeable
        np.testing.assert_array_equal(value, wanted)
    elif field == "cell_clip":
        assert value == np.float32(wanted)
    else:
        assert value == wanted


@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize("precision", [same, hybrid, int8])
@pytest.mark.parametrize("name", NETWORKS)
def test_file_that_was_read_is_written_with_equal_bytes(
    name: str, precision: Callable[[Network], AnyNetwork], steps: int, tmp_path: pathlib.Path
) -> None:
    content = content_of(precision(NETWORKS[name]), steps)
    assert content_of(read_bytes(content, tmp_path), steps) == content


def test_facts_of_a_file_are_its_steps_and_the_types_of_its_ends(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(content_of(NETWORKS["relu"]))
    assert facts(path) == FileFacts(STEPS, "float32", "float32", streaming=False)
    assert not facts(path).streaming
    path.write_bytes(content_of(int8(NETWORKS["relu"]), 1))
    assert facts(path) == FileFacts(1, "int8", "int8", streaming=True)
    assert facts(path).streaming
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match="net.tflite: bytes 4 to 8 are b'odel'"):
        facts(path)


def test_what_the_caller_states_must_not_contradict_the_file(tmp_path: pathlib.Path) -> None:
    content = content_of(NETWORKS["softmax"])
    assert isinstance(read_bytes(content, tmp_path, True, "softmax"), Network)
    told = refusal(content, tmp_path, last_step=False)
    assert told == "last_step=False contradicts the file, which gives the last step; leave it out"
    told = refusal(content, tmp_path, activation="relu")
    assert told == "activation='relu' contradicts the file, which ends in softmax; leave it out"
    told = refusal(content_of(NETWORKS["one layer"]), tmp_path, activation="relu")
    assert "which ends in no activation" in told


# ---- files of others


def constant(data: Any, kind: str = "int32", scale: float | None = None) -> Tensor:
    array = np.array(data, kind)
    return Tensor("arith.constant", array.shape, kind, scale, data=array)


def chain(*operators: Operator) -> bytes:
    first, last = operators[0].inputs[0], operators[-1].outputs[0]
    assert first is not None and last is not None
    return pack(Model(first, last, operators, "MLIR Converted."))


def graph_of(network: AnyNetwork, steps: int = STEPS) -> Model:
    return unpack(content_of(network, steps))


def edited(op: Operator, place: int, tensor: Tensor | None) -> Operator:
    """The operator with another input."""
    inputs = list(op.inputs)
    inputs[place] = tensor
    return dataclasses.replace(op, inputs=tuple(inputs))


def fed(op: Operator, x: Tensor, shape: Sequence[int]) -> Operator:
    """The operator with another first input, and a result of this shape."""
    (y,) = op.outputs
    assert y is not None
    result = dataclasses.replace(y, shape=tuple(shape))
    return dataclasses.replace(edited(op, 0, x), outputs=(result,))


def result_of(op: Operator) -> Tensor:
    (y,) = op.outputs
    assert y is not None
    return y


def run_litert(content: bytes, x: NDArray[Any]) -> NDArray[Any]:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="pip install ai-edge-litert")
    opened = litert.Interpreter(model_content=content)
    opened.allocate_tensors()
    (into,), (out,) = opened.get_input_details(), opened.get_output_details()
    opened.set_tensor(into["index"], x.reshape(into["shape"]))
    opened.invoke()
    return np.array(opened.get_tensor(out["index"]))


def test_golden_vector_with_free_scales_is_read_as_it_stands(tmp_path: pathlib.Path) -> None:
    expected = golden_lstm()
    got = read_bytes(content_of(expected, 4), tmp_path)
    assert isinstance(got, QuantizedNetwork)
    layer, wanted = got.layers[0], expected.layers[0]
    assert isinstance(layer, QuantizedRecurrent) and isinstance(wanted, QuantizedRecurrent)
    assert layer.scales == wanted.scales and layer.weight_scales == wanted.weight_scales
    assert layer.scales["x"] == Scale(float(np.float32(0.025)), 3, "int8")
    x = np.array([[[60, -90], [-128, 127], [12, 40], [127, -5]]], np.int8)
    h = [[[76, -6], [0, 10], [18, 77], [58, 83]]]
    assert run_integers(got, x).tolist() == h
    assert run_litert(content_of(got, 4), x).tolist() == h


def keras_like(steps: int = STEPS) -> tuple[bytes, QuantizedNetwork]:
    """QUANTIZE, LSTM, STRIDED_SLICE, FULLY_CONNECTED, SOFTMAX, DEQUANTIZE, as TensorFlow writes."""
    qnetwork = int8(random_network(sizes=(3, 5), outputs=4, last_step=True, seed=8))
    model = graph_of(qnetwork, steps)
    x = Tensor("serving_default_input", model.input.shape, "float32")
    p = Tensor("p", (1, 4), "int8", 1 / 256, -128)
    return chain(
        Operator("QUANTIZE", (x,), (model.input,), version=2),
        *model.operators,
        Operator("SOFTMAX", (model.output,), (p,), {"beta": 1.0}, 2),
        Operator("DEQUANTIZE", (p,), (Tensor("Identity", (1, 4), "float32"),), version=2),
    ), qnetwork


def test_float_ends_and_a_softmax_around_integers_are_taken_off(tmp_path: pathlib.Path) -> None:
    content, expected = keras_like()
    got = read_bytes(content, tmp_path, last_step=True, activation="softmax")
    assert isinstance(got, QuantizedNetwork)
    assert got.dropped_softmax and got.precision == "int8" and got.last_step
    assert content_of(got) == content_of(expected)
    assert facts(tmp_path / "net.tflite") == FileFacts(STEPS, "float32", "float32", streaming=False)
    x_q = np.clip(random_input(got, 1, STEPS) * 50, -128, 127).astype(np.int8)
    x = ((x_q.astype(np.float64) - got.input_zero_point) * got.input_scale).astype(np.float32)
    logits = (run_integers(got, x_q, LITERT) - got.output_zero_point) * got.output_scale
    p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    # One step of the file's int8 probabilities, 1/256, and its rounding.
    np.testing.assert_allclose(run_litert(content, x), p, rtol=0, atol=1.6 / 256)


def test_time_major_operators_between_transposes_are_read(tmp_path: pathlib.Path) -> None:
    network = random_network(sizes=(3, 5), outputs=4, seed=9)
    model = graph_of(network)
    lstm, dense = model.operators
    swap = constant([1, 0, 2])
    turned = Tensor("transpose", (STEPS, 1, 3), "float32")
    lstm = fed(lstm, turned, (STEPS, 1, 5))
    lstm = dataclasses.replace(lstm, options={**lstm.options, "time_major": True})
    back = Tensor("transpose_1", (1, STEPS, 5), "float32")
    content = chain(
        Operator("TRANSPOSE", (model.input, swap), (turned,)),
        lstm,
        Operator("TRANSPOSE", (result_of(lstm), swap), (back,)),
        edited(dense, 0, back),
    )
    got = read_bytes(content, tmp_path)
    assert content_of(got) == content_of(network)
    x = random_input(network, 1, STEPS)
    np.testing.assert_array_equal(run_litert(content, x), run_litert(content_of(got), x))


def test_reshapes_and_separate_activations_are_read(tmp_path: pathlib.Path) -> None:
    network = random_network(sizes=(3, 5), outputs=4, activation="relu", seed=10)
    model = graph_of(network)
    lstm, dense = model.operators
    flat, again = Tensor("flat", (STEPS, 5), "float32"), Tensor("again", (1, STEPS, 4), "float32")
    plain = fed(dense, flat, (STEPS, 4))
    plain = dataclasses.replace(plain, options={"activation": 0, "keep_num_dims": False})
    relu = Operator("RELU", plain.outputs, (Tensor("relu", (STEPS, 4), "float32"),))
    content = chain(
        lstm,
        Operator("RESHAPE", (result_of(lstm), constant([-1, 5])), (flat,)),
        plain,
        relu,
        Operator("RESHAPE", (result_of(relu), constant([1, STEPS, 4])), (again,)),
    )
    assert content_of(read_bytes(content, tmp_path)) == content_of(network)


def test_dense_layer_without_bias_gets_zeros(tmp_path: pathlib.Path) -> None:
    for network in (NETWORKS["dense alone"], int8(NETWORKS["dense alone"])):
        (dense,) = graph_of(network).operators
        for inputs in (dense.inputs[:2], (*dense.inputs[:2], None)):
            got = read_bytes(chain(dataclasses.replace(dense, inputs=inputs)), tmp_path)
            (layer,) = got.layers
            assert isinstance(layer, Dense | QuantizedDense)
            assert layer.bias.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("begin", "end", "masks"),
    [
        ([0, -1, 0], [1, STEPS, 5], (0, 0, 0b010)),
        ([0, STEPS - 1, 0], [0, 0, 0], (0b101, 0b101, 0b010)),
        ([0, -1, 0], [0, 0, 0], (0b101, 0b111, 0)),
    ],
    ids=["ends given", "counted from the front", "axis kept"],
)
def test_other_slices_that_take_the_last_step_are_read(
    begin: list[int], end: list[int], masks: tuple[int, int, int], tmp_path: pathlib.Path
) -> None:
    network = random_network(sizes=(3, 5), last_step=True, seed=11)
    content = sliced(network, begin, end, masks)
    assert content_of(read_bytes(content, tmp_path)) == content_of(network)


def sliced(
    network: Network, begin: list[int], end: list[int], masks: tuple[int, int, int]
) -> bytes:
    lstm, cut = graph_of(network).operators
    inputs = (cut.inputs[0], constant(begin), constant(end), constant([1, 1, 1]))
    options = dict(zip(("begin_mask", "end_mask", "shrink_axis_mask"), masks, strict=True))
    shape = (1, 5) if masks[2] else (1, 1, 5)
    y = dataclasses.replace(result_of(cut), shape=shape)
    return chain(lstm, Operator("STRIDED_SLICE", inputs, (y,), options))


# ---- what is refused


def test_slice_of_another_step_is_refused(tmp_path: pathlib.Path) -> None:
    network = random_network(sizes=(3, 5), last_step=True, seed=11)
    content = sliced(network, [0, 2, 0], [0, 0, 0], (0b101, 0b101, 0b010))
    told = "operator 1 (STRIDED_SLICE): it takes another part than the last time step"
    assert refusal(content, tmp_path) == told


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ((9, 10, 11), "it has peepholes"),
        ((16,), "it has a projection"),
        ((20, 21, 22, 23), "it has layer normalization"),
    ],
)
def test_variant_of_the_lstm_is_refused_by_its_name(
    places: tuple[int, ...], told: str, tmp_path: pathlib.Path
) -> None:
    (lstm,) = graph_of(NETWORKS["one layer"]).operators
    for place in places:
        lstm = edited(lstm, place, constant(np.ones(5), "float32"))
    expected = (
        f"operator 0 (UNIDIRECTIONAL_SEQUENCE_LSTM): {told}; "
        "a plain LSTM with tanh, four gates, and biases is read"
    )
    assert refusal(chain(lstm), tmp_path) == expected


def test_coupled_gates_and_other_activations_are_refused(tmp_path: pathlib.Path) -> None:
    (lstm,) = graph_of(NETWORKS["one layer"]).operators
    coupled = edited(edited(edited(lstm, 1, None), 5, None), 12, None)
    assert "coupled input and forget gates (CIFG)" in refusal(chain(coupled), tmp_path)
    relu = dataclasses.replace(lstm, options={"activation": 1})
    assert "its activation is RELU;" in refusal(chain(relu), tmp_path)


def test_sixteen_bit_activations_are_refused(tmp_path: pathlib.Path) -> None:
    told = refusal(content_of(golden_lstm(wide=True), 4), tmp_path)
    assert "its input is int16, its weights are int8, its biases int64" in told
    assert "not int16 activations (16x8)" in told


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("BIDIRECTIONAL_SEQUENCE_LSTM", False),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", False),
        ("GELU", False),
        ("WHILE", True),
    ],
)
def test_unsupported_operator_is_named_with_its_place(
    name: str, hint: bool, tmp_path: pathlib.Path
) -> None:
    (lstm,) = graph_of(NETWORKS["one layer"]).operators
    other = Operator(name, lstm.outputs, (Tensor("y", (1, STEPS, 5), "float32"),))
    told = refusal(chain(lstm, other), tmp_path)
    assert told.startswith(f"operator 1 ({name}): it is not supported; supported are UNIDIREC")
    assert ("convert with batch 1 and a fixed number of steps" in told) == hint


def test_scales_per_channel_are_refused(tmp_path: pathlib.Path) -> None:
    model = graph_of(int8(NETWORKS["dense alone"]))
    content = bytearray(pack(model))
    weight = model.operators[0].inputs[1]
    assert weight is not None
    one = struct.pack("<If", 1, weight.scale)
    assert content.count(one) == 1
    place = content.index(one)
    content[place : place + 4] = struct.pack("<I", 2)  # the next four bytes become a second scale
    told = refusal(bytes(content), tmp_path)
    assert "tensor 'dense1/weight' has a scale per channel; one scale per tensor is read" in told


def test_quantization_that_cannot_be_right_is_refused(tmp_path: pathlib.Path) -> None:
    (lstm,) = graph_of(golden_lstm(), 4).operators
    h = lstm.inputs[18]
    weight, cell = lstm.inputs[1], lstm.inputs[19]
    assert h is not None and weight is not None and cell is not None
    cases = {
        "differ in type, scale or zero point": edited(lstm, 18, dataclasses.replace(h, scale=0.5)),
        "has scale nan; above 0 is needed": edited(
            lstm, 18, dataclasses.replace(h, scale=float("nan"))
        ),
        "has zero point 3; 0 is needed": edited(lstm, 1, dataclasses.replace(weight, zero_point=3)),
        "has zero point 300": edited(lstm, 18, dataclasses.replace(h, zero_point=300)),
        "a power of two from 2**-15 to 2**-9": edited(
            lstm, 19, dataclasses.replace(cell, scale=0.001)
        ),
        "its state c is int8; int16 is needed": edited(
            lstm, 19, dataclasses.replace(cell, type="int8")
        ),
        "its state h is no variable tensor": edited(
            lstm, 18, dataclasses.replace(h, is_variable=False)
        ),
        "holds -128; int8 weights are -127..127": edited(
            lstm, 1, constant([[-128, 1], [2, 3]], "int8", 0.01)
        ),
        "has shape (2, 3), not (2, 2)": edited(lstm, 2, constant(np.ones((2, 3)), "int8", 0.01)),
        "its weights are float32 and int8": edited(lstm, 2, constant(np.ones((2, 2)), "float32")),
    }
    for told, op in cases.items():
        assert told in refusal(chain(op), tmp_path)


def test_graph_that_is_no_chain_of_steps_is_refused(tmp_path: pathlib.Path) -> None:
    network = random_network(sizes=(3, 5), outputs=4, last_step=True, seed=12)
    model = graph_of(network)
    lstm, cut, dense = model.operators
    flat = Tensor("flat", (1, STEPS * 5), "float32")
    turned = Tensor("turned", (1, 5, STEPS), "float32")
    half = Tensor("half", (1, STEPS, 5), "int8", 0.1)
    batch = Tensor("x", (2, STEPS, 3), "float32")
    cases = {
        "operator 1 (RESHAPE): its result has shape (1, 35); the 5 values of a step": chain(
            lstm, Operator("RESHAPE", lstm.outputs, (flat,))
        ),
        "operator 1 (TRANSPOSE): it changes the order of values": chain(
            lstm, Operator("TRANSPOSE", (*lstm.outputs, constant([0, 2, 1])), (turned,))
        ),
        "operator 1 (QUANTIZE): it converts float32 to int8; read are": chain(
            lstm, Operator("QUANTIZE", lstm.outputs, (half,))
        ),
        "operator 2 (UNIDIRECTIONAL_SEQUENCE_LSTM): it stands behind the selection": chain(
            lstm, cut, edited(lstm, 0, result_of(cut))
        ),
        "operator 1 (FULLY_CONNECTED): it does not continue the chain": chain(lstm, dense),
        "operator 1 (SOFTMAX): it does not stand behind a FULLY_CONNECTED": chain(
            lstm, Operator("SOFTMAX", lstm.outputs, (Tensor("p", (1, STEPS, 5), "float32"),))
        ),
        "its input 'x' has shape (2, 7, 3); (1, steps, values) is read": chain(
            fed(lstm, batch, (2, STEPS, 5))
        ),
        "the result is tensor 'lstm1/output'": pack(
            Model(model.input, result_of(lstm), (lstm, cut))
        ),
        "the network has no layers": pack(Model(model.input, model.input, ())),
    }
    for told, content in cases.items():
        assert refusal(content, tmp_path).startswith(told)


def test_layers_of_different_precision_are_refused(tmp_path: pathlib.Path) -> None:
    network = random_network(sizes=(3, 5), outputs=4, seed=13)
    lstm, _ = graph_of(hybrid(network)).operators
    _, dense = graph_of(network).operators
    told = refusal(chain(lstm, edited(dense, 0, result_of(lstm))), tmp_path)
    assert told.startswith("its layers differ in precision (lstm1 hybrid, dense1 float32)")


# ---- files that are no models


def readable(content: bytes, folder: pathlib.Path) -> bool:
    """Whether a file gives a network, one that can be written again; else it is a ModelError."""
    try:
        network = read_bytes(content, folder)
    except ModelError as error:
        assert str(error).startswith("net.tflite: ") and "\n" not in str(error)
        return False
    assert network.layers and network.output_size > 0
    return True


VICTIM = content_of(int8(random_network(sizes=(3, 5), outputs=4, last_step=True, seed=14)))


def test_truncated_file_is_refused_or_still_whole(tmp_path: pathlib.Path) -> None:
    cuts = range(0, len(VICTIM), 97)
    assert not any(readable(VICTIM[:cut], tmp_path) for cut in cuts)


def test_random_bytes_are_refused(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    for length in (0, 3, 8, 9, 40, 1000, 10_000):
        junk = rng.bytes(length)
        assert not readable(junk, tmp_path)
        assert not readable(junk[:4] + b"TFL3" + junk[8:], tmp_path)


def test_file_with_a_flipped_byte_is_refused_or_gives_a_network(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(1)
    start, whole = time.perf_counter(), 0
    for place in rng.integers(0, len(VICTIM), 600).tolist():
        content = bytearray(VICTIM)
        content[place] ^= int(rng.integers(1, 256))
        whole += readable(bytes(content), tmp_path)
    assert 50 < whole < 550  # weights and names may change, offsets not
    assert time.perf_counter() - start < 60


def test_operators_that_share_one_constant_cannot_fill_memory(tmp_path: pathlib.Path) -> None:
    square = random_network(sizes=(64, 64), seed=15)
    (lstm,) = graph_of(square).operators
    weight = lstm.inputs[1]
    ops = [lstm]
    for place in (2, 3, 4, 5, 6, 7, 8):
        ops[0] = edited(ops[0], place, weight)
    for _ in range(50):
        ops.append(fed(ops[0], result_of(ops[-1]), (1, STEPS, 64)))
    told = refusal(chain(*ops), tmp_path)
    assert "name the same constants again and again" in told


def test_graph_of_very_many_operators_is_refused(tmp_path: pathlib.Path) -> None:
    x = Tensor("x", (1, 1, 2), "float32")
    again = Operator("RESHAPE", (x,), (x,))
    told = refusal(pack(Model(x, x, (again,) * 1001)), tmp_path)
    assert told.startswith("it has 1001 operators, at most 1000 are read; a recurrent layer that")
