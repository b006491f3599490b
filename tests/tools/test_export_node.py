"""`export --node`: a part of a larger graph, quantized on what it sees and put back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.foreign_onnx import INPUTS, stateful
from tests.larger_graphs import LARGER, export
from tests.tools.test_cli import Captured, run

NODE = "deep/in it"


@pytest.mark.parametrize(("name", "precision"), [("convolved", "hybrid"), ("tagger", "int8")])
def test_a_node_is_quantized_and_put_back(name: str, precision: str, tmp_path: Path) -> None:
    larger, out = LARGER[name], tmp_path / "out"
    path = export(larger, tmp_path / "big.onnx")
    feeds = larger.feeds(np.random.default_rng(0))
    np.savez(tmp_path / "feeds.npz", x=np.stack([feed["x"] for feed in feeds]))
    words: list[Any] = [w for node in larger.nodes for w in ("--node", node)]
    words += ["--precision", precision, "--calibration", tmp_path / "feeds.npz", "--formats", "npz"]
    assert run("export", path, *words, "-o", out, "--quiet") == 0
    part = "_".join(["big", *(node.strip("/").replace("/", "_") for node in larger.nodes)])
    files = {f"big_{precision}.onnx", f"{part}_{precision}.npz", f"{part}_{precision}_report.json"}
    assert {p.name for p in out.iterdir()} == files
    report = json.loads((out / f"{part}_{precision}_report.json").read_text())
    assert report["accuracy"]["calibration"] == "file"
    (replaced,) = report["replaced"]
    keys = ["path", "node", "form", "snr_db", "bytes_before", "bytes_after", "fed", "reason"]
    assert list(replaced) == keys
    assert replaced["node"] == ", ".join(larger.nodes)
    assert replaced["bytes_before"] == path.stat().st_size
    assert replaced["bytes_after"] == (out / f"big_{precision}.onnx").stat().st_size
    assert replaced["snr_db"]["y"] > 25
    onnx.checker.check_model(onnx.load(out / f"big_{precision}.onnx"))


def refused(folder: Path) -> dict[str, tuple[list[Any], str]]:
    """Words behind `export`, and what the error line holds."""
    (folder / "in.onnx").write_bytes(stateful("LSTM").SerializeToString())
    (folder / "old.onnx").write_bytes(stateful("LSTM", opset=9).SerializeToString())
    x, h = np.ones((3, 1, INPUTS), np.float32), np.zeros((1, 1, 4), np.float32)
    feeds: dict[str, dict[str, Any]] = {
        "good": {"x": x, "h": h, "c": h},
        "narrow": {"x": x[..., :4]},
        "other": {"z": x},
        "apart": {"x": x, "h": np.zeros((1, 2, 4), np.float32), "c": h},
    }
    for name, arrays in feeds.items():
        np.savez(folder / f"{name}.npz", **arrays)
    big = [folder / "in.onnx"]

    def fed(name: str, *more: Any) -> list[Any]:
        return [*big, "--node", NODE, "--calibration", folder / f"{name}.npz", *more]

    return {
        "absent": ([*big, "--node", "LSTM_3"], "has no node 'LSTM_3'"),
        "other": ([*big, "--node", "cos"], "is a Cos; an LSTM, GRU or RNN is needed"),
        "twice": ([*big, "--node", NODE, "--node", "Y"], "name one node twice"),
        "whole": (big, "node='deep/in it', of: deep/in it"),
        "no model": (["--node", NODE], "are for files; give MODEL"),
        "streaming": ([*big, "--node", NODE, "--streaming"], "do not go with --node"),
        "narrow": (fed("narrow"), "is given shape (3, 1, 4)"),
        "unknown input": (fed("other"), "the graph has no input 'z'; its inputs: x ("),
        "batches apart": (fed("apart"), "onnxruntime: "),
        "no feeds": (fed("gone"), "gone.npz does not exist"),
        "opset": ([folder / "old.onnx", "--node", NODE], "13 or newer is needed"),
        "old and hybrid": (
            [folder / "old.onnx", "--node", NODE, "--precision", "hybrid"],
            "of opset 9; for this precision 11 or newer is needed",
        ),
    }


CASES = (
    *("absent", "other", "twice", "whole", "no model", "streaming", "narrow", "unknown input"),
    *("batches apart", "no feeds", "opset", "old and hybrid"),
)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_ends_with_one_line_and_no_file(
    case: str, tmp_path: Path, capsys: Captured
) -> None:
    words, told = refused(tmp_path)[case]
    assert run("export", *words, "-o", tmp_path / "out", "--quiet") == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    assert told in line
    assert printed.out == ""
    assert list((tmp_path / "out").glob("*")) == []
