"""The commands: exit codes, JSON on standard output, what stands in it, and files."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgelstm.formats import write
from edgelstm.layers.activation import Activation
from edgelstm.model.network import Network
from edgelstm.runtimes import RUNTIMES
from edgelstm.tools import cli, output
from tests.networks import random_network
from tests.present import expected_status

Captured = pytest.CaptureFixture[str]


def run(*words: object) -> int:
    """The command's exit code, in this process."""
    before, sys.argv = sys.argv, ["edgelstm", *map(str, words)]
    try:
        return cli._run()
    finally:
        sys.argv = before


@pytest.fixture
def model(tmp_path: Path) -> Path:
    network = random_network("lstm", (5, 12), outputs=4, last_step=True)
    return write(network, tmp_path / "speech.npz")


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(0).normal(size=(20, 15, 5)).astype(np.float32))
    return path


REPORT_KEYS = {
    "model",
    "device",
    "precision",
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
}


def test_export_of_the_bundled_model_verifies_everywhere(tmp_path: Path, capsys: Captured) -> None:
    assert run("export", "-o", tmp_path / "out", "--json") == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert set(report) >= REPORT_KEYS
    assert (report["model"], report["steps"]) == ("japanese_vowels", 29)
    assert report["accuracy"]["quantized"] >= report["accuracy"]["float"] - 0.005
    for verified in report["verified"]:
        assert verified["status"] == expected_status(verified["runtime"])
        assert verified["mismatches"] == (0 if verified["status"] == "ok" else None)
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {f"japanese_vowels_int8{s}" for s in (".tflite", ".onnx", "_report.json")}
    assert json.loads((tmp_path / "out/japanese_vowels_int8_report.json").read_text()) == report
    assert report["per_step"]["macs"] == 4 * 48 * (12 + 48) + 9 * 48
    assert "checking japanese_vowels_int8.tflite in tflm" in printed.err


def test_export_of_a_file_with_calibration_and_labels(
    model: Path, calibration: Path, tmp_path: Path, capsys: Captured
) -> None:
    labels = tmp_path / "labels.npy"
    np.save(labels, np.zeros(20, np.int64))
    words = ["--calibration", calibration, "--labels", labels, "-o", tmp_path / "out"]
    assert run("export", model, *words, "--device", "nrf52840", "--json", "--quiet") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["accuracy"]["calibration"] == "file" and report["steps"] == 15
    assert 0 <= report["accuracy"]["float"] <= 1 and report["device"] == "nrf52840"
    assert report["fit"]["fits"] and report["fit"]["ram_available_bytes"] == 256 * 1024


@pytest.mark.parametrize("precision", ["float32", "hybrid", "int8"])
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
def test_every_precision_exports(
    model: Path, precision: str, streaming: bool, tmp_path: Path, capsys: Captured
) -> None:
    words = ["--precision", precision, "-o", tmp_path / "out", "--json", "--quiet"]
    assert run("export", model, *words, *["--streaming"] * streaming) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["streaming"] is streaming and report["precision"] == precision
    assert report["steps"] == (1 if streaming else 100)
    assert [a["format"] for a in report["artifacts"]] == ["tflite", "onnx"]
    assert report["fit"]["flash_bytes"] is (
        None if precision == "hybrid" else report["fit"]["flash_bytes"]
    )


def test_export_without_calibration_says_so_loudly(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert run("export", model, "-o", tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "warning: calibration is random normal input" in printed.err
    assert "0 mismatches" not in printed.err
    assert max(map(len, printed.out.splitlines())) <= output.WIDTH + len(str(tmp_path))


def test_a_gru_reaches_a_microcontroller_in_integers(tmp_path: Path, capsys: Captured) -> None:
    path = write(random_network("gru", (5, 8), outputs=3, last_step=True), tmp_path / "gru.npz")
    out = tmp_path / "out"
    assert run("export", path, "-o", out, "--json", "--quiet") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["precision"], report["form"], report["skipped"]) == ("int8", "composed", [])
    assert report["form_reason"] == "no runtime has a gru of integers as one operator"
    assert all(v["mismatches"] == 0 for v in report["verified"] if v["status"] != "skipped")
    micro = next(use for use in report["use"] if use["device_kind"] == "mcu")
    assert (micro["artifact"], micro["runtime"]) == (str(out / "gru_int8.tflite"), "TFLM")


def test_a_leaky_relu_behind_an_lstm_takes_the_composed_form(
    tmp_path: Path, capsys: Captured
) -> None:
    lstm, dense = random_network("lstm", (5, 8), outputs=3).layers
    layers = (lstm, dense, Activation("a", 3, "leaky_relu", (0.1,)))
    path = write(Network(layers), tmp_path / "net.npz")
    words = ("--formats", "tflite", "-o", tmp_path / "out", "--json", "--quiet")
    assert run("export", path, *words) == 0
    report = json.loads(capsys.readouterr().out)
    told = "a leaky_relu of int8 differs from runtime to runtime"
    assert (report["form"], report["form_reason"]) == ("composed", told)
    assert all(v["mismatches"] == 0 for v in report["verified"] if v["status"] != "skipped")


def test_a_fused_gru_is_refused_and_nothing_is_written(tmp_path: Path, capsys: Captured) -> None:
    path = write(random_network("gru", (5, 8)), tmp_path / "gru.npz")
    out = tmp_path / "out"
    assert run("export", path, "--form", "fused", "-o", out) == 2
    assert f"error: {path}: layer 'gru1': a gru has no fused int8 form" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("asked", "form", "name"),
    [
        ((), "fused", "net_int8.tflite"),
        (("--streaming",), "composed", "net_int8_composed.tflite"),
        (("--streaming", "--form", "fused", "--target", "tflm"), "fused", "net_int8.tflite"),
        (("--streaming-io",), "composed", "net_int8_composed_io.tflite"),
        (("--form", "composed"), "composed", "net_int8_composed.tflite"),
        (("--precision", "int16x8"), "composed", "net_int16x8.tflite"),
        (("--streaming", "--device", "rpi-4b", "--precision", "int8"), "fused", "net_int8.tflite"),
    ],
    ids=" ".join,
)
def test_the_form_follows_from_where_the_file_runs(
    asked: tuple[str, ...], form: str, name: str, tmp_path: Path, capsys: Captured
) -> None:
    path = write(random_network("lstm", (5, 8), outputs=3), tmp_path / "net.npz")
    words = ("--formats", "tflite", "-o", tmp_path / "out", "--json", "--quiet")
    assert run("export", path, *asked, *words) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["form"] == form and report["form_reason"]
    assert Path(report["artifacts"][0]["path"]).name == name
    loses = "loses the state at every call" in printed.err
    assert loses == ("fused" in asked and "--streaming" in asked)


