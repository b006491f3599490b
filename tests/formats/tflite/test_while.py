"""Loops that TensorFlow 2.21 left of Keras 3's layers: read, written as what they are, refused."""

import dataclasses
import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgelstm.formats import read, write
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.formats.tflite.pack import pack
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.networks import random_input, random_recurrent
from tests.tflite_files import Litert, Tflm, refusal
from tests.while_graphs import (
    constant,
    content_of,
    edited,
    fed,
    looped_network,
    model_of,
    replaced,
    values_of,
)

FILES = {
    "lstm": "lstm1: lstm 3 -> 4",
    "gru": "gru1: gru 3 -> 4",
    "gru_reset_before": "gru1: gru_reset_before 3 -> 4",
    "rnn": "rnn1: rnn 3 -> 4",
    "rnn_relu": "rnn1: rnn 3 -> 4",
    "two_lstms_each_step": "lstm2: lstm 4 -> 5",
    "bidirectional": "lstm1: bidirectional lstm 3 -> 8",
    "bidirectional_finals": "gru1: bidirectional gru 4 -> 8",
    "equal_sizes": "gru1: gru 4 -> 4",
    "one_step": "gru1: gru 3 -> 3",
    "flatten": "dense1: dense 20 -> 2 relu",
    "quantized_weights": "dense1: dense 20 -> 52",
}
WAY_OUT = "give the model as Keras saves it: model.save('net.keras')"


def read_file(name: str, folder: pathlib.Path) -> Network:
    path = folder / f"{name}.tflite"
    path.write_bytes(content_of(name))
    network = read(path)
    assert isinstance(network, Network)
    return network


@pytest.mark.parametrize("name", FILES)
def test_keras_gives_the_values_of_what_is_read(name: str, tmp_path: pathlib.Path) -> None:
    network = read_file(name, tmp_path)
    assert FILES[name] in repr(network)
    assert any(part.biases for part in parts(network.layers))
    x, expected = values_of(name)
    np.testing.assert_allclose(forward(network, x), expected, rtol=0, atol=1e-5)
    stored = ("int8 weights beside real values" in text for text in network.assumed)
    assert any(stored) == (name == "quantized_weights")


@pytest.mark.parametrize("name", FILES)
def test_what_is_read_goes_out_at_int8_with_the_same_bits(
    name: str, tmp_path: pathlib.Path
) -> None:
    network = read_file(name, tmp_path)
    x, _ = values_of(name)
    path = write(quantize(network, x), tmp_path / "net_int8.tflite", steps=x.shape[1])
    verified = verify(path, n_sequences=16).verified
    assert {v.runtime for v in verified if v.status == "ok"} >= {"tflm", "litert"}
    assert not any(v.mismatches for v in verified)


# ---- the same loop in other words


def swapped(place: int) -> Callable[[list[Operator]], None]:
    def change(operators: list[Operator]) -> None:
        op = operators[place]
        operators[place] = dataclasses.replace(op, inputs=op.inputs[::-1])

    return change


def places(name: str, graph: int, operator: str) -> list[int]:
    operators = model_of(name).graphs[graph].operators
    return [k for k, op in enumerate(operators) if op.name == operator]


@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_before", "rnn"])
def test_factors_and_terms_may_be_exchanged(name: str, tmp_path: pathlib.Path) -> None:
    x, expected = values_of(name)
    exchanged = [k for op in ("MUL", "ADD") for k in places(name, 2, op)]
    for place in exchanged:
        path = tmp_path / "net.tflite"
        path.write_bytes(edited(name, 2, swapped(place)))
        network: Any = read(path)
        np.testing.assert_allclose(forward(network, x), expected, rtol=0, atol=1e-5)


