"""What commands refuse: exit 2, one `error:` line, nothing on standard output, no file."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.formats import write
from tests.networks import random_network
from tests.tools.test_cli import Captured, run


def bad_inputs(tmp: Path) -> dict[str, tuple[list[Any], str]]:
    """Words of a command, and what its error line must hold."""
    write(random_network("lstm", (5, 12), outputs=4, last_step=True), tmp / "speech.npz")
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


def test_bad_input_is_exit_2_with_one_error_line(tmp_path: Path, capsys: Captured) -> None:
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


def test_files_are_not_left_behind_by_a_broken_archive(tmp_path: Path, capsys: Captured) -> None:
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("lstm.weight_ih_l0.npy", b"junk")
    assert run("export", tmp_path / "bad.npz", "-o", tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()
