"""If with a condition that is known, and what recurrent nodes may say without meaning anything."""

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.backend.test.case import node as cases_of
from onnx.helper import make_graph, make_node, make_tensor_value_info
from onnx.numpy_helper import from_array

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.model.forward import forward
from tests.foreign_onnx import HIDDEN, INPUTS, OUTPUTS, constants, lstm, node, save
from tests.torch_modules import nn, torch

X = np.random.default_rng(0).normal(size=(3, 7, INPUTS)).astype(np.float32)


class Last(nn.Module):  # type: ignore[misc]
    """Exporters write an If where it squeezes: they do not know that one step is left."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.fc = nn.LSTM(INPUTS, HIDDEN, batch_first=True), nn.Linear(HIDDEN, 2)

    def forward(self, x: Any) -> Any:
        return self.fc(self.rnn(x)[0][:, -1:].squeeze(1))


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
def test_the_if_of_an_export_is_folded(opset: int, tmp_path: Path) -> None:
    module, path = Last().eval(), tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            torch.zeros(2, 5, INPUTS),
            path,
            opset_version=opset,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "batch", 1: "steps"}},
        )
    assert "If" in [n.op_type for n in onnx.load(path).graph.node]
    with torch.no_grad():
        expected = module(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(forward(read(path), X), expected, atol=1e-5)  # type: ignore[arg-type]


def branch(name: str, operator: str, inputs: str, arrays: dict[str, Any]) -> onnx.GraphProto:
    output = make_tensor_value_info(f"{name} y", TensorProto.FLOAT, None)
    held = [from_array(value, key) for key, value in arrays.items()]
    inner = make_node(operator, inputs.split(), [f"{name} y"])
    return make_graph([inner], name, [], [output], held)


def branching(condition: str, **changes: onnx.GraphProto) -> onnx.NodeProto:
    """Squeezes Y, or gives it as it is, which no network does; the axes lie in the branch."""
    graphs = {
        "then_branch": branch("then", "Squeeze", "Y axes", {"axes": np.array([1])}),
        "else_branch": branch("else", "Identity", "Y", {}),
    } | changes
    return make_node("If", [condition], ["y"], "choice", **graphs)


def test_a_branch_reads_what_stands_outside(tmp_path: Path) -> None:
    arrays = constants() | {"yes": np.array(True)}
    path = save(tmp_path / "net.onnx", [lstm(), branching("yes")], arrays)
    plain = save(tmp_path / "plain.onnx", [lstm(), node("Squeeze", "Y one")])
    got, expected = (forward(read(p), X) for p in (path, plain))  # type: ignore[arg-type]
    np.testing.assert_array_equal(got, expected)


def test_a_branch_of_no_network_is_refused_by_name(tmp_path: Path) -> None:
    held = constants()
    value = node("ReduceMax", "Y", "most", keepdims=0)
    cases = [
        ([lstm(), value, branching("most")], held, "'ReduceMax_most'"),
        ([lstm(), branching("x")], held, "has a condition that is no constant"),
        (
            [lstm(), branching("yes", then_branch=branch("then", "Conv", "Y", {}))],
            held | {"yes": np.array(True)},
            "node 'choice' (If): node 'then y' (Conv): operator Conv is not supported",
        ),
        (
            [lstm(), branching("yes", then_branch=branch("then", "Identity", "absent", {}))],
            held | {"yes": np.array(True)},
            "reads 'absent', which nothing before it writes",
        ),
    ]
    for nodes, arrays, said in cases:
        with pytest.raises(ModelError) as caught:
            read(save(tmp_path / "net.onnx", nodes, arrays))
        assert said in str(caught.value)


def test_a_graph_that_names_itself_is_refused(tmp_path: Path) -> None:
    arrays = constants() | {"yes": np.array(True)}
    own = branch("then", "Identity", "y", {})
    with pytest.raises(ModelError, match="reads 'y', which nothing before it writes"):
        read(save(tmp_path / "net.onnx", [lstm(), branching("yes", then_branch=own)], arrays))


def test_graphs_in_graphs_end_somewhere(tmp_path: Path) -> None:
    graph = branch("then", "Squeeze", "Y one", {})
    for _ in range(80):
        inner = make_node("If", ["yes"], ["inner"], then_branch=graph, else_branch=graph)
        output = make_tensor_value_info("inner", TensorProto.FLOAT, None)
        graph = make_graph([inner], "then", [], [output])
        if graph.ByteSize() > 2**20:
            break
    arrays = constants() | {"yes": np.array(True)}
    path = save(tmp_path / "net.onnx", [lstm(), branching("yes", then_branch=graph)], arrays)
    try:
        read(path)
    except ModelError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "more, attributes",
    [
        ((), {"clip": 0.0}),
        ((), {"activations": ["sigmoid", "TANH", "tanh"]}),
        (("all",), {}),
    ],
)
def test_what_says_nothing_is_read(
    more: tuple[str, ...], attributes: dict[str, Any], tmp_path: Path
) -> None:
    arrays, shape = constants() | {"all": np.array([6, 6], np.int32)}, (6, 2, INPUTS)
    nodes = [lstm(*more, **attributes), node("Squeeze", "Y one")]
    path = save(tmp_path / "net.onnx", nodes, arrays, x_shape=shape)
    plain = save(tmp_path / "plain.onnx", [lstm(), node("Squeeze", "Y one")])
    got, expected = (forward(read(p), X[:, :6]) for p in (path, plain))  # type: ignore[arg-type]
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, OUTPUTS)])
def test_a_bias_may_be_spread(shape: tuple[int, ...], tmp_path: Path) -> None:
    bias = np.full(shape, 0.3, np.float32)
    squeezed = node("Squeeze", "Y_h zero", "last")
    for add in ([node("Gemm", "last M b")], [node("MatMul", "last M", "p"), node("Add", "p b")]):
        path = save(tmp_path / "net.onnx", [lstm(), squeezed, *add], constants() | {"b": bias})
        plain = save(
            tmp_path / "plain.onnx",
            [lstm(), squeezed, node("Gemm", "last M b")],
            constants() | {"b": np.full(OUTPUTS, 0.3, np.float32)},
        )
        got, expected = (forward(read(p), X) for p in (path, plain))  # type: ignore[arg-type]
        np.testing.assert_array_equal(got, expected)


def test_lengths_of_less_than_all_steps_are_refused(tmp_path: Path) -> None:
    for lengths in ([6, 5], [7, 7], [0, 0]):
        arrays = constants() | {"some": np.array(lengths, np.int32)}
        nodes = [lstm("some"), node("Squeeze", "Y one")]
        path = save(tmp_path / "net.onnx", nodes, arrays, x_shape=(6, 2, INPUTS))
        with pytest.raises(ModelError, match="sequence_lens.* other than all of the steps"):
            read(path)


def test_a_batch_may_come_first_with_both_directions(tmp_path: Path) -> None:
    arrays = {k: np.concatenate([v, v[:, ::-1]]) for k, v in constants().items() if k in "WRB"}
    arrays |= {"shape": np.array([0, 0, 2 * HIDDEN]), "half": np.zeros((2, 2, HIDDEN), np.float32)}
    both: dict[str, Any] = {"direction": "bidirectional"}
    tail = [node("Transpose", "Y", "turned", perm=[0, 2, 1, 3]), node("Reshape", "turned shape")]
    expected = save(tmp_path / "a.onnx", [lstm(**both), *tail], arrays)
    nodes = [lstm("", "half", layout=1, **both), node("Reshape", "Y shape")]
    got = save(tmp_path / "b.onnx", nodes, arrays, x_shape=("batch", "steps", INPUTS))
    one, other = (forward(read(path), X) for path in (got, expected))  # type: ignore[arg-type]
    np.testing.assert_array_equal(one, other)


def test_a_gru_that_pytorch_never_computes_is_read_with_a_note(tmp_path: Path) -> None:
    gru = make_node("GRU", ["x", "W", "R", "B"], ["Y"], hidden_size=HIDDEN)
    path = save(tmp_path / "net.onnx", [gru, node("Squeeze", "Y one")], constants(3))
    assert not any("linear_before_reset" in said for said in read(path).assumed)
    model = onnx.load(path)
    model.producer_name = "pytorch"
    onnx.save(model, path)
    assert any("linear_before_reset=0" in said for said in read(path).assumed)


PREFIXES = ("test_lstm", "test_gru", "test_simple_rnn", "test_rnn")


def node_cases() -> dict[str, Any]:
    """ONNX's own, of three operators: importing those of all takes 20 s."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for operator in ("gru", "lstm", "rnn"):
            importlib.import_module(f"onnx.backend.test.case.node.{operator}")
    return {c.name: c for c in cases_of._NodeTestCases if c.name.startswith(PREFIXES)}


