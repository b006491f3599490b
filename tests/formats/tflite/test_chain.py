"""What is refused when a .tflite file is read."""

import dataclasses
import pathlib
import struct

import numpy as np
import pytest

from edgelstm.formats.tflite.model import Operator, Tensor, one_graph
from edgelstm.formats.tflite.pack import pack
from tests.networks import golden_lstm, random_network
from tests.tflite_files import (
    NETWORKS,
    STEPS,
    chain,
    constant,
    edited,
    fed,
    graph_of,
    hybrid,
    int8,
    refusal,
    result_of,
    sliced,
)


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


def test_sixteen_bit_activations_with_other_biases_are_refused(tmp_path: pathlib.Path) -> None:
    (lstm,) = graph_of(golden_lstm(wide=True)).operators
    narrow = lstm.inputs[12]
    assert narrow is not None and narrow.data is not None
    other = dataclasses.replace(narrow, type="int32", data=narrow.data.astype(np.int32))
    told = refusal(chain(edited(lstm, 12, other)), tmp_path)
    assert "its input is int16, its weights are int8, its biases int32 and int64" in told
    assert "int16 activations with int64 biases (16x8)" in told


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("BIDIRECTIONAL_SEQUENCE_LSTM", False),
        ("BIDIRECTIONAL_SEQUENCE_RNN", False),
        ("GELU", False),
        ("IF", True),
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
    content = bytearray(chain(*model.operators))
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
        "its state h is not a variable tensor": edited(
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
    flat = Tensor("flat", (1, 5, STEPS), "float32")
    turned = Tensor("turned", (1, 5, STEPS), "float32")
    half = Tensor("half", (1, STEPS, 5), "int8", 0.1)
    batch = Tensor("x", (2, STEPS, 3), "float32")
    cases = {
        "operator 1 (RESHAPE): its result has shape (1, 5, 7); the 5 values of a step": chain(
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
        "operator 1 (FULLY_CONNECTED): it does not take the result of the operator": chain(
            lstm, dense
        ),
        "operator 1 (SOFTMAX): it does not stand behind a FULLY_CONNECTED": chain(
            lstm, Operator("SOFTMAX", lstm.outputs, (Tensor("p", (1, STEPS, 5), "float32"),))
        ),
        "its input 'x' has shape (2, 7, 3); (1, steps, values) is read": chain(
            fed(lstm, batch, (2, STEPS, 5))
        ),
        "the result is tensor 'lstm1/output'": pack(
            one_graph(model.inputs[0], result_of(lstm), (lstm, cut), "")
        ),
        "the network has no layers": pack(one_graph(model.inputs[0], model.inputs[0], (), "")),
    }
    for told, content in cases.items():
        assert refusal(content, tmp_path).startswith(told)


def test_layers_of_different_precision_are_refused(tmp_path: pathlib.Path) -> None:
    network = random_network(sizes=(3, 5), outputs=4, seed=13)
    lstm, _ = graph_of(hybrid(network)).operators
    _, dense = graph_of(network).operators
    told = refusal(chain(lstm, edited(dense, 0, result_of(lstm))), tmp_path)
    assert told.startswith("its layers differ in precision (lstm1 hybrid, dense1 float32)")
