"""A small LSTM in .onnx, in a child process and in ONNX Runtime directly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.runtimes.isolation import execute
from tests.present import skip_without

skip_without("onnxruntime")

Array = NDArray[Any]
N, STEPS = 3, 6


def onnx_lstm(path: Path, hidden: int = 4, inputs: int = 3, streaming: bool = False) -> Path:
    """A float LSTM with symbolic batch and steps; streaming, it has its states outside."""
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    shapes = {"W": (1, 4 * hidden, inputs), "R": (1, 4 * hidden, hidden), "B": (1, 8 * hidden)}
    states = ["h0", "c0"] if streaming else []
    values = [
        numpy_helper.from_array(rng.uniform(-0.5, 0.5, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    out = [f"{name}_out" for name in states]
    nodes = [
        helper.make_node("Transpose", ["x"], ["x_t"], perm=[1, 0, 2]),
        helper.make_node(
            "LSTM", ["x_t", "W", "R", "B", *([""] * streaming), *states], ["Y", *out],
            hidden_size=hidden,
        ),
        helper.make_node("Transpose", ["Y"], ["y_t"], perm=[2, 0, 1, 3]),
        helper.make_node("Squeeze", ["y_t", "axis"], ["y"]),
    ]  # fmt: skip
    values.append(numpy_helper.from_array(np.array([2], np.int64), "axis"))

    def real(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "lstm",
        [real("x", "batch", "steps", inputs), *(real(s, 1, "batch", hidden) for s in states)],
        [real("y", "batch", "steps", hidden), *(real(s, 1, "batch", hidden) for s in out)],
        values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def run_onnx(path: Path, feeds: dict[str, Array]) -> Array:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    y: Array = session.run(["y"], feeds)[0]
    return y


@pytest.fixture
def sequences() -> Array:
    return np.random.default_rng(1).normal(size=(N, STEPS, 3)).astype(np.float32)


def test_onnx_sequences_give_what_each_gives_alone(sequences: Array, tmp_path: Path) -> None:
    path = onnx_lstm(tmp_path / "lstm.onnx")
    got: Any = execute("onnxruntime", path, sequences).outputs
    expected = np.concatenate([run_onnx(path, {"x": x[None]}) for x in sequences])
    # Products of a batch may add up in another order.
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_onnx_states_are_fed_back_from_the_states_given(sequences: Array, tmp_path: Path) -> None:
    path = onnx_lstm(tmp_path / "lstm.onnx", streaming=True)
    states: dict[str, Any] = {"h0": np.array([0.1, -0.2, 0.3, 0.4]), "c0": 0.5}
    feeds = {k: np.broadcast_to(np.float32(v), (1, 1, 4)) for k, v in states.items()}
    expected = np.concatenate([run_onnx(path, {"x": x[None], **feeds}) for x in sequences])
    for streaming in (False, True):
        got: Any = execute(
            "onnxruntime", path, sequences, streaming=streaming, initial_states=states
        ).outputs
        # Products of one step, of a sequence and of a batch may add up in different order.
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_onnx_states_that_are_not_given_start_at_zero(sequences: Array, tmp_path: Path) -> None:
    path = onnx_lstm(tmp_path / "streaming.onnx", streaming=True)
    got: Any = execute("onnxruntime", path, sequences, streaming=True).outputs
    expected = run_onnx(onnx_lstm(tmp_path / "whole.onnx"), {"x": sequences})
    np.testing.assert_allclose(got, expected, atol=1e-6)  # as above


def test_a_state_without_an_output_is_refused(sequences: Array, tmp_path: Path) -> None:
    import onnx

    path = onnx_lstm(tmp_path / "lstm.onnx", streaming=True)
    model = onnx.load(path)
    del model.graph.output[1]
    onnx.save(model, path)
    got = execute("onnxruntime", path, sequences, streaming=True)
    assert got.status == "refused" and "h0_out" in str(got.reason)
