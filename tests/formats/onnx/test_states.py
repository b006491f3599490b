"""States as inputs and outputs of `.onnx` files: the network's own, which a Session keeps."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array

from edgelstm.errors import ModelError
from edgelstm.execution.session import Session
from edgelstm.formats import read
from edgelstm.model.network import Network
from tests.foreign_onnx import GATES
from tests.modules import HIDDEN, INPUTS, WithState, WithStates, gru, head, lstm, torch
from tests.present import imported

ort = imported("onnxruntime", "onnxruntime")

CALLS = 1000


def apart(net: Any, x: Any, h: Any, c: Any) -> Any:
    y, (h, c) = net.rnn(x, (h, c))
    return net.fc(y), h, c


def stacked(net: Any, x: Any, state: Any) -> Any:
    y, (h, c) = net.rnn(x, (state[0], state[1]))
    return net.fc(y), torch.stack((h, c))


def one(net: Any, x: Any, h: Any) -> Any:
    y, h = net.rnn(x, h)
    return net.fc(y[:, -1]), h


MODULES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "h and c": (lambda: WithStates(apart, rnn=lstm(layers=2), fc=head()), (2,)),
    "h and c in one tensor": (lambda: WithState(stacked, rnn=lstm(layers=2), fc=head()), (2, 2)),
    "gru": (lambda: WithState(one, rnn=gru(layers=2), fc=head()), (2,)),
    "steps first": (
        lambda: WithState(one_of_steps_first, rnn=gru(batch_first=False), fc=head()),
        (1,),
    ),
}


def one_of_steps_first(net: Any, x: Any, h: Any) -> Any:
    y, h = net.rnn(x, h)
    return net.fc(y), h


def exported(name: str, path: Path, **options: Any) -> Path:
    """With a free batch and free steps, by PyTorch's exporter."""
    module, leading = MODULES[name]
    made = module().eval()
    n_states = 2 if name == "h and c" else 1
    names = [f"s{k}" for k in range(n_states)]
    # one tensor for both would be one input of the graph
    states = [torch.zeros(*leading, 2, made.fc.in_features) for _ in names]
    axes = {0: "steps", 1: "batch"} if name == "steps first" else {0: "batch", 1: "steps"}
    given = torch.zeros(*((5, 2) if name == "steps first" else (2, 5)), INPUTS)
    free = {"x": axes} | {s: {len(leading): "batch"} for s in names}
    if not options.get("dynamo"):
        options |= {"dynamic_axes": free, "dynamo": False}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            made,
            (given, *states),
            path,
            input_names=["x", *names],
            output_names=["y", *(f"{s}_out" for s in names)],
            **options,
        )
    return path


