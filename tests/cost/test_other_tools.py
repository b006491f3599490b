"""What other tools print: against what they printed, and against themselves where installed."""

import csv
import pathlib
import subprocess
import sys

import pytest

from edgelstm.cost.count_ops import count
from edgelstm.cost.other_tools import TOOLS, foreign_counts
from edgelstm.model.sizes import shapes

PRINTED = pathlib.Path(__file__).parents[1] / "data" / "op_counters.csv"
STEPS, SIZE = 100, 64


def printed() -> list[dict[str, str]]:
    lines = [line for line in PRINTED.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def said(cell_name: str, tool: str, version: str) -> int | None:
    found = foreign_counts(count(shapes(cell_name, SIZE, SIZE), steps=STEPS))
    return next(f.prints for f in found if (f.tool, f.version) == (tool, version))


@pytest.mark.parametrize("row", printed(), ids=lambda r: f"{r['tool']} {r['version']} {r['layer']}")
def test_expressions_give_what_the_tool_printed(row: dict[str, str]) -> None:
    assert said(row["layer"][:4].strip("(").lower(), row["tool"], row["version"]) == int(
        row["prints"]
    )


def test_truth_and_ratio_are_in_the_tools_unit() -> None:
    for found in foreign_counts(count(shapes("lstm", SIZE, SIZE), steps=STEPS)):
        factor = 2 if found.unit == "FLOP" else 1
        assert found.truth == factor * 3_276_800
        assert found.prints is not None
        assert found.ratio == found.prints / found.truth


def test_layers_add_up_and_a_head_is_left_out() -> None:
    one = foreign_counts(count(shapes("gru", 7, 7), steps=5))
    two = foreign_counts(count(shapes("gru", 7, 7, layers=2, outputs=3), steps=5))
    for a, b in zip(one, two, strict=True):
        assert b.truth == 2 * a.truth
        assert (a.prints is None) == (b.prints is None)
        assert b.prints is None or b.prints == 2 * (a.prints or 0)


def test_cells_that_were_not_tried_have_a_reason() -> None:
    for network in (shapes("mgu", 3, 4), shapes("lstm", 3, 4, projection=2)):
        for found in foreign_counts(count(network)):
            assert found.prints is None
            assert "was not tried on a" in str(found.reason)
    assert len(foreign_counts(count(shapes("lstm", 3, 4)))) == len(TOOLS)


# ---- the tools themselves

IMPORTS = """
import torch, warnings
warnings.simplefilter("ignore")
kind, size, steps = torch.nn.{kind}, 64, 100
module, x = kind(size, size, batch_first=True).eval(), torch.zeros(1, steps, size)
"""
RUNS = {
    ("fvcore", "fvcore"): """
from fvcore.nn import FlopCountAnalysis
print(int(FlopCountAnalysis(module, x).unsupported_ops_warnings(False).total()))""",
    ("thop", "thop"): """
import thop
print(int(thop.profile(module, (x,), verbose=False)[0]))""",
    ("ptflops, pytorch backend", "ptflops"): """
import ptflops
print(ptflops.get_model_complexity_info(module, (steps, size), as_strings=False,
      print_per_layer_stat=False, backend="pytorch", verbose=False)[0])""",
    ("ptflops, aten backend", "ptflops"): """
import ptflops
print(ptflops.get_model_complexity_info(module, (steps, size), as_strings=False,
      print_per_layer_stat=False, backend="aten", verbose=False)[0])""",
    ("torchinfo, batched input", "torchinfo"): """
import torchinfo
print(torchinfo.summary(module, input_data=x, verbose=0).total_mult_adds)""",
    ("torchinfo, unbatched 2-D input", "torchinfo"): """
import torchinfo
print(torchinfo.summary(module, input_data=x[0], verbose=0).total_mult_adds)""",
    ("torch FlopCounterMode", "torch"): """
from torch.utils.flop_counter import FlopCounterMode
with FlopCounterMode(display=False) as counter, torch.no_grad(): module(x)
print(counter.get_total_flops())""",
    ("torch FlopCounterMode, oneDNN off", "torch"): """
from torch.utils.flop_counter import FlopCounterMode
torch.backends.mkldnn.enabled = False
with FlopCounterMode(display=False) as counter, torch.no_grad(): module(x)
print(counter.get_total_flops())""",
    ("onnx-tool", "onnx_tool"): """
import onnx, onnx_tool, numpy as np, tempfile, os
from onnx.helper import make_node, make_graph, make_model, make_tensor_value_info as info
from onnx.helper import make_opsetid
gates = 4 if kind is torch.nn.LSTM else 3
shapes = {{"W": (1, gates * size, size), "R": (1, gates * size, size), "B": (1, 8 * size)}}
shapes["B"] = (1, 2 * gates * size)
weights = [onnx.numpy_helper.from_array(np.zeros(s, np.float32), n) for n, s in shapes.items()]
node = make_node("{kind}", ["X", "W", "R", "B"], ["Y", "Yh"], hidden_size=size)
graph = make_graph([node], "g", [info("X", 1, (steps, 1, size))],
                   [info("Y", 1, (steps, 1, 1, size)), info("Yh", 1, (1, 1, size))],
                   weights)
model = make_model(graph, opset_imports=[make_opsetid("", 14)])
m = onnx_tool.Model(model)
m.graph.shape_infer(None)
m.graph.profile()
print(int(m.graph.macs[0] if hasattr(m.graph.macs, "__len__") else m.graph.macs))""",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize(("tool", "package"), RUNS)
def test_the_tool_itself_prints_what_is_said_of_it(tool: str, package: str, kind: str) -> None:
    pytest.importorskip(package, reason=f"pip install {package.replace('_', '-')}")
    known = [t for t in TOOLS if t.name == tool and kind.lower() in t.formulas]
    if not known:
        pytest.skip(f"{tool} was not tried on a {kind}")
    code = (IMPORTS + RUNS[tool, package]).format(kind=kind)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    got = int(done.stdout.split()[-1])
    expected = [t.formulas[kind.lower()](STEPS, SIZE, SIZE) for t in known]
    assert got in expected
