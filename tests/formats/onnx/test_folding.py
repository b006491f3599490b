"""Constants of ONNX graphs: the same values as ONNX's own evaluator gives."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_node, make_tensor_value_info
from onnx.reference import ReferenceEvaluator

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.formats.onnx.folding import FOLDED, fold
from tests.foreign_onnx import lstm, save

CONSTANTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "Constant": ([], {"value_ints": [1, 2]}),
    "ConstantOfShape": ([np.array([2, 3])], {"value": np.array([7.0], np.float32)}),
    "Shape": ([np.zeros((2, 3, 4))], {"start": 1}),
    "Identity": ([np.arange(3)], {}),
    "Cast": ([np.array([1.5])], {"to": TensorProto.INT64}),
    "Concat": ([np.array([1]), np.array([2, 3])], {"axis": 0}),
    "Expand": ([np.array([[1.0], [2.0]]), np.array([3, 1, 4])], {}),
    "Gather": ([np.arange(12).reshape(3, 4), np.array([2, 0])], {"axis": 1}),
    "Slice": ([np.arange(12).reshape(3, 4), *(np.array([n]) for n in (3, -9, 1, -2))], {}),
    "Split": ([np.arange(12).reshape(3, 4), np.array([1, 3])], {"axis": 1}),
    "Squeeze": ([np.zeros((1, 3, 1)), np.array([0])], {}),
    "Unsqueeze": ([np.arange(3), np.array([0, 2])], {}),
    "Reshape": ([np.arange(12).reshape(3, 4), np.array([0, 2, -1])], {}),
    "Transpose": ([np.arange(6).reshape(2, 3)], {}),
    "Add": ([np.array([1, 2]), np.array([[3], [4]])], {}),
    "Sub": ([np.array([1, 2]), np.array(3)], {}),
    "Mul": ([np.array([1.5]), np.array([2.0])], {}),
    "Div": ([np.array([7, 8]), np.array([2, 3])], {}),
    "Equal": ([np.array([1, 2]), np.array([1, 3])], {}),
    "Where": ([np.array([True, False]), np.array([1, 2]), np.array(9)], {}),
}


@pytest.mark.parametrize("operator", FOLDED)
def test_constants_fold_as_in_onnxs_own_evaluator(operator: str) -> None:
    inputs, attributes = CONSTANTS[operator]
    names = [f"i{k}" for k in range(len(inputs))]
    given = {
        k: onnx.numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v
        for k, v in attributes.items()
    }
    results = ["y", "z"] if operator == "Split" else ["y"]
    proto = make_node(operator, names, results, **given)
    graph = onnx.helper.make_graph(
        [proto],
        "g",
        [
            make_tensor_value_info(n, onnx_type(a), a.shape)
            for n, a in zip(names, inputs, strict=True)
        ],
        [onnx.helper.make_empty_tensor_value_info(name) for name in results],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    evaluator = ReferenceEvaluator(model)
    outputs: Any = evaluator.run(None, dict(zip(names, inputs, strict=True)))
    made = fold(operator, inputs, attributes)
    for got, expected in zip(made if operator == "Split" else [made], outputs, strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.shape == expected.shape


def onnx_type(array: Any) -> int:
    return onnx.helper.np_dtype_to_tensor_dtype(array.dtype)


@pytest.mark.parametrize("operator", ["Identity", "Transpose", "Concat", "Reshape", "Add", "Shape"])
def test_an_input_that_is_left_out_is_refused(operator: str, tmp_path: Path) -> None:
    nothing = make_node(operator, [""], ["zeros"], "nothing", axis=0)
    path = save(tmp_path / "net.onnx", [nothing, lstm("", "zeros")], output="Y")
    with pytest.raises(ModelError, match=r"node 'nothing'"):
        read(path)