def fed(path: Path, xs: Any, states: dict[str, Any]) -> Any:
    """What onnxruntime gives in the last call, with the states of the call before in each."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for x in xs:
        y, *given = session.run(None, {"x": x[None, None], **states})
        states = dict(zip(states, given, strict=True))
    return y.ravel()


@pytest.mark.parametrize("name", MODULES)
def test_states_that_come_back_are_kept_by_a_session(name: str, tmp_path: Path) -> None:
    path = exported(name, tmp_path / "net.onnx")
    network = read(path)
    assert isinstance(network, Network)
    kept = [said for said in network.assumed if "which a Session keeps" in said]
    inputs = "'s0' and 's1'" if name == "h and c" else "'s0'"
    assert kept[0] == f"{inputs} is the state of layer '{network.layers[0].name}', " + (
        "which a Session keeps"
    )
    assert not any("outputs" in said for said in network.assumed)
    session, xs = Session(network), np.random.default_rng(0).normal(size=(CALLS, INPUTS))
    xs = xs.astype(np.float32)
    state = np.zeros((*MODULES[name][1], 1, network.layers[0].output_size), np.float32)
    expected = fed(path, xs, {f"s{k}": state for k in range(2 if name == "h and c" else 1)})
    for x in xs:
        got = session.step(x)
    np.testing.assert_allclose(got, expected, atol=1e-5)  # float32, of many steps


@pytest.mark.parametrize("opset", [11, 13, 20])
def test_older_and_newer_exports_are_read(opset: int, tmp_path: Path) -> None:
    for name in ("h and c", "h and c in one tensor"):
        network = read(exported(name, tmp_path / "net.onnx", opset_version=opset))
        assert len([said for said in network.assumed if "which a Session keeps" in said]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["h and c", "h and c in one tensor", "gru"])
def test_what_the_dynamo_exporter_writes_is_read(name: str, tmp_path: Path) -> None:
    network = read(exported(name, tmp_path / "net.onnx", dynamo=True))
    assert any("which a Session keeps" in said for said in network.assumed)


def saved(
    path: Path,
    operator: str,
    before: list[Any],
    states: str,
    behind: list[Any],
    *,
    inputs: dict[str, tuple[int, ...]],
    **options: Any,
) -> Path:
    """One recurrent node that begins at `states`, with what stands in front of it and behind."""
    rng, rows = np.random.default_rng(0), GATES[operator] * HIDDEN
    n = 2 if "direction" in options else 1
    shapes = {"W": (n, rows, INPUTS), "R": (n, rows, HIDDEN), "B": (n, 2 * rows)}
    arrays = {k: rng.normal(0, 0.5, v).astype(np.float32) for k, v in shapes.items()}
    numbers = {"zero": [0], "one": [1], "two": [2], "half": [1, 1], "first": 0, "second": 1}
    arrays |= {k: np.array(v) for k, v in numbers.items()}
    layer = make_node(
        operator,
        ["x", "W", "R", "B", "", *states.split()],
        ["Y", "Y_h", "Y_c"][: 3 if operator == "LSTM" else 2],
        "layer",
        hidden_size=HIDDEN,
        **options,
    )
    squeeze = make_node("Squeeze", ["Y", "one"], ["y"])
    real = TensorProto.FLOAT
    graph = make_graph(
        [*before, layer, squeeze, *behind],
        "g",
        [
            make_tensor_value_info("x", real, ("steps", "batch", INPUTS)),
            *(make_tensor_value_info(name, real, shape) for name, shape in inputs.items()),
        ],
        [make_tensor_value_info(name, real, None) for name in ("out", "y") if made(name, behind)],
        [from_array(value, name) for name, value in arrays.items()],
    )
    onnx.save(make_model(graph, opset_imports=[make_opsetid("", 18)], ir_version=9), path)
    return path


def made(name: str, nodes: list[Any]) -> bool:
    return name == "y" or any(name in node.output for node in nodes)


TWO = (2, 1, HIDDEN)
SPLIT = make_node("Split", ["s", "half"], ["h", "c"], axis=0)
JOIN = make_node("Concat", ["Y_h", "Y_c"], ["out"], axis=0)
LATER = make_node("Slice", ["s", "zero", "one", "zero"], ["h"])


def test_a_result_may_stand_behind_the_states(tmp_path: Path) -> None:
    """Of one tensor that is taken apart; in either order of h and c."""
    path = saved(tmp_path / "n.onnx", "LSTM", [SPLIT], "h c", [JOIN], inputs={"s": TWO})
    turned = make_node("Concat", ["Y_c", "Y_h"], ["out"], axis=0)
    other = saved(tmp_path / "m.onnx", "LSTM", [SPLIT], "c h", [turned], inputs={"s": TWO})
    for file in (path, other):
        network: Any = read(file)
        xs = np.random.default_rng(0).normal(size=(20, INPUTS)).astype(np.float32)
        session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
        kept, state = Session(network), np.zeros(TWO, np.float32)
        for x in xs:
            state, y = session.run(None, {"x": x[None, None], "s": state})
            np.testing.assert_allclose(kept.step(x), y.ravel(), atol=1e-5)


def refused() -> dict[str, tuple[Any, ...]]:
    """Nodes before and behind, what the layer begins at, inputs, and what the error says."""
    given = make_node("Identity", ["Y_h"], ["out"])
    half, one = (1, 1, HIDDEN), make_node("Identity", ["s"], ["h"])
    doubled = make_node("Add", ["s", "s"], ["h"])
    turned = make_node("Concat", ["Y_c", "Y_h"], ["out"], axis=0)
    more = make_node("Tanh", ["Y_h"], ["out"])
    split = make_node("Slice", ["s", "one", "two", "zero"], ["c"])
    parts = [LATER, split]
    lstm_of = {"s": TWO}
    return {
        "turned round": (
            "LSTM",
            [SPLIT],
            "h c",
            [turned],
            lstm_of,
            "output 'out' is not input 's'",
        ),
        "computed before": ("GRU", [doubled], "h", [given], {"s": half}, "reads the input 's'"),
        "computed behind": ("GRU", [one], "h", [more], {"s": half}, "reads the input 's'"),
        "not given back": ("GRU", [one], "h", [], {"s": half}, "or let an output give it back"),
        "in part": ("LSTM", [one], "h", [given], {"s": half}, "takes its state in part from the"),
        "both at once": ("LSTM", parts, "h h", [JOIN], lstm_of, "output 'out' is not input 's'"),
        "another size": ("GRU", [one], "h", [given], {"s": (1, 1, 9)}, "initial_h of shape"),
    }


@pytest.mark.parametrize("name", refused())
def test_a_state_that_is_computed_with_is_refused(name: str, tmp_path: Path) -> None:
    operator, before, states, behind, inputs, said = refused()[name]
    path = saved(tmp_path / "n.onnx", operator, before, states, behind, inputs=inputs)
    with pytest.raises(ModelError) as caught:
        read(path)
    assert said in str(caught.value)


def test_states_of_two_directions_are_refused(tmp_path: Path) -> None:
    given = make_node("Identity", ["Y_h"], ["out"])
    path = saved(
        *(tmp_path / "n.onnx", "GRU", [], "s", [given]),
        inputs={"s": TWO},
        direction="bidirectional",
    )
    with pytest.raises(
        ModelError, match="starts a reverse direction from inputs; it starts at zero"
    ):
        read(path)


def test_layers_of_which_one_keeps_no_state_are_refused(tmp_path: Path) -> None:
    def half(net: Any, x: Any, h: Any) -> Any:
        y, h = net.rnn(x, h)
        return net.fc(net.more(y)[0]), h

    module = WithState(half, rnn=gru(), more=gru(inputs=head().in_features), fc=head()).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        given = torch.zeros(2, 5, INPUTS), torch.zeros(1, 2, head().in_features)
        torch.onnx.export(module, given, tmp_path / "n.onnx", dynamo=False)
    with pytest.raises(ModelError, match="starts from zeros in each call, and others from inputs"):
        read(tmp_path / "n.onnx")
