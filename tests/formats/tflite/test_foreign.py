"""Reading .tflite files as other converters write them."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.formats.signature import FileFacts
from edgelstm.formats.tflite import facts
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.reference import run_integers
from edgelstm.quantization.rounding import LITERT
from edgelstm.quantization.scales import Scale
from tests.networks import golden_lstm, random_input, random_network
from tests.tflite_files import (
    NETWORKS,
    STEPS,
    Litert,
    chain,
    constant,
    content_of,
    edited,
    fed,
    graph_of,
    int8,
    read_bytes,
    result_of,
    sliced,
)


def run_litert(content: bytes, x: NDArray[Any]) -> NDArray[Any]:
    """One call from a state of zero; x in the shape that the file has."""
    opened = Litert(content)
    (into,) = opened.interpreter.get_input_details()
    (out,) = opened.interpreter.get_output_details()
    opened.interpreter.set_tensor(into["index"], x.reshape(into["shape"]))
    opened.interpreter.invoke()
    return np.array(opened.interpreter.get_tensor(out["index"]))


def test_golden_vector_with_free_scales_is_read_as_it_stands(tmp_path: pathlib.Path) -> None:
    expected = golden_lstm()
    got = read_bytes(content_of(expected, 4), tmp_path)
    assert isinstance(got, QuantizedNetwork)
    layer, wanted = parts(got.layers)[0], parts(expected.layers)[0]
    assert isinstance(layer, QuantizedDirection) and isinstance(wanted, QuantizedDirection)
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
    x = Tensor("serving_default_input", model.inputs[0].shape, "float32")
    p = Tensor("p", (1, 4), "int8", 1 / 256, -128)
    return chain(
        Operator("QUANTIZE", (x,), (model.inputs[0],), version=2),
        *model.operators,
        Operator("SOFTMAX", (model.outputs[0],), (p,), {"beta": 1.0}, 2),
        Operator("DEQUANTIZE", (p,), (Tensor("Identity", (1, 4), "float32"),), version=2),
    ), qnetwork


def test_float_ends_and_a_softmax_around_integers_are_taken_off(tmp_path: pathlib.Path) -> None:
    content, expected = keras_like()
    got = read_bytes(content, tmp_path, head="last", activation="softmax")
    assert isinstance(got, QuantizedNetwork)
    assert got.dropped_softmax and got.precision == "int8" and got.last_step
    assert content_of(got) == content_of(expected)
    expected_facts = FileFacts(STEPS, "float32", "float32", streaming=False, has_softmax=True)
    about = facts(tmp_path / "net.tflite")
    assert dataclasses.replace(about, operators=()) == expected_facts
    assert about.operators[0] == "QUANTIZE" and about.operators[-1] == "DEQUANTIZE"
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
        Operator("TRANSPOSE", (model.inputs[0], swap), (turned,)),
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
