"""Axes, bounds and states of ONNX files: what the file says of them holds."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.helper import make_node

from edgelstm.errors import ModelError
from edgelstm.formats import read, write
from edgelstm.formats.onnx.axes import _meanings
from tests.foreign_onnx import HIDDEN, INPUTS, constants, lstm, node, save
from tests.networks import random_network

TURNED = [node("Transpose", "x", "turned", perm=[1, 0, 2])]
EACH = node("Squeeze", "Y one", "y")


def batch_first() -> list[onnx.NodeProto]:
    layer = lstm()
    layer.input[0] = "turned"
    return [
        *TURNED,
        layer,
        node("Squeeze", "Y one", "each"),
        node("Transpose", "each", perm=[1, 0, 2]),
    ]


@pytest.mark.parametrize(
    "names, expected",
    [
        (("batch_size", "seq_len"), ["batch", "steps"]),
        (("N", "T"), ["batch", "steps"]),
        (("time", "n"), ["steps", None]),
        (("sequenceLength", "BATCH"), ["steps", "batch"]),
        (("a", "b"), [None, None]),
        (("batch_0", "batch_1"), [None, None]),
        (("batch_x_steps", ""), [None, None]),
        (("s77", "s27"), [None, None]),
    ],
)
def test_names_of_axes_are_taken_at_their_word(names: Any, expected: Any) -> None:
    assert _meanings(names) == expected


@pytest.mark.parametrize("x_shape", [("batch", "steps", INPUTS), ("N", "L", INPUTS)])
def test_a_layer_that_runs_along_the_batch_is_refused(x_shape: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [lstm(), EACH], x_shape=x_shape)
    with pytest.raises(ModelError, match=f"runs along axis 0, but axis 0 is called '{x_shape[0]}'"):
        read(path)
    assert read(save(path, batch_first(), x_shape=x_shape)).assumed == ()


def test_steps_on_axis_0_are_said_unless_the_name_says_so(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    (said,) = read(save(path, [lstm(), EACH], x_shape=("a", "b", INPUTS))).assumed
    assert said.startswith("axis 0 of the model's input is the steps")
    (said,) = read(save(path, [lstm(), EACH], x_shape=(6, 2, INPUTS))).assumed
    assert said.startswith("axis 0 of the model's input is the steps")
    assert read(save(path, [lstm(), EACH], x_shape=("time", "b", INPUTS))).assumed == ()


def test_one_step_of_a_fixed_batch_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(ModelError, match="axis 0, which has one step, with a batch fixed to 30"):
        read(save(path, [lstm(), EACH], x_shape=(1, 30, INPUTS)))
    dense = [*batch_first(), node("MatMul", "y M", "product"), node("Add", "product C", "z")]
    last = [*dense, node("Squeeze", "z one", "w")]
    shape = (30, 1, INPUTS)
    assert not read(save(path, dense, x_shape=shape, output="z")).last_step
    assert read(save(path, last, x_shape=shape, output="w")).last_step


CUTS = {
    "first steps": ("zero ten zero", "keeps 10 of"),
    "last steps": ("minus_40 end_of_all zero", "keeps 40 of"),
    "sequences": ("zero ten one", "keeps 10 of"),
}


@pytest.mark.parametrize("bounds, said", CUTS.values(), ids=CUTS)
def test_a_bound_beyond_the_followed_sizes_is_refused(
    bounds: str, said: str, tmp_path: Path
) -> None:
    extra = {"ten": [10], "minus_40": [-40], "end_of_all": [2**63 - 1]}
    arrays = constants() | {name: np.array(value) for name, value in extra.items()}
    nodes = [lstm(), EACH, node("Slice", f"y {bounds}", "z")]
    with pytest.raises(ModelError, match=said):
        read(save(tmp_path / "net.onnx", nodes, arrays, output="z"))


def test_a_size_that_the_graph_compares_with_is_tried(tmp_path: Path) -> None:
    nodes = [
        lstm(),
        EACH,
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "steps", axis=0),
        node("Equal", "steps forty", "is_forty"),
        node("Where", "is_forty one zero", "first"),
        node("Slice", "y first far zero", "z"),
    ]
    arrays = constants() | {"forty": np.array([40]), "far": np.array([2**31 - 1])}
    with pytest.raises(ModelError, match="keeps 39 of 40"):
        read(save(tmp_path / "net.onnx", nodes, arrays, output="z"))


@pytest.mark.parametrize("shape", [(1, 2, HIDDEN + 1), (2, 2, HIDDEN), (2, HIDDEN)])
@pytest.mark.parametrize("place", [("h0",), ("", "h0")])
def test_states_are_those_of_the_layer(shape: Any, place: Any, tmp_path: Path) -> None:
    arrays = constants() | {"h0": np.zeros(shape, np.float32)}
    path = save(tmp_path / "net.onnx", [lstm("", *place), EACH], arrays)
    with pytest.raises(ModelError, match=r"of shape .*; \(1, batch, 4\) is needed; if the model"):
        read(path)


def test_zero_states_of_many_units_are_followed(tmp_path: Path) -> None:
    arrays = constants() | {"units": np.array([1, 1, HIDDEN]), "many": np.array([[9_000]])}
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape one", "batch", axis=0),
        node("Concat", "one batch size", "wanted", axis=0),
        make_node("ConstantOfShape", ["wanted"], ["h0"]),
        node("Identity", "many", "unused"),
        lstm("", "h0", "h0"),
        EACH,
    ]
    arrays |= {"size": np.array([HIDDEN]), "one": np.array([1])}
    assert read(save(tmp_path / "net.onnx", nodes, arrays)).layers


def test_a_name_that_is_no_text_says_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [lstm()], output="Y", x_shape=("qqq", "www", INPUTS))
    path.write_bytes(path.read_bytes().replace(b"qqq", b"\xff\xfe\x80"))
    assert read(path).input_size == INPUTS


def test_a_state_without_end_is_refused(tmp_path: Path) -> None:
    network = random_network("lstm", (3, 4))
    path = write(network, tmp_path / "net.onnx", streaming=True)
    model = onnx.load(path)
    for dim in model.graph.input[1].type.tensor_type.shape.dim:
        dim.ClearField("dim_param")
        dim.dim_value = 2**62
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"input 'h0' has shape \(4611686018427387904, .*large"):
        read(path)
