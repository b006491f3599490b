"""Directions that are added, and parts of steps and directions: Split, Gather, Slice, Expand."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.helper import make_node

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.layers.directions import parts
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from tests.foreign_onnx import GATES, HIDDEN, INPUTS, OUTPUTS, node, save
from tests.present import imported

ort = imported("onnxruntime", "onnxruntime")

STEPS = 6
X = np.random.default_rng(1).normal(size=(3, STEPS, INPUTS)).astype(np.float32)


def arrays() -> dict[str, Any]:
    """Weights of three operators in both directions, of dense layers, and numbers."""
    rng = np.random.default_rng(5)
    held: dict[str, Any] = {}
    for operator, gates in GATES.items():
        rows = gates * HIDDEN
        shapes = {"W": (rows, INPUTS), "R": (rows, HIDDEN), "B": (2 * rows,), "V": (rows, HIDDEN)}
        held |= {f"{operator} {k}": rng.normal(0, 0.5, (2, *s)) for k, s in shapes.items()}
    held |= {"M": rng.normal(size=(HIDDEN, OUTPUTS)), "C": rng.normal(size=OUTPUTS)}
    held = {name: values.astype(np.float32) for name, values in held.items()}
    numbers = {
        **{"zero": [0], "one": [1], "two": [2], "end": [2**31 - 1], "minus": [-1]},
        **{"ones": [1, 1], "hidden": [HIDDEN], "wide": [2 * HIDDEN], "joined": [0, 0, 2 * HIDDEN]},
        **{"first": 0, "second": 1, "all": range(STEPS), "rest": [STEPS - 1, 1]},
        **{"low": range(HIDDEN), "high": range(HIDDEN, 2 * HIDDEN), "both": [0, 1]},
        **{"many": [STEPS, 1, HIDDEN], "times": [STEPS, 1, 1], "halves": [HIDDEN, HIDDEN]},
    }
    return held | {name: np.array(value) for name, value in numbers.items()}


def both(operator: str, x: str = "x", w: str = "W", y: str = "Y") -> onnx.NodeProto:
    """A bidirectional node."""
    more: dict[str, Any] = {"linear_before_reset": 1} if operator == "GRU" else {}
    inputs = [x, *(f"{operator} {k}" for k in (w, "R", "B"))]
    options = {"hidden_size": HIDDEN, "direction": "bidirectional", **more}
    return make_node(operator, inputs, [y, f"{y}_h"], y, **options)


def two(operator: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node of several outputs."""
    return make_node(operator, inputs.split(), outputs.split(), operator, **attributes)


EACH = [node("MatMul", "s M", "p"), node("Add", "p C")]
JOINED = [node("Transpose", "Y", "t", perm=[0, 2, 1, 3]), node("Reshape", "t joined", "j")]
SUMS = {
    "Gather of directions": [
        node("Gather", "Y first", "a", axis=1),
        node("Gather", "Y second", "b", axis=1),
        node("Add", "a b", "s"),
        *EACH,
    ],
    "Split of directions": [
        two("Split", "Y", "a b", axis=1, num_outputs=2),
        node("Add", "b a", "k"),
        node("Squeeze", "k one", "s"),
        *EACH,
    ],
    "Slice of directions": [
        node("Slice", "Y zero one one", "a"),
        node("Slice", "Y one two one", "b"),
        node("Add", "a b", "k"),
        node("Squeeze", "k one", "s"),
        *EACH,
    ],
    "Slice of joined features": [
        *JOINED,
        node("Slice", "j zero hidden two", "a"),
        node("Slice", "j hidden end two", "b"),
        node("Add", "a b", "s"),
        *EACH,
    ],
    "Split of joined features": [
        *JOINED,
        two("Split", "j halves", "a b", axis=-1),
        node("Add", "a b", "s"),
        *EACH,
    ],
    "Gather of joined features": [
        *JOINED,
        node("Gather", "j low", "a", axis=2),
        node("Gather", "j high", "b", axis=2),
        node("Add", "a b", "s"),
        *EACH,
    ],
    "ReduceSum": [node("ReduceSum", "Y one", "s", keepdims=0), *EACH],
    "the last step": [
        node("ReduceSum", "Y one", "s", keepdims=0),
        node("Gather", "s minus", "k", axis=0),
        node("Squeeze", "k zero", "l"),
        node("Gemm", "l M C"),
    ],
    "final states": [
        two("Split", "Y_h ones", "a b", axis=0),
        node("Add", "a b", "k"),
        node("Squeeze", "k zero", "l"),
        node("Gemm", "l M C"),
    ],
    "final states, ReduceSum": [
        node("ReduceSum", "Y_h zero", "l", keepdims=0),
        node("Gemm", "l M C"),
    ],
}


def in_onnxruntime(path: Path, x: Any) -> Any:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x.swapaxes(0, 1)})[0]


def assert_reads_the_same(path: Path) -> Network:
    network = read(path)
    assert isinstance(network, Network)
    got, expected = forward(network, X), in_onnxruntime(path, X)
    got = got if got.ndim == 2 else got.swapaxes(0, 1)
    np.testing.assert_allclose(got, expected, atol=1e-5)  # float32 sums
    return network


