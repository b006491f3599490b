"""Files of `export` exported again: the same name, precision and steps, never over themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.formats import write
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_network
from tests.tools.test_cli import Captured, run

NETWORK = random_network("lstm", (5, 12), outputs=4, last_step=True)
X = np.random.default_rng(2).normal(size=(8, 17, 5)).astype(np.float32)


@pytest.fixture(params=["int8", "hybrid", "float32"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """A precision, and the network in it."""
    precision = request.param
    network = NETWORK if precision == "float32" else quantize(NETWORK, X, precision)
    return {"precision": precision, "network": network, "folder": tmp_path}


def again(path: Path, *words: Any) -> tuple[int, Path, Any]:
    """Exit code, output folder and report of exporting a file."""
    out = path.parent / "out"
    code = run("export", path, "--quiet", "-o", out, *words)
    report = next(out.glob("*_report.json"), None)
    return code, out, report and json.loads(report.read_text())


def options(precision: str) -> list[str]:
    if precision == "float32":
        return ["--precision", precision]
    return ["--device", "rpi-4b"] if precision == "hybrid" else []


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
def test_a_tflite_file_keeps_its_name_precision_steps_and_bytes(
    streaming: bool, written: dict[str, Any]
) -> None:
    precision = written["precision"]
    path = written["folder"] / f"model_{precision}.tflite"
    write(written["network"], path, steps=None if streaming else 23, streaming=streaming)
    code, out, report = again(path, *options(precision))
    assert code == 0
    names = {f"model_{precision}.tflite", f"model_{precision}.onnx"}
    assert {p.name for p in out.iterdir()} == names | {f"model_{precision}_report.json"}
    assert (out / path.name).read_bytes() == path.read_bytes()
    assert (report["model"], report["precision"]) == ("model", precision)
    assert (report["steps"], report["streaming"]) == (1 if streaming else 23, streaming)


@pytest.mark.parametrize("suffix", [".npz", ".onnx"])
def test_formats_that_leave_steps_open_keep_those_of_the_calibration(
    suffix: str, tmp_path: Path
) -> None:
    path = write(quantize(NETWORK, X), tmp_path / f"model_int8{suffix}")
    code, out, report = again(path, "--formats", "tflite")
    assert (code, report["steps"]) == (0, 17)
    assert (out / "model_int8.tflite").is_file()


def test_steps_that_are_asked_for_go_before_those_of_the_file(tmp_path: Path) -> None:
    path = write(quantize(NETWORK, X), tmp_path / "model_int8.tflite", streaming=True)
    _, _, report = again(path, "--steps", 7, "--formats", "tflite")
    assert (report["steps"], report["streaming"]) == (7, False)


@pytest.mark.parametrize("stem", ["speech", "int8", "_int8", "model_float32"])
def test_other_names_get_the_precision_behind(stem: str, tmp_path: Path) -> None:
    path = write(quantize(NETWORK, X), tmp_path / f"{stem}.npz")
    _, out, _ = again(path, "--formats", "onnx")
    assert (out / f"{stem}_int8.onnx").is_file()


def test_the_file_that_was_read_is_not_overwritten_by_another(
    tmp_path: Path, capsys: Captured
) -> None:
    path = write(quantize(NETWORK, X), tmp_path / "model_int8.tflite")
    content = path.read_bytes()
    words = ["export", path, "--quiet", "-o", tmp_path, "--formats", "tflite"]
    assert run(*words) == 0
    assert path.read_bytes() == content
    capsys.readouterr()
    assert run(*words, "--steps", 5) == 2
    assert "is the file that was read, and would be overwritten" in capsys.readouterr().err
    assert path.read_bytes() == content


def test_a_page_is_not_written_over_its_model(tmp_path: Path, capsys: Captured) -> None:
    path = write(NETWORK, tmp_path / "net.npz")
    content = path.read_bytes()
    assert run("profile", path, "--html", path) == 2
    assert "would overwrite the model; give another name" in capsys.readouterr().err
    assert path.read_bytes() == content
