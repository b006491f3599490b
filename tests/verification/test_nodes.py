"""node_inputs and replace: graphs of others with a network in the place of a node."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.model.network import Network
from tests.foreign_onnx import INPUTS, stateful
from tests.larger_graphs import LARGER, Feeds, export, export_dynamo
from tests.networks import bidirectional_network, random_network, random_recurrent
from tests.onnx_files import session, snr_db

Array = NDArray[Any]
Made = dict[str, tuple[Path, Feeds]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The three models of torch, with what each is fed."""
    folder = tmp_path_factory.mktemp("larger")
    return {
        name: (export(larger, folder / f"{name}.onnx"), larger.feeds(np.random.default_rng(0)))
        for name, larger in LARGER.items()
    }


def fed(path: Path, calls: Feeds, states: dict[str, str] | None = None) -> list[dict[str, Array]]:
    """Outputs of each call in ONNX Runtime, states from zeros on."""
    opened = session(
        onnx.load(path)
    )  # of one thread: with more DynamicQuantizeLSTM rounds otherwise
    outputs = [value.name for value in opened.get_outputs()]
    shapes = {
        v.name: [n if isinstance(n, int) else 1 for n in v.shape] for v in opened.get_inputs()
    }
    now = {name: np.zeros(shapes[name], np.float32) for name in states or {}}
    results = []
    for call in calls:
        found = dict(zip(outputs, opened.run(outputs, {**now, **call}), strict=True))
        now = {name: found[out] for name, out in (states or {}).items()}
        results.append(found)
    return results


@pytest.mark.parametrize("name", LARGER)
def test_a_float_network_put_back_computes_the_same(name: str, made: Made, tmp_path: Path) -> None:
    path, feeds = made[name]
    nodes, out = LARGER[name].nodes, tmp_path / "out.onnx"
    result = edgelstm.replace(path, nodes, edgelstm.read(path, node=nodes), out, feeds)
    assert result.form == "float operator"
    assert all(snr is None or snr > 100 for snr in result.snr_db.values())
    onnx.checker.check_model(onnx.load(out), full_check=True)
    expected, got = (_outputs(name, p, feeds) for p in (path, out))
    for before, after in zip(expected, got, strict=True):
        for key, value in before.items():
            np.testing.assert_allclose(after[key], value, atol=1e-5)


def _outputs(name: str, path: Path, feeds: Feeds) -> list[dict[str, Array]]:
    if name != "detector":
        return fed(path, feeds)
    return fed(path, [{"x": x} for x in feeds[0]["x"]], {"state": "state_out"})


@pytest.mark.skipif(
    os.environ.get("EDGELSTM_EXPORTERS") != "all", reason="EDGELSTM_EXPORTERS=all: half a minute"
)
@pytest.mark.parametrize("name", ["convolved", "tagger"])
def test_files_of_the_other_exporter_of_torch_do_as_well(name: str, tmp_path: Path) -> None:
    path = export_dynamo(LARGER[name], tmp_path / "in.onnx")
    found = [n.name for n in onnx.load(path).graph.node if n.op_type in ("LSTM", "GRU")]
    assert len(found) == len(LARGER[name].nodes)
    network = edgelstm.read(path, node=found)
    feeds = LARGER[name].feeds(np.random.default_rng(0))
    result = edgelstm.replace(path, found, network, tmp_path / "out.onnx", feeds)
    assert all(snr is None or snr > 100 for snr in result.snr_db.values())