def test_weights_may_come_in_through_the_loop(tmp_path: pathlib.Path) -> None:
    """As constants among its inputs that its body hands on as they are."""
    model = model_of("gru")
    main, condition, body = model.graphs
    k, op = 1, main.operators[1]
    carried, graphs = [], [main, condition, body]
    for n, product in enumerate(o for o in body.operators if o.name == "FULLY_CONNECTED"):
        weight = product.inputs[1]
        assert weight is not None
        inner = Tensor(f"carried{n}", weight.shape, "float32")
        carried.append((weight, inner))
    inside = {id(weight): inner for weight, inner in carried}
    operators = tuple(
        dataclasses.replace(o, inputs=tuple(inside.get(id(t), t) for t in o.inputs))
        for o in body.operators
    )
    inner_ones = tuple(inner for _, inner in carried)
    graphs[2] = dataclasses.replace(
        body,
        operators=operators,
        inputs=body.inputs + inner_ones,
        outputs=body.outputs + inner_ones,
    )
    asked = tuple(dataclasses.replace(inner) for inner in inner_ones)
    graphs[1] = dataclasses.replace(condition, inputs=condition.inputs + asked)
    results = tuple(dataclasses.replace(inner) for inner in inner_ones)
    loop = dataclasses.replace(
        op, inputs=op.inputs + tuple(w for w, _ in carried), outputs=op.outputs + results
    )
    graphs[0] = dataclasses.replace(
        main, operators=(*main.operators[:k], loop, *main.operators[2:])
    )
    path = tmp_path / "net.tflite"
    path.write_bytes(pack(dataclasses.replace(model, graphs=tuple(graphs), signatures=())))
    x, expected = values_of("gru")
    network: Any = read(path)
    np.testing.assert_allclose(forward(network, x), expected, rtol=0, atol=1e-5)


# ---- refused


def itself(operators: list[Operator]) -> None:
    """A body that calls itself."""
    options = {"condition_graph": 1, "body_graph": 2}
    operators.insert(0, Operator("WHILE", (), (), options))


def another_row(operators: list[Operator]) -> None:
    """GATHER by the counter after it went on."""
    operators[4] = dataclasses.replace(
        operators[4], inputs=(operators[4].inputs[0], operators[0].outputs[0])
    )


def other_state(operators: list[Operator]) -> None:
    """The cell state collected."""
    operators[-1] = dataclasses.replace(
        operators[-1], inputs=(operators[-4].outputs[0], *operators[-1].inputs[1:])
    )


def variable(operators: list[Operator]) -> None:
    handle = Tensor("handle", (), "resource")
    operators.insert(0, Operator("VAR_HANDLE", (), (handle,), {"container": "", "shared_name": ""}))