@pytest.mark.parametrize("operator", GATES)
@pytest.mark.parametrize("nodes", SUMS.values(), ids=SUMS)
def test_directions_that_are_added_are_read_side_by_side(
    nodes: list[Any], operator: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "net.onnx", [both(operator), *nodes], arrays())
    dense = parts(assert_reads_the_same(path).layers)[-1]
    np.testing.assert_array_equal(dense.weight[:, :HIDDEN], dense.weight[:, HIDDEN:])


@pytest.mark.parametrize("operator", GATES)
def test_a_sum_may_stand_in_front_of_a_second_layer(operator: str, tmp_path: Path) -> None:
    added = node("ReduceSum", "Y one", "s", keepdims=0)
    again = [both(operator, "s", "V", "Z"), node("ReduceSum", "Z one", "t", keepdims=0)]
    nodes = [both(operator), added, *again, node("MatMul", "t M", "p"), node("Add", "p C")]
    network = assert_reads_the_same(save(tmp_path / "net.onnx", nodes, arrays()))
    assert [layer.input_size for layer in network.layers] == [INPUTS, 2 * HIDDEN, 2 * HIDDEN]


READ = {
    "both directions, joined again": [
        two("Split", "Y ones", "a b", axis=1),
        node("Concat", "a b", "u", axis=3),
        node("Squeeze", "u one"),
    ],
    "the last step of a Split": [
        *JOINED,
        two("Split", "j rest", "early late", axis=0),
        node("Squeeze", "late zero"),
    ],
    "all steps of a Gather": [*JOINED, node("Gather", "j all", axis=0)],
    "halves of the final states": [
        two("Split", "Y_h ones", "a b", axis=0),
        node("Squeeze", "a zero", "c"),
        node("Squeeze", "b zero", "d"),
        node("Concat", "c d", axis=1),
    ],
}


@pytest.mark.parametrize("nodes", READ.values(), ids=READ)
def test_parts_are_read_where_they_are_steps_or_directions(
    nodes: list[Any], tmp_path: Path
) -> None:
    shape = (STEPS, 3, INPUTS)
    path = save(tmp_path / "net.onnx", [both("LSTM"), *nodes], arrays(), x_shape=shape)
    assert_reads_the_same(path)


@pytest.mark.parametrize("operator, numbers", [("Expand", "many"), ("Tile", "times")])
@pytest.mark.parametrize("has_axis", [True, False])
def test_one_vector_may_be_spread_over_steps(
    operator: str, numbers: str, has_axis: bool, tmp_path: Path
) -> None:
    if operator == "Tile" and not has_axis:
        return  # ONNX's Tile adds no axis
    code = node("ReduceSum", "Y_h zero", "l", keepdims=0)
    nodes = [both("LSTM"), code, node("Gemm", "l K D", "code")]
    nodes += [node("Unsqueeze", "code zero", "row")] if has_axis else []
    nodes += [node(operator, f"{'row' if has_axis else 'code'} {numbers}", "seen")]
    nodes += [both("LSTM", "seen", "V", "Z"), node("ReduceSum", "Z one", "s", keepdims=0), *EACH]
    held = arrays()
    square = np.random.default_rng(2).normal(size=(HIDDEN, HIDDEN)).astype(np.float32)
    held |= {"K": square, "D": square[0]}
    assert_reads_the_same(save(tmp_path / "net.onnx", nodes, held))


REFUSED = {
    "no reader": ([node("ReduceSum", "Y one", keepdims=0)], "adds two directions, which a dense"),
    "a mean behind": (
        [node("ReduceSum", "Y one", "s", keepdims=0), node("ReduceMean", "s zero")],
        "adds two directions, which a dense or recurrent layer alone reads",
    ),
    "one alone": (
        [node("Gather", "Y first", "s", axis=1), *EACH],
        "takes one direction of a layer alone; both side by side are read, or their sum",
    ),
    "one twice": (
        [node("Gather", "Y first", "s", axis=1), node("Add", "s s")],
        "joins two tensors that depend on the input",
    ),
    "a part of a part": (
        [*JOINED, two("Split", "j rest", "early late", axis=0), node("Identity", "early")],
        "reads a part of a Split, which keeps 5 of 6 entries of axis 0",
    ),
    "a sum of steps": ([*JOINED, node("ReduceSum", "j zero")], "takes a sum; that of the two"),
    "turned round": (
        [*JOINED, node("Gather", "j turned", axis=0)],
        "selects 2 entries of axis 0 that do not lie side by side",
    ),
    "wrong parts": ([two("Split", "Y rest", "y b", axis=1)], "splits an axis of 2 into parts of"),
}


@pytest.mark.parametrize("nodes, said", REFUSED.values(), ids=REFUSED)
def test_what_is_added_or_taken_apart_otherwise_is_refused(
    nodes: list[Any], said: str, tmp_path: Path
) -> None:
    held, shape = arrays() | {"turned": np.array([1, 0])}, (STEPS, 3, INPUTS)
    path = save(tmp_path / "net.onnx", [both("LSTM"), *nodes], held, x_shape=shape)
    with pytest.raises(ModelError) as caught:
        read(path)
    assert said in str(caught.value)
