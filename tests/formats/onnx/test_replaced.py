"""Nodes of larger graphs: read alone, and rewritten at every opset with their states."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_node, make_tensor_value_info

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.formats.onnx.carried import carried
from edgelstm.formats.onnx.part import find
from edgelstm.formats.onnx.replaced import rewritten
from tests.foreign_onnx import INPUTS, stateful
from tests.networks import random_network
from tests.onnx_files import session, snr_db

NODE = "deep/in it"
LEAST_DB = {"float32": 100, "hybrid": 25, "int8": 20, "int16x8": 20}


def put(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("precision", LEAST_DB)
@pytest.mark.parametrize("operator", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_states_are_connected_at_every_opset(
    operator: str, direction: str, precision: str, tmp_path: Path
) -> None:
    directions = 1 + (direction == "bidirectional")
    more = {"direction": direction} if direction == "reverse" else {}
    rng, states = np.random.default_rng(1), ("h", "c")[: 2 if operator == "LSTM" else 1]
    feed = {"x": rng.normal(size=(7, 3, INPUTS)).astype(np.float32)}
    feed |= {s: rng.uniform(-0.7, 0.7, (directions, 3, 4)).astype(np.float32) for s in states}
    path = put(tmp_path / "in.onnx", stateful(operator, directions, more=more))
    network: Any = edgelstm.read(path, node=NODE)
    if precision != "float32":
        seen = np.sin(np.concatenate([feed["x"], rng.normal(size=(7, 30, INPUTS))], 1))
        seen = seen.transpose(1, 0, 2).astype(np.float32)
        network = edgelstm.quantize(network, seen, precision)
    results = []
    for opset in (11, 12, 13, 14, 15, 17, 18, 21):
        model = stateful(operator, directions, opset=opset, more=more)
        if opset < 13 and network.input is not None:
            with pytest.raises(ModelError, match="13 or newer is needed"):
                rewritten(model, find(model, [NODE]), network)
            continue
        made = rewritten(model, find(model, [NODE]), network)
        onnx.checker.check_model(made, full_check=True)
        expected, got = (session(m).run(None, feed) for m in (model, made))
        for a, b in zip(expected, got, strict=True):
            assert np.array_equal(a, b) or snr_db(a, b) > LEAST_DB[precision]
        results.append(got)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_nothing_else_of_the_file_is_touched() -> None:
    model = stateful("LSTM")
    made = rewritten(model, find(model, [NODE]), _network(model))
    assert list(made.metadata_props) == list(model.metadata_props)
    assert list(made.graph.input) == list(model.graph.input)
    assert list(made.graph.output) == list(model.graph.output)
    others = [node for node in model.graph.node if node.name != NODE]
    assert [node for node in made.graph.node if not node.name.startswith("edgelstm")] == others
    assert all(tensor.name.startswith("edgelstm/") for tensor in made.graph.initializer)
    assert [(o.domain, o.version) for o in made.opset_import] == [("", 18)]


def _network(model: onnx.ModelProto) -> Any:
    """Any that fits."""
    return random_network("lstm", (INPUTS, 4), last_step=False)


def test_files_that_name_constants_as_inputs_lose_both(tmp_path: Path) -> None:
    model = stateful("LSTM", ir=3)
    made = rewritten(model, find(model, [NODE]), _network(model))
    assert (made.ir_version, [v.name for v in made.graph.input]) == (4, ["x", "h", "c"])
    feed = {"x": np.ones((2, 1, 5), np.float32), **dict.fromkeys("hc", np.ones((1, 1, 4), "f4"))}
    assert session(made).run(None, feed)[0].shape == (2, 1, 1, 4)


def test_a_weight_that_another_node_reads_stays() -> None:
    model = stateful("LSTM")
    model.graph.node.append(make_node("Identity", ["W"], ["W_again"], "reads W"))
    model.graph.output.append(make_tensor_value_info("W_again", TensorProto.FLOAT, (1, 16, 5)))
    made = rewritten(model, find(model, [NODE]), _network(model))
    kept = {tensor.name for tensor in made.graph.initializer}
    assert "W" in kept
    assert not kept & {"R", "B"}


@pytest.mark.parametrize("kept", ["Y", "h_out", "c_out"])
def test_a_node_may_give_one_result_alone(kept: str, tmp_path: Path) -> None:
    model = stateful("LSTM")
    del model.graph.node[2], model.graph.output[:]
    node = model.graph.node[1]
    node.output[:] = [name if name == kept else "" for name in node.output]
    model.graph.output.append(make_tensor_value_info(kept, TensorProto.FLOAT, None))
    network: Any = edgelstm.read(put(tmp_path / "in.onnx", model), node=NODE)
    made = rewritten(model, find(model, [NODE]), edgelstm.quantize(network, None, "hybrid"))
    rng = np.random.default_rng(0)
    feed = {"x": rng.normal(size=(6, 2, 5)), **{s: rng.normal(size=(1, 2, 4)) / 2 for s in "hc"}}
    feed = {name: value.astype(np.float32) for name, value in feed.items()}
    expected, got = (session(m).run(None, feed)[0] for m in (model, made))
    assert snr_db(expected, got) > 25


def test_two_nodes_that_give_their_steps_alone_share_no_name(tmp_path: Path) -> None:
    model = stateful("LSTM", hidden=INPUTS)
    first = model.graph.node[1]
    del first.output[1:], first.input[5:], model.graph.output[1:]
    moved = make_node("Squeeze", ["Y"], ["moved"], "moved")
    second = model.graph.node.add()
    second.CopyFrom(first)
    second.name, second.input[0], second.output[0] = "second", "moved", "Y2"
    model.graph.node.insert(2, moved)
    model.graph.node.extend([model.graph.node.pop(3)])
    model.graph.node[-1].input[0] = "Y2"
    names = (NODE, "second")
    network = edgelstm.read(put(tmp_path / "in.onnx", model), node=names)
    made = rewritten(model, find(model, names), network)
    feed = {"x": np.ones((4, 3, INPUTS), "f4"), **dict.fromkeys("hc", np.zeros((1, 3, 5), "f4"))}
    expected, got = (session(m).run(["y"], feed)[0] for m in (model, made))
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_second_node_is_replaced_behind_the_first(tmp_path: Path) -> None:
    model = stateful("LSTM")
    first = rewritten(model, find(model, ["Y"]), _network(model))
    again = rewritten(first, find(first, ["edgelstm/lstm1"]), _network(model))
    stored = {tensor.name for tensor in again.graph.initializer}
    assert "edgelstm_2/lstm1/W" in stored
    assert not stored & {f"edgelstm/lstm1/{k}" for k in "WRB"}
    onnx.checker.check_model(again, full_check=True)


def test_a_state_may_lack_its_initial_value(tmp_path: Path) -> None:
    model = stateful("LSTM")
    model.graph.node[1].input.pop()
    network: Any = edgelstm.read(put(tmp_path / "in.onnx", model), node=NODE)
    made = rewritten(model, find(model, [NODE]), network)
    feed = {"x": np.ones((2, 1, 5), np.float32), **dict.fromkeys("hc", np.ones((1, 1, 4), "f4"))}
    for expected, got in zip(*(session(m).run(None, feed) for m in (model, made)), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def twice(model: onnx.ModelProto) -> None:
    again = model.graph.node.add()
    again.CopyFrom(model.graph.node[1])
    again.output[:] = ["Y2", "h2", "c2"]


def behind_cos(model: onnx.ModelProto) -> None:
    twice(model)
    model.graph.node[3].name, model.graph.node[3].input[0] = "second", "y"


def inside(model: onnx.ModelProto) -> None:
    """The node in both branches of an If, which read values outside of them."""
    node = model.graph.node[1]
    outputs = [make_tensor_value_info("Y", TensorProto.FLOAT, None)]
    body = make_graph([node], "body", [], outputs)
    model.graph.node[1].CopyFrom(
        make_node("If", ["x"], ["Y"], "chosen", then_branch=body, else_branch=body)
    )


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "absent": ("LSTM_4", None, "has no node 'LSTM_4' in its main graph; its recurrent nodes: deep"),
    "other": ("cos", None, "node 'cos' is a Cos; an LSTM, GRU or RNN is needed"),
    "two of one name": (NODE, twice, "2 nodes are called 'deep/in it'; name one by its output: Y,"),
    "named twice": ((NODE, "Y"), None, "name one node twice"),
    "apart": ((NODE, "second"), behind_cos, "but takes what node 'cos' .Cos. gives"),
    "inside": (NODE, inside, "which lies inside of node 'chosen'; it has no recurrent node"),
    "empty": ("", None, "has no node ''"),
    "none": ((), None, "a name, or a tuple of names, is needed"),
    "number": (3, None, "a name, or a tuple of names, is needed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_node_that_is_not_meant_is_refused(case: str, tmp_path: Path) -> None:
    names, change, told = REFUSED[case]
    model = stateful("LSTM")
    if change:
        change(model)
    with pytest.raises(ModelError, match=told):
        edgelstm.read(put(tmp_path / "in.onnx", model), node=names)


def test_a_graph_that_is_not_read_whole_lists_its_nodes(tmp_path: Path) -> None:
    path = put(tmp_path / "in.onnx", stateful("GRU"))
    with pytest.raises(ModelError, match="operator Sin is not.*node='deep/in it', of: deep/in it"):
        edgelstm.read(path)


def test_a_node_that_is_itself_refused_is_not_offered(tmp_path: Path) -> None:
    model = stateful("GRU")
    model.graph.node[1].attribute.add(name="clip", f=3.0, type=1)
    del model.graph.node[0], model.graph.input[1]
    model.graph.node[0].input[0], model.graph.node[0].input[5] = "x", ""
    for node in (None, NODE):
        with pytest.raises(ModelError, match="has clip=3.0, which no target supports") as refused:
            edgelstm.read(put(tmp_path / "in.onnx", model), node=node)
        assert "alone" not in str(refused.value)


def test_a_node_that_starts_from_an_input_is_offered(tmp_path: Path) -> None:
    model = stateful("GRU")
    del model.graph.node[0]
    model.graph.node[0].input[0] = "x"
    del model.graph.output[1:]  # a state that comes back is the network's own
    with pytest.raises(ModelError, match="reads the input 'h'.*node='deep/in it', of: deep/in it"):
        edgelstm.read(put(tmp_path / "in.onnx", model))


@pytest.mark.parametrize("node", ["h", "lstm1"])
def test_node_is_for_onnx_alone(node: str, tmp_path: Path) -> None:
    path = edgelstm.write(_network(stateful("LSTM")), tmp_path / "in.npz")
    with pytest.raises(ModelError, match="node is for .onnx files"):
        edgelstm.read(path, node=node)


def test_states_of_a_stream_are_found_through_views() -> None:
    model = stateful("LSTM")
    assert carried(model.graph) == {"h": "h_out", "c": "c_out"}
    model.graph.node.insert(0, make_node("Tanh", ["c"], ["c_bounded"], "tanh"))
    model.graph.node[2].input[6] = "c_bounded"
    assert carried(model.graph) == {"h": "h_out"}


def test_what_the_node_starts_from_is_assumed(tmp_path: Path) -> None:
    network = edgelstm.read(put(tmp_path / "in.onnx", stateful("LSTM")), node=NODE)
    (told,) = network.assumed
    assert "starts from 'h' and 'c', to which replace connects it" in told


@pytest.mark.parametrize("operator", ["LSTM", "GRU", "RNN"])
def test_an_operator_takes_the_place_of_a_node_without_a_detour(operator: str) -> None:
    model = stateful(operator)
    network = random_network(operator.lower(), (INPUTS, 4), last_step=False)
    made = rewritten(model, find(model, [NODE]), network)
    assert [node.op_type for node in made.graph.node] == ["Sin", operator, "Cos"]


def test_bodies_that_read_values_around_them_keep_these() -> None:
    model = stateful("LSTM")
    real = [make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("a", "b")]
    bodies = [
        make_graph([make_node("Neg", [value], [out.name])], out.name, [], [out])
        for value, out in zip(("Y", "W"), real, strict=True)
    ]
    chosen = make_node("If", ["yes"], ["z"], "if", then_branch=bodies[0], else_branch=bodies[1])
    model.graph.node.append(chosen)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "yes"))
    model.graph.output.append(make_tensor_value_info("z", TensorProto.FLOAT, None))
    made = rewritten(model, find(model, [NODE]), _network(model))
    assert {"W", "yes"} <= {tensor.name for tensor in made.graph.initializer}
    feed = {"x": np.ones((2, 1, 5), np.float32), **dict.fromkeys("hc", np.ones((1, 1, 4), "f4"))}
    y, z = session(made).run(["y", "z"], feed)
    np.testing.assert_allclose(np.cos(-z), y, atol=1e-6)
