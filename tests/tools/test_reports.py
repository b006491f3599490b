"""Reports are types: JSON keys are given out at the edge alone, all of them, in their order."""

import ast
import dataclasses
import pathlib

import pytest

from edgelstm.comparison.measuring import Accuracy
from edgelstm.cost.laws import CLASSES
from edgelstm.quantization.scales import Scale
from edgelstm.tools import output
from edgelstm.tools.export_report import Artifact
from edgelstm.verification.fidelity import GateSaturation
from edgelstm.verification.spread import InputSpread
from tests.tools.reports import UNKNOWN, export_report

TOOLS = pathlib.Path(output.__file__).parent
EXPORT_KEYS = [
    "model",
    "device",
    "precision",
    "form",
    "form_reason",
    "steps",
    "streaming",
    "target",
    "assumed",
    "skipped",
    "artifacts",
    "fit",
    "accuracy",
    "verified",
    "per_step",
    "input",
    "output",
    "operators",
    "states",
    "resource_variables",
    "reset",
    "use",
    "replaced",
    "failures",
    "version",
]
STEP_KEYS = [
    "macs",
    "latency_us",
    "energy_uj",
    "energy_net_uj",
    "basis",
    "latency_reason",
    "kernels",
    "reason",
    "notes",
    "by_kernels",
]


def untyped(tree: ast.AST) -> set[str]:
    """Functions that take an object of JSON or hand one on, beside those named after it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            taken = [a.annotation for a in (*node.args.args, *node.args.kwonlyargs)]
            given = [] if node.name.endswith("_dict") else [node.returns]
            if any("dict[str, Any]" in ast.unparse(x) for x in taken + given if x):
                found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and "dict[str, Any]" in ast.unparse(node.annotation):
            found.add(ast.unparse(node.target))
    return found


@pytest.mark.parametrize("path", sorted(TOOLS.glob("*.py")), ids=lambda path: path.name)
def test_no_object_of_json_travels_between_functions(path: pathlib.Path) -> None:
    assert untyped(ast.parse(path.read_text("utf-8"))) == set()


def test_an_object_of_json_that_travels_is_found() -> None:
    assert untyped(ast.parse("def f(report: dict[str, Any]) -> str: ...")) == {"f"}
    assert untyped(ast.parse("def f() -> list[dict[str, Any]]: ...")) == {"f"}
    assert untyped(ast.parse("def to_dict(self) -> dict[str, Any]: ...")) == set()


def test_the_report_of_export_has_its_keys_in_their_order() -> None:
    energy = dataclasses.replace(UNKNOWN.energy, energy_reason="why", kernels="tflm")
    answer = dataclasses.replace(UNKNOWN, energy=energy)
    found = export_report(
        answer=answer,
        artifacts=(Artifact("out/net_int8.onnx", "onnx", 7, None, "checking", "speed"),),
        accuracy=Accuracy(
            "file",
            float_share=0.5,
            quantized_share=0.25,
            saturation=(GateSaturation("lstm1", "i", 0.5, 0.0, 8.0, 8.0),),
            input_spread=InputSpread(2.0, 1.0, 3),
        ),
        by_kernels=(energy,),
        input=Scale(0.5, -3, "int8"),
    ).to_dict()
    assert list(found) == EXPORT_KEYS and list(found["per_step"]) == STEP_KEYS
    assert found["per_step"]["reason"] == "why"
    (row,) = found["per_step"]["by_kernels"]
    assert list(row)[:2] == ["kernels", "what"] and row["what"] == CLASSES["tflm"]
    (artifact,) = found["artifacts"]
    assert list(artifact) == ["path", "format", "bytes", "float32_bytes", "for", "not_for", "fit"]
    assert artifact["bytes"] == 7
    assert (found["accuracy"]["float"], found["accuracy"]["quantized"]) == (0.5, 0.25)
    assert found["accuracy"]["saturation"][0]["sums_cut"] == 0.5
    assert found["accuracy"]["input_spread"]["values_beyond"] == 3
    assert found["input"] == {"scale": 0.5, "zero_point": -3, "type": "int8"}
    assert found["output"] == {"scale": None, "zero_point": None, "type": "float32"}