@pytest.mark.parametrize("name", LARGER)
def test_a_hybrid_network_reaches_25_db_in_every_output(
    name: str, made: Made, tmp_path: Path
) -> None:
    path, feeds = made[name]
    nodes, out = LARGER[name].nodes, tmp_path / "out.onnx"
    network: Any = edgelstm.read(path, node=nodes)
    hybrid = edgelstm.quantize(network, None, "hybrid")
    result = edgelstm.replace(path, nodes, hybrid, out, feeds)
    operators = {node.op_type for node in onnx.load(out).graph.node}
    assert ("DynamicQuantizeLSTM" in operators) == (name != "tagger")
    assert ("Scan" in operators) == (name == "tagger")
    assert result.form.startswith("Scan with" if name == "tagger" else "DynamicQuantizeLSTM")
    assert result.bytes_after == out.stat().st_size
    if name != "tagger":  # few words: the loop's nodes outweigh the weights
        assert result.bytes_after < 0.5 * result.bytes_before == 0.5 * path.stat().st_size
    expected, got = (_outputs(name, p, feeds) for p in (path, out))
    for key in expected[0]:
        pair = (np.concatenate([call[key].ravel() for call in found]) for found in (expected, got))
        ratio = snr_db(*pair)
        assert ratio >= 25
        assert result.snr_db[key] == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize(
    ("name", "precision"), [("convolved", "int8"), ("tagger", "int8"), ("tagger", "int16x8")]
)
def test_integers_in_the_graph_are_those_of_run_on_what_the_node_sees(
    name: str, precision: str, made: Made, tmp_path: Path
) -> None:
    path, feeds = made[name]
    nodes, out = LARGER[name].nodes, tmp_path / "out.onnx"
    seen = edgelstm.node_inputs(path, nodes, feeds)
    network: Any = edgelstm.read(path, node=nodes)
    integers = edgelstm.quantize(network, seen, precision)
    result = edgelstm.replace(path, nodes, integers, out, feeds)
    assert result.form.startswith("exact Scan")
    last = next(n for n in onnx.load(path).graph.node if n.name == nodes[-1]).output[0]
    got = [_steps(_probed(out, last, feed)) for feed in feeds]
    for x, y in zip(seen, got, strict=True):
        float_y, own = (edgelstm.run(n, x, engine="reference") for n in (network, integers))
        assert abs(snr_db(float_y, y) - snr_db(float_y, own)) < 1
        assert np.mean(np.abs(y - own) > 1e-6) < 1e-3  # x at a tie rounds otherwise in float32


def _probed(path: Path, name: str, feed: dict[str, Array]) -> Array:
    """A value inside of a graph."""
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return np.asarray(session(model).run([name], feed)[0])


def _steps(y: Array) -> Array:
    """(batch, steps, features) of Y (steps, directions, batch, features)."""
    turned = y.transpose(2, 0, 1, 3)
    return turned.reshape(*turned.shape[:2], -1)


def test_node_inputs_are_what_stands_in_front_of_the_node(made: Made) -> None:
    path, feeds = made["convolved"]
    got = edgelstm.node_inputs(path, "/lstm/LSTM", feeds)
    name = next(n for n in onnx.load(path).graph.node if n.name == "/lstm/LSTM").input[0]
    for x, feed in zip(got, feeds, strict=True):
        np.testing.assert_array_equal(x, _probed(path, name, feed).transpose(1, 0, 2))


def test_windows_of_a_stream_are_one_sequence_of_the_node(made: Made) -> None:
    path, feeds = made["detector"]
    (got,) = edgelstm.node_inputs(path, LARGER["detector"].nodes, feeds)
    assert got.shape == (1, 200 * 8, 16)
    second = edgelstm.node_inputs(path, "/lstm/LSTM_1", feeds)[0]
    network = edgelstm.read(path, node="/lstm/LSTM")
    np.testing.assert_allclose(second, edgelstm.run(network, got, engine="reference"), atol=1e-5)


def test_random_numbers_do_where_no_feeds_are_given(made: Made, tmp_path: Path) -> None:
    path, _ = made["convolved"]
    nodes, out = LARGER["convolved"].nodes, tmp_path / "out.onnx"
    result = edgelstm.replace(path, nodes, edgelstm.read(path, node=nodes), out)
    assert (result.fed, result.reason, set(result.snr_db)) == ("random", None, {"y"})


def test_the_file_that_was_read_may_be_the_one_that_is_written(tmp_path: Path) -> None:
    path = tmp_path / "in.onnx"
    path.write_bytes(stateful("LSTM").SerializeToString())
    network: Any = edgelstm.read(path, node="deep/in it")
    hybrid = edgelstm.quantize(network, None, "hybrid")
    result = edgelstm.replace(path, "deep/in it", hybrid, path)
    assert result.bytes_after == path.stat().st_size
    assert [p.name for p in tmp_path.iterdir()] == ["in.onnx"]
    assert "DynamicQuantizeLSTM" in {node.op_type for node in onnx.load(path).graph.node}


def test_tensors_outside_of_the_file_are_kept(tmp_path: Path) -> None:
    path, there = tmp_path / "in.onnx", tmp_path / "there"
    onnx.save(
        stateful("GRU", hidden=40),
        path,
        save_as_external_data=True,
        location="in.data",
        size_threshold=0,
    )
    network: Any = edgelstm.read(path, node="Y")
    result = edgelstm.replace(path, "Y", network, tmp_path / "out.onnx")
    assert all(snr is None for snr in result.snr_db.values())
    there.mkdir()
    hybrid = edgelstm.quantize(network, None, "hybrid")
    result = edgelstm.replace(path, "Y", hybrid, there / "out.onnx")
    assert result.bytes_before > 4 * 3 * 40 * 45
    assert result.bytes_after < 0.8 * result.bytes_before