def bound(case: Any, path: Path) -> Path:
    """A case's file, with all but x as constants."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    names = [value.name for value in model.graph.input[1:]]
    arrays = map(np.asarray, case.data_sets[0][0][1:])
    model.graph.initializer.extend(map(from_array, arrays, names))
    del model.graph.input[1:]
    onnx.save(model, path)
    return path


def as_the_case(got: Any, case: Any) -> Any:
    """(batch, steps, values) of all directions as Y (steps, directions, batch, values) or Y_h."""
    attributes = {a.name: a for a in case.model.graph.node[0].attribute}
    n = 2 if "direction" in attributes else 1
    y = got.reshape(*got.shape[:2], n, -1).transpose(1, 2, 0, 3)
    if case.model.graph.output[0].name == "Y_h":
        y = np.stack([y[-1, 0], *y[0, 1:]])
    return y.swapaxes(-2, 0) if "layout" in attributes and y.ndim == 3 else y


def test_the_node_cases_of_onnx_are_read_or_refused_by_name(tmp_path: Path) -> None:
    """Weights bound as constants; whole, or as one node; which is which is printed."""
    read_cases, cases = [], node_cases().values()
    for case in cases:
        path = bound(case, tmp_path / f"{case.name}.onnx")
        (x, *_), (expected, *_) = ([np.asarray(v) for v in vs] for vs in case.data_sets[0])
        layout = {a.name: a.i for a in case.model.graph.node[0].attribute}.get("layout", 0)
        sequences = x if layout else x.swapaxes(0, 1)
        try:
            got, how = forward(read(path), sequences), "read"  # type: ignore[arg-type]
        except ModelError as whole:
            assert any(s in str(whole) for s in ("node '", "input 'X'", "the output has"))
            name = next(o for o in case.model.graph.node[0].output if o)
            try:
                alone: Any = read(path, node=name)
            except ModelError as refused:
                print(f"{case.name}: {refused}")
                continue
            got, how = as_the_case(forward(alone, sequences), case), f"as one node; whole: {whole}"
        np.testing.assert_allclose(got.squeeze(), expected.squeeze(), atol=1e-5)
        read_cases.append(case.name)
        print(f"{case.name}: {how}")
    assert len(cases) >= 18 and len(read_cases) >= len(cases) - 1
