"""The commands: exit codes, one `error:` line, JSON on standard output, files that are whole."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.formats import write
from edgelstm.tools import cli, output
from tests.networks import random_network

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
        assert verified["status"] in ("ok", "skipped")
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


def test_a_gru_exports_in_float_and_says_what_is_left_out(tmp_path: Path, capsys: Captured) -> None:
    path = write(random_network("gru", (5, 8), outputs=3, last_step=True), tmp_path / "gru.npz")
    assert run("export", path, "-o", tmp_path / "out", "--json", "--quiet") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["precision"] == "float32"
    assert [s.split(":")[0] for s in report["skipped"]] == ["int8", "tflite"]
    assert run("export", path, "--precision", "int8", "-o", tmp_path / "int8") == 2
    assert f"error: {path}: layer 'gru1': a gru has no form in int8 yet" in capsys.readouterr().err
    assert not (tmp_path / "int8").exists()


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
        assert printed.err.splitlines()[-1] == "failed: does not fit tiny"
    assert json.loads(printed.out)["failures"] == ["does not fit tiny"]
    assert run("profile", model, "--device", own, "--quiet") == 1
    assert capsys.readouterr() == ("", "failed: speech does not fit tiny\n")
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
    statuses = {v["status"] for v in json.loads(capsys.readouterr().out)["verified"]}
    assert statuses <= {"ok", "skipped"}


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
        assert package["version"] or "pip install" in package["obstacle"]


def bad_inputs(tmp: Path) -> dict[str, tuple[list[Any], str]]:
    """Words of a command, and what its error line must hold."""
    arrays: dict[str, Any] = {
        "narrow": np.zeros((4, 9, 4), np.float32),
        "empty": np.zeros((0, 5), np.float32),
        "nan": np.full((4, 9, 5), np.nan, np.float32),
        "zero": np.zeros((4, 9, 5), np.float32),
        "ones": np.ones((4, 9, 5), np.float32),
        "labels": np.zeros(7, np.int64),
    }
    for name, array in arrays.items():
        np.save(tmp / f"{name}.npy", array)
    np.savez(tmp / "mixed.npz", a=np.ones((9, 5), np.float32), b=np.ones(3, np.float32))
    (tmp / "words.csv").write_text("a,b,c,d,e\n1,2,3,4,5\n")
    (tmp / "nothing.csv").write_text("")
    (tmp / "short.npy").write_bytes((tmp / "zero.npy").read_bytes()[:200])
    (tmp / "file").write_text("")
    model, folder = tmp / "speech.npz", ["-o", tmp / "never"]

    def calibrated(name: str, *more: Any) -> list[Any]:
        return ["export", model, "--calibration", tmp / name, *more, *folder]

    return {
        "no model": (["export", tmp / "absent.pt", *folder], "absent.pt does not exist"),
        "no such format": (["export", tmp / "file", *folder], "files of type '' are not read"),
        "narrow": (calibrated("narrow.npy"), "shape (4, 9, 4); (steps, 5) or (sequences"),
        "empty": (calibrated("empty.npy"), "calibration holds no values"),
        "nan": (calibrated("nan.npy"), "not finite"),
        "zero": (calibrated("zero.npy"), "calibration is zero everywhere"),
        "short": (calibrated("short.npy"), "not as long as its shape"),
        "mixed": (calibrated("mixed.npz"), "mixed.npz: array 'b' has shape"),
        "words": (calibrated("words.csv"), "not a table of numbers"),
        "empty table": (calibrated("nothing.csv"), "nothing.csv is empty"),
        "suffix": (calibrated("file"), "calibration is read from .npy, .npz, .csv"),
        "labels": (calibrated("ones.npy", "--labels", tmp / "no.npy"), "no.npy does not exist"),
        "labels alone": (["export", model, "--labels", tmp / "labels.npy"], "needs --calibration"),
        "device": (["export", "--device", "stm32u57", *folder], "nearest: stm32u575"),
        "context": (["export", "--device", "gap9-065v", *folder], "gap9-065v"),
        "precision": (["export", model, "--precision", "int3", *folder], "known: float32, int8"),
        "format": (["export", model, "--formats", "pt", *folder], "'.pt' are not written"),
        "target": (["export", model, "--target", "x", *folder], "target 'x' is unknown"),
        "head": (["export", model, "--head", "first", *folder], "last or each is needed"),
        "steps": (["export", model, "--steps", "-1", *folder], "from 1 to 100,000"),
        "text": (["export", model, "--steps", "many", *folder], "--steps"),
        "too long": (["export", model, "--steps", 10**10, *folder], "from 1 to 100,000"),
        "hybrid": (
            ["export", model, "--precision", "hybrid", "--device", "rp2040", *folder],
            "no runtime of a microcontroller runs hybrid",
        ),
        "half": (["export", model, "--formats", "onnx,foo", *folder], "'.foo' are not written"),
        "long name": (["export", tmp / ("x" * 300 + ".npz"), *folder], "name too long"),
        "nothing": ([], "a command is needed"),
        "folder": (["export", model, "-o", tmp / "file" / "x"], "cannot be made"),
        "option": (["export", "--nope"], "--nope"),
        "command": (["exprot"], "exprot"),
        "verify": (["verify", model], "no runtime runs"),
        "sequences": (["verify", "--sequences", "0"], "sequences is 0"),
        "device file": (["devices", tmp / "absent.toml"], "absent.toml"),
    }


def test_bad_input_is_exit_2_with_one_error_line(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    for name, (words, expected) in bad_inputs(tmp_path).items():
        quiet = ["--quiet"] * (name not in ("command", "nothing"))
        code, printed = run(*words, *quiet), capsys.readouterr()
        lines = printed.err.splitlines()
        assert code == 2 and (name == "nothing" or printed.out == ""), name
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:], name
        assert expected in lines[-1], name
        assert not (tmp_path / "never").exists(), name


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgelstm.tools.devices.main", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("devices")


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **extra}


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


def test_files_are_not_left_behind_by_a_broken_archive(tmp_path: Path, capsys: Captured) -> None:
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("lstm.weight_ih_l0.npy", b"junk")
    assert run("export", tmp_path / "bad.npz", "-o", tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()
