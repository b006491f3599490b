"""What commands tell: options in errors, the file first, units of x and y, lines to copy."""

import importlib.metadata
import importlib.util
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.comparison.measuring import Accuracy
from edgelstm.formats import read, write
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes import isolation
from edgelstm.tools import cautions, doctor, output, tables
from edgelstm.verification.results import Verified
from tests.networks import random_network
from tests.tools.reports import answer, export_report
from tests.tools.test_cli import Captured, run

X = np.random.default_rng(0).normal(size=(6, 9, 5)).astype(np.float32)
HEAD = random_network("lstm", (5, 8), outputs=3, last_step=True)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for suffix in (".npz", ".onnx", ".tflite"):
        write(HEAD, f"net{suffix}")
    weights: dict[str, Any] = {"a.weight": np.ones((4, 5)), "b.weight": np.ones((3, 4))}
    np.savez("dense.npz", **weights)
    write(quantize(HEAD, X), "int8.npz")
    np.save("x.npy", X)
    np.save("zero.npy", 0 * X)
    np.save("words.npy", np.full((9, 5), "a"))
    np.save("long.npy", np.zeros(5, np.int64))
    os.mkfifo("pipe.npy")
    (tmp_path / "net.csv").write_text("ax,ay,az,gx,gy\n1,2,3,4,5\n")
    return tmp_path


ERRORS: dict[str, str] = {
    "export dense.npz": "dense.npz: holds the dense layers 'a.*', 'b.*', but not what stands "
    "between them; if it is the same behind each but the last, name it: --activation relu, in "
    "Python activation='relu' (known: relu, sigmoid, tanh, softmax); else write .onnx, or give the "
    "module to from_torch",
    "export dense.npz --activation relu --head last": "dense.npz: a network of dense layers alone "
    "has no last step to select; use --head each (last_step=False)",
    "export net.onnx --head each": "net.onnx: the file gives the last step; leave head out, which "
    "is for files of weights alone",
    "export net.onnx --activation relu": "net.onnx: the file ends with no activation, not relu; "
    "leave activation out, which is for files of weights alone",
    "export net.tflite --head each": "net.tflite: the file gives the last step; leave head out",
    "export int8.npz --head each": "int8.npz: the file gives the last step; leave head out",
    "profile int8.npz --order lstm1,dense1": "int8.npz: the file gives the order of its layers; "
    "leave order out, which is for files of weights alone",
    "profile dense.npz --order a": "dense.npz: order leaves 'b' out; each of 'a', 'b' is needed",
    "export dense.npz --activation relu --order b,a": "dense.npz: order is 'b', 'a', in which the "
    "sizes do not fit: 'b.*' dense 4 -> 3, 'a.*' dense 5 -> 4",
    "export --order a,b": "--head, --activation, --order and --node are for files; give MODEL",
    "profile --cell lstm --input 5 --hidden 8 --order a": "a MODEL, --head, --activation and "
    "--order do not go with sizes such as --hidden",
    "export net.npz --form fused --target cmsis-nn --streaming": "target 'cmsis-nn' cannot run",
    "export net.npz --calibration zero.npy": "zero.npy: calibration is zero everywhere, so no "
    "range can be read off it; give real input",
    "export net.npz --calibration words.npy": "words.npy: array 'words.npy' holds <U1, not numbers",
    "export net.npz --calibration pipe.npy": "pipe.npy is a pipe, not a file; give a file of "
    "typical input sequences",
    "export net.npz --calibration x.npy --labels long.npy": "long.npy: labels are int64 of shape "
    "(5,); one integer class for each of 6 sequences is needed",
    "export net.npz --calibration x.npy --labels pipe.npy": "pipe.npy is a pipe, not a file",
    "export int8.npz --precision hybrid": "int8.npz: the file is in int8 already, and --precision "
    "is hybrid; give the float32 network",
    "profile int8.npz --precision float32": "int8.npz: the file is in int8 already",
    "profile a/period_ms.npz --period-ms 3": "a/period_ms.npz does not exist",
    "profile --sleep deep": "sleep and battery need --period-ms",
    "profile --cell lstm --cell gru --input 5 --hidden 8": "--cell is given twice; it takes one "
    "value: give one",
    "export net.npz --steps 3 --steps=4": "--steps is given twice",
    "export net.npz -o a --out b": "--out is given twice",
    "verify net.onnx --sequences 2 --sequences 2": "--sequences is given twice",
    "profile --csv --json": "--json and --csv both write to standard output",
    "profile net.npz --cell lstm --input 5 --hidden 8": "a MODEL, --head, --activation and --order "
    "do not go with sizes",
    "profile --cell lstm --input 5 --hidden 8 --activation relu": "a MODEL, --head, --activation",
    "export absent.npz --labels long.npy": "--labels needs --calibration: a class for each of its",
    "export absent.npz --target tflm --formats tflite,onnx": "--formats onnx does not go with "
    "--target tflm, which reads .tflite; leave one of them out",
    "verify net.csv net.onnx": "net.csv: files of type '.csv' are not run; these are: .onnx",
    "export net.npz --calibration net.csv": "net.csv: not a table of numbers, one time step a "
    "line, values split by commas: line 1 holds names ('ax'); remove that line",
    "export --device=": "--device is empty; give a value, or leave it out",
}


@pytest.mark.parametrize("words, expected", ERRORS.items(), ids=ERRORS)
def test_errors_name_the_file_first_and_what_to_type(
    words: str, expected: str, here: Path, capsys: Captured
) -> None:
    assert run(*words.split()) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {expected}")