def test_a_dropped_softmax_is_said(tmp_path: Path, capsys: Captured) -> None:
    network = random_network("lstm", (5, 8), outputs=3, activation="softmax", last_step=True)
    path = write(network, tmp_path / "net.npz")
    assert run("export", path, "--formats", "TFLITE,tflite", "-o", tmp_path, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["skipped"] == ["softmax: the results are logits, with the same largest class"]
    assert len(report["artifacts"]) == 1 and report["verified"]


def test_what_does_not_fit_is_exit_1_with_the_files_written(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    own = tmp_path / "own.toml"
    source = 'basis = "assumed", source = "a chip of this test"'
    own.write_text(
        'name = "tiny"\nkind = "mcu"\ncore = "cortex-m4"\n'
        f"clock.mhz = {{ low = 64, typical = 64, high = 64, {source} }}\n"
        f"memory.flash_kib = {{ low = 16, typical = 16, high = 16, {source} }}\n"
    )
    words = ["--device", own, "--formats", "tflite", "-o", tmp_path / "out"]
    for quiet in ([], ["--quiet"], ["--json", "--quiet"]):
        assert run("export", model, *words, *quiet) == 1
        printed = capsys.readouterr()
        failed = re.fullmatch(
            r"failed: (does not fit tiny: [\d,]+ B of flash too much)", printed.err.splitlines()[-1]
        )
        assert failed is not None
        told = failed[1]
    assert json.loads(printed.out)["failures"] == [told]
    assert run("profile", model, "--device", own, "--quiet") == 1
    assert capsys.readouterr().err.startswith("failed: speech does not fit tiny: ")
    assert (tmp_path / "out/speech_int8.tflite").exists()


def test_warnings_name_gates_that_saturate(
    calibration: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = write(random_network("lstm", (5, 12), gain=60), tmp_path / "wild.npz")
    run("export", path, "--calibration", calibration, "-o", tmp_path / "out", "--quiet")
    assert "of the recurrent parts left +-8 in calibration" in capsys.readouterr().err


def test_verify_finds_a_damaged_twin(model: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("export", model, "-o", tmp_path / "out", "--quiet") == 0
    files = sorted((tmp_path / "out").glob("speech_int8.[to]*"))
    assert run("verify", *files, "--json", "--quiet") == 0
    for verified in json.loads(capsys.readouterr().out)["verified"]:
        assert verified["status"] == expected_status(verified["runtime"])


def test_verify_without_files_runs_the_bundled_model(capsys: Captured) -> None:
    assert run("verify", "--sequences", 4, "--json", "--quiet") == 0
    assert len(json.loads(capsys.readouterr().out)["verified"]) == 4


def test_devices_lists_and_shows_sources(capsys: Captured) -> None:
    assert run("devices", "--json") == 0
    names = [d["name"] for d in json.loads(capsys.readouterr().out)["devices"]]
    assert {"stm32l4r5", "stm32u575", "nrf52840", "rp2040", "rpi-4b", "rpi-5"} <= set(names)
    assert run("devices", "stm32u575") == 0
    assert "MLPerf Tiny" in capsys.readouterr().out


def test_doctor_names_the_line_that_installs_what_is_missing(capsys: Captured) -> None:
    assert run("doctor", "--json") == 0
    for package in json.loads(capsys.readouterr().out)["packages"]:
        here, missing = package["version"], package["obstacle"]
        if package["name"] in RUNTIMES and RUNTIMES[package["name"]].programs:  # has no version
            assert not missing or "install" in missing
        else:
            assert here or "pip install" in missing


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **extra}


@pytest.mark.slow
def test_missing_numba_leaves_the_reference_engine(tmp_path: Path) -> None:
    (tmp_path / "numba").mkdir()
    code = (
        "import sys, importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda n, *a: None if n == 'numba' else find(n, *a);"
        "sys.argv = ['edgelstm', 'export', '--quiet', '-o', sys.argv[1]];"
        "from edgelstm.tools.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], env=environment())
    assert done.returncode == 0


def test_import_and_help_are_quick() -> None:
    def seconds(*words: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True, env=environment())
        return time.perf_counter() - start

    # 0.7 s and 1 s are promised on a quiet machine; four times that holds on a busy one.
    assert min(seconds("-c", "import edgelstm") for _ in range(3)) < 2.8
    assert min(seconds("-m", "edgelstm", "--help") for _ in range(3)) < 4