MANY = constant(10**9)
COMPUTED = Tensor("limit", (), "int32")
ONES = constant(np.ones((1, 4)), "float32")
REFUSED: dict[str, tuple[int, Callable[[list[Operator]], None], str]] = {
    "a body that calls itself": (2, itself, "operator 0 of its body (WHILE) is not one of those"),
    "steps without end": (1, replaced(0, name="LESS_EQUAL"), "its condition holds LESS_EQUAL"),
    "10^9 steps": (
        1,
        lambda ops: (fed(0, 1, MANY)(ops), fed(1, 1, MANY)(ops))[0],
        "it runs 1,000,000,000 times over a sequence of 5 steps",
    ),
    "computed steps": (1, fed(0, 1, COMPUTED), "its number of steps is computed"),
    "a counter by two": (2, fed(3, 1, constant(2)), "it counts otherwise than by one"),
    "another row": (2, another_row, "operator 4 of its body (GATHER) takes the row of another"),
    "another activation": (2, replaced(9, name="TANH"), "its step is none of lstm, lstm_coupled"),
    "a sum for a product": (2, replaced(11, name="ADD"), "its step is none of lstm"),
    "a function of its own": (2, replaced(9, name="EXP"), "operator 9 of its body (EXP) is not"),
    "a fused relu6": (
        2,
        replaced(6, options={"activation": 3, "pot_scale_int16": True}),
        "operator 6 of its body (ADD) has activation 3; none, relu and tanh are read",
    ),
    "states that begin": (0, fed(1, 3, ONES), "does not start as a row of zeros"),
    "weights of int16": (
        2,
        fed(1, 1, constant(np.ones((16, 4)), "int16")),
        "operator 1 of its body (FULLY_CONNECTED) has weights of int16",
    ),
    "the cell state": (2, other_state, "it collects something else than the output of each step"),
    "three terms": (
        2,
        lambda ops: replaced(0, inputs=(*ops[0].inputs, ops[0].inputs[0]))(ops),
        "operator 0 of its body (ADD) has 3 inputs and 1 outputs",
    ),
    "no result": (2, replaced(2, outputs=()), "(RESHAPE) has 2 inputs and 0 outputs"),
    "no such graph": (
        0,
        replaced(1, options={"condition_graph": 1, "body_graph": 9}),
        "its body_graph is number 9 of 3 graphs",
    ),
    "variables": (0, variable, "operator 0 (VAR_HANDLE): it is not supported"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_another_loop_is_refused_with_the_way_out(what: str, tmp_path: pathlib.Path) -> None:
    graph, change, expected = REFUSED[what]
    told = refusal(edited("lstm", graph, change), tmp_path)
    assert expected in told and told.endswith(WAY_OUT)


def test_an_unrolled_graph_is_refused_with_the_way_out(tmp_path: pathlib.Path) -> None:
    told = refusal(content_of("unrolled"), tmp_path)
    assert told.startswith("operator 1 (UNPACK)") and told.endswith(WAY_OUT)


def test_a_sequence_of_integers_is_refused_with_the_way_out(tmp_path: pathlib.Path) -> None:
    model = model_of("one_step")
    (x,) = model.graphs[0].inputs
    integer = dataclasses.replace(x, type="int8", scale=0.1)
    main = dataclasses.replace(model.graphs[0], inputs=(integer,))
    operators = [
        dataclasses.replace(op, inputs=tuple(integer if t is x else t for t in op.inputs))
        for op in main.operators
    ]
    main = dataclasses.replace(main, operators=tuple(operators))
    content = pack(dataclasses.replace(model, graphs=(main, *model.graphs[1:]), signatures=()))
    told = refusal(content, tmp_path)
    assert "its sequence is int8; loops of float32 are read" in told and told.endswith(WAY_OUT)


# ---- as large as people have them


@pytest.mark.slow
def test_four_large_lstms_come_back_from_a_microcontrollers_runtime(tmp_path: pathlib.Path) -> None:
    """As a loop TensorFlow Lite Micro does not come back from them, as users report."""
    steps, rng = 100, np.random.default_rng(0)
    layers = [
        random_recurrent("lstm", n, 128, rng, name=f"lstm{k}").forward
        for k, n in enumerate((16, 128, 128, 128))
    ]
    path = tmp_path / "net.tflite"
    path.write_bytes(looped_network(layers, steps))
    network: Any = read(path)
    assert path.stat().st_size > 1.9e6
    x = random_input(network, 2, steps)
    expected = forward(Network(tuple(Recurrent((layer,)) for layer in layers)), x)
    np.testing.assert_allclose(forward(network, x), expected, rtol=0, atol=1e-5)  # biases added up
    small = write(quantize(network, x), tmp_path / "net_int8.tflite", steps=steps)
    assert verify(small, n_sequences=2).passed
    runtime, integers = Tflm(small.read_bytes()), np.zeros((1, steps, 16), np.int8)
    start = time.monotonic()
    runtime.run(integers)
    assert time.monotonic() - start < 5


# ---- float UNIDIRECTIONAL_SEQUENCE_RNN


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_fused_rnn_gives_the_values_of_a_runtime(activation: str, tmp_path: pathlib.Path) -> None:
    from edgelstm.formats.tflite.model import one_graph

    rng, steps = np.random.default_rng(1), 6
    arrays = [rng.normal(0, 0.4, s).astype(np.float32) for s in ((4, 3), (4, 4), (4,))]
    x, y = Tensor("x", (1, steps, 3), "float32"), Tensor("y", (1, steps, 4), "float32")
    state = Tensor("state", (1, 4), "float32", is_variable=True)
    held = [constant(a, "float32", f"constant{k}") for k, a in enumerate(arrays)]
    options = {"time_major": False, "activation": {"relu": 1, "tanh": 4}[activation]}
    options["asymmetric_quantize_inputs"] = False
    op = Operator("UNIDIRECTIONAL_SEQUENCE_RNN", (x, *held, state), (y,), options)
    path = tmp_path / "net.tflite"
    path.write_bytes(pack(one_graph(x, y, (op,), "")))
    network: Any = read(path)
    assert network.layers[0].forward.nonlinearity == activation
    given = rng.normal(size=(1, steps, 3)).astype(np.float32)
    got = Litert(path.read_bytes()).run(given)
    np.testing.assert_allclose(got, forward(network, given), rtol=0, atol=1e-6)
    told = refusal(
        pack(one_graph(x, y, (dataclasses.replace(op, inputs=op.inputs[:4]),), "")), tmp_path
    )
    assert "it has 4 inputs and the activation" in told