def projected() -> Network:
    """h of 4 values, c of 8."""
    rng = np.random.default_rng(0)
    return Network((random_recurrent("lstm", INPUTS, 8, rng, projection=4),))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: random_network("lstm", (INPUTS, 8)), "layer 'lstm1' of the network of one"),
        (
            lambda: random_network("gru", (INPUTS, 4)),
            "with the states h of 4, c of 4, and layer 'gru1'",
        ),
        (lambda: bidirectional_network("lstm", (INPUTS, 4)), "bidirectional"),
        (
            lambda: random_network("lstm", (INPUTS, 4), outputs=3),
            "has 2 layers .recurrent, dense",
        ),
        (lambda: random_network("lstm", (INPUTS, 4, 4)), "has 2 layers .recurrent, recurrent"),
        (lambda: projected(), "states h of 4, c of 8"),
        (lambda: 7, "qnetwork is a int"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    change: Any, told: str, tmp_path: Path
) -> None:
    path, out = tmp_path / "in.onnx", tmp_path / "out.onnx"
    path.write_bytes(stateful("LSTM").SerializeToString())
    with pytest.raises(ModelError, match=told):
        edgelstm.replace(path, "Y", change(), out)
    assert [p.name for p in tmp_path.iterdir()] == ["in.onnx"]


@pytest.mark.parametrize(
    ("feeds", "told"),
    [
        ({"z": np.ones(3)}, "no input 'z'; its inputs: x"),
        ({}, "nothing is given for the input 'x'"),
        ({"x": np.ones((3, 5))}, r"the input 'x' is given shape \(3, 5\)"),
        ({"x": np.ones((3, 1, 6))}, r"shape \(3, 1, 6\)"),
        ({"x": "words"}, "numbers are needed"),
        ({"x": np.ones((0, 3, 1, 5))}, "hold {'x': 0} calls"),
        ([], "feeds are a list"),
        (np.ones((3, 1, 5)), "feeds are a ndarray"),
        ("feeds.csv", "feeds are read from .npz"),
        ("absent.npz", "does not exist"),
    ],
)
def test_feeds_that_the_graph_does_not_take_are_refused(
    feeds: Any, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "in.onnx"
    path.write_bytes(stateful("GRU").SerializeToString())
    with pytest.raises(ModelError, match=told):
        edgelstm.node_inputs(path, "Y", feeds)


def test_a_graph_that_does_not_run_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path, model = tmp_path / "in.onnx", stateful("GRU")
    model.graph.node[0].input[0] = "y"  # a cycle
    path.write_bytes(model.SerializeToString())
    network = edgelstm.read(path, node="Y")
    with pytest.raises(ModelError, match="with the network in place of the node: onnxruntime: "):
        edgelstm.replace(path, "Y", network, tmp_path / "out.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["in.onnx"]


def test_what_the_node_is_given_has_three_axes(tmp_path: Path) -> None:
    path, model = tmp_path / "in.onnx", stateful("RNN")
    model.graph.node[0].CopyFrom(onnx.helper.make_node("Flatten", ["x"], ["seen"], "flat"))
    path.write_bytes(model.SerializeToString())
    feed = {"x": np.ones((3, 1, INPUTS)), "h": np.zeros((1, 1, 4))}
    with pytest.raises(ModelError, match=r"is given shape \(3, 5\)"):
        edgelstm.node_inputs(path, "Y", feed)


def test_tensors_of_another_file_are_not_overwritten(tmp_path: Path) -> None:
    path, there = tmp_path / "in.onnx", tmp_path / "there"
    model = stateful("GRU", hidden=40)
    kept = onnx.numpy_helper.from_array(np.ones((40, 40), np.float32), "kept")
    model.graph.initializer.append(kept)
    model.graph.node[2].CopyFrom(onnx.helper.make_node("MatMul", ["Y", "kept"], ["y"], "last"))
    onnx.save(model, path, save_as_external_data=True, location="in.data", size_threshold=0)
    network = edgelstm.read(path, node="Y")
    there.mkdir()
    (there / "in.data").write_bytes(b"of others")
    with pytest.raises(ModelError, match="in.data, for the tensors outside of out.onnx, is there"):
        edgelstm.replace(path, "Y", network, there / "out.onnx")
    assert [p.name for p in there.iterdir()] == ["in.data"]
    (there / "in.data").unlink()
    edgelstm.replace(path, "Y", network, there / "out.onnx")
    assert (there / "in.data").read_bytes() == (tmp_path / "in.data").read_bytes()
    edgelstm.node_inputs(there / "out.onnx", "edgelstm/gru1", _fed())


def _fed() -> dict[str, Array]:
    return {"x": np.ones((3, 1, INPUTS)), "h": np.zeros((1, 1, 40))}