@pytest.mark.parametrize(
    "words, expected",
    [
        (["export", "--device", ""], "--device is empty"),
        (["export", "-o", " "], "-o is empty"),
        (["export", ""], "an argument is empty"),
        (["profile", "--kernels", ""], "--kernels is empty"),
        (["devices", ""], "an argument is empty"),
        (["verify", "--steps", ""], "--steps is empty"),
    ],
)
def test_what_is_given_empty_is_an_error(words: list[str], expected: str, capsys: Captured) -> None:
    assert run(*words) == 2
    assert capsys.readouterr().err == f"error: {expected}; give a value, or leave it out\n"


def test_the_report_and_the_table_say_what_integers_stand_for(here: Path, capsys: Captured) -> None:
    words = ("export", "net.npz", "--calibration", "x.npy", "--formats", "tflite")
    assert run(*words) == 0
    printed = capsys.readouterr().out
    report = json.loads((here / "edgelstm-out/net_int8_report.json").read_text())
    written: Any = read("edgelstm-out/net_int8.tflite")  # as the file's own tensors say it
    for name in ("input", "output"):
        scale, zero = getattr(written, f"{name}_scale"), getattr(written, f"{name}_zero_point")
        assert report[name] == {"type": "int8", "scale": scale, "zero_point": zero}
        sign = "-" if zero >= 0 else "+"
        assert f"int8 q stands for {scale:.9g} * (q {sign} {abs(zero)})" in printed
    assert report["failures"] == []


@pytest.mark.parametrize("precision", ["float32", "hybrid"])
def test_real_ends_have_no_scale_and_hybrid_no_random_calibration(
    precision: str, here: Path, capsys: Captured
) -> None:
    assert run("export", "net.npz", "--precision", precision) == 0
    printed = capsys.readouterr()
    report = json.loads((here / f"edgelstm-out/net_{precision}_report.json").read_text())
    assert report["input"] == {"type": "float32", "scale": None, "zero_point": None}
    assert report["accuracy"]["calibration"] == "none" and report["steps"] == 100
    assert "calibration" not in printed.err and "stands for" not in printed.out
    assert ("dB against float" in printed.out) is (precision == "hybrid")


def test_one_step_is_no_plural(here: Path, capsys: Captured) -> None:
    assert run("export", "net.npz", "--steps", 1, "--formats", "tflite") == 0
    assert "int8, 1 step a call" in capsys.readouterr().out


@pytest.mark.parametrize("precision, other", [("int8", "hybrid"), ("hybrid", "use --precision f")])
def test_a_low_signal_names_another_precision(precision: str, other: str) -> None:
    report = export_report(
        answer=answer(precision=precision),
        accuracy=Accuracy("file", snr_db=3.0),
        verified=(Verified("f", "tflm", "ok", None, 1, 0, 0.0, 0),),
    )
    [warning] = cautions.cautions(report)
    assert "is 3.0 dB, below 20 dB" in warning and other in warning
    assert precision == "int8" or "hybrid" not in warning


def test_a_failed_check_of_verify_is_one_line_when_quiet(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    path = write(quantize(HEAD, X), "int8.tflite")
    crashed = isolation.Execution("crashed", "died by SIGSEGV")
    monkeypatch.setattr(isolation, "execute", lambda *a, **k: crashed)
    assert run("verify", path, "--quiet") == 1
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert last.startswith("failed: int8.tflite in tflm: died by SIGSEGV; ") and not printed.out


def test_install_lines_are_not_broken(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    line = 'pip install "edgelstm[tflite-runtime]" (needs an environment with Python <= 3.11)'
    found = [doctor.Package("a", None, "checking .tflite files", line)]
    monkeypatch.setattr(doctor, "_packages", lambda: iter(found))
    monkeypatch.setattr(doctor, "_runtimes", lambda: iter(()))
    assert run("doctor") == 0
    assert line in capsys.readouterr().out.splitlines()
    tables.print_verified([skipped("r", line)])
    assert f"r: {line}" in capsys.readouterr().out.splitlines()


def test_doctor_says_each_thing_once(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "numba" else found(name)
    )
    monkeypatch.setattr("importlib.metadata.version", absent)
    assert run("doctor") == 0
    printed = capsys.readouterr().out
    for what in ("numba is not installed", "tflite-runtime is not installed", platform.machine()):
        assert printed.count(what) == 1
    assert printed.count("checking") == 1


def absent(name: str) -> str:
    raise importlib.metadata.PackageNotFoundError(name)


def skipped(runtime: str, reason: str) -> Verified:
    return Verified("f", runtime, "skipped", reason, 0, None, None, 0)


def test_verify_names_a_runtime_once(capsys: Captured) -> None:
    reasons = {"tflite-runtime": "tflite-runtime is not installed: x", "tflm": "died by SIGSEGV"}
    tables.print_verified([skipped(*found) for found in reasons.items()])
    last = capsys.readouterr().out.splitlines()[-2:]
    assert last == ["tflite-runtime is not installed: x", "tflm: died by SIGSEGV"]


@pytest.mark.parametrize("room", [80, 100, 200])
def test_names_stay_whole_and_nothing_is_cut(room: int) -> None:
    rows = [
        ("stm32l4r5-smps", "cortex-m0plus", "13,824 KiB", "interval, no measurement behind it"),
        ("x", "y", "1", "systems/github.com/mlcommons/tiny_results_a_long_address, and more"),
    ]
    widths = output.column_widths(("name", "core", ">RAM", "source"), rows, room)
    assert widths[:3] == [14, 13, 10] and widths[3] >= 11
    assert sum(widths) + 2 * 3 <= max(room, 43 + output.LONG_WORD)


def test_options_that_keep_all_values_and_flags_may_stand_twice(capsys: Captured) -> None:
    devices = ["--device", "rp2040", "--device", "stm32u575"]
    assert run("profile", *devices, "--json", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["profiles"]) == 2
