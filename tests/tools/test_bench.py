"""`edgelstm bench`: exit codes, JSON, CSV, what is refused, and what an interrupt leaves."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgelstm.measurement import asking, entrants
from edgelstm.measurement.engines import Engine
from edgelstm.measurement.stored import read_run
from tests.tools.test_cli import Captured, run

SIZES = ("--cell", "lstm", "--input", "3", "--hidden", "4")
RECORDED = Path(__file__).parents[1] / "data/bench_run.json"
QUICK = (*SIZES, "--engines", "reference", "--precision", "float32", "--seconds", "0.3")


def test_json_is_the_whole_of_standard_output(capsys: Captured) -> None:
    assert run("bench", *QUICK, "--json", "--steps", 5) == 0
    got = capsys.readouterr()
    found = json.loads(got.out)
    assert found["model"] == "lstm_3_4"
    assert found["command"].startswith("edgelstm bench --cell lstm")
    assert [row["mode"] for row in found["results"]] == ["step", "sequence"]
    assert read_run(found, "x").to_dict() == found
    assert "taking turns" in got.err


def test_tables_say_what_was_measured_and_what_was_not(capsys: Captured) -> None:
    assert run("bench", *QUICK, "--steps", 5) == 0
    got = capsys.readouterr().out
    for part in ("lstm_3_4", "us per step", "best", "no device file", "use reference float32"):
        assert part in " ".join(got.split()), part


def test_the_table_of_commas_has_a_row_per_engine_precision_and_mode(capsys: Captured) -> None:
    assert run("bench", *QUICK, "--steps", 5, "--csv", "--device", "rpi-5") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["engine"], row["mode"]) for row in rows] == [
        ("reference", "step"),
        ("reference", "sequence"),
    ]
    assert float(rows[0]["median_us_per_step"]) > 0 and rows[0]["verdict"] == "best"
    assert float(rows[0]["paced_p50_us"]) > 0 and rows[1]["paced_p50_us"] == ""


def test_quiet_says_nothing(capsys: Captured) -> None:
    assert run("bench", *QUICK, "--quiet") == 0
    got = capsys.readouterr()
    assert (got.out, got.err) == ("", "")


def test_an_engine_that_differs_fails_and_the_others_are_measured(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "tests.broken_runtimes:prepare_"
    planted = {name: Engine({"float32": place + name}) for name in ("right", "wrong")}
    monkeypatch.setattr(entrants, "ENGINES", planted)
    monkeypatch.setattr(asking, "check_engines", lambda names: None)
    assert run("bench", *SIZES, "--precision", "float32", "--seconds", "0.3", "--json") == 1
    got = capsys.readouterr()
    assert {row["engine"] for row in json.loads(got.out)["results"]} == {"right"}
    assert got.err.splitlines()[-1].startswith("failed: wrong float32 step: differs")


REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "engine": (("--engines", "x"), "engine 'x' is unknown; known: numba"),
    "precision": (("--precision", "int3"), "known: float32"),
    "seconds": (("--seconds", "0"), "a number above 0"),
    "no number": (("--seconds", "soon"), "--seconds"),
    "period": (("--period-ms", "-1"), "--period-ms is -1.0"),
    "device": (("--device", "rpi-6"), "device 'rpi-6' is unknown"),
    "chip": (("--device", "stm32u575"), "kind 'mcu'"),
    "cpu": (("--cpu", "4096"), "cpu is 4096"),
    "both": (("--json", "--csv"), "give one of them"),
    "model": (("absent.pt",), "absent.pt does not exist"),
    "calibration": (("--calibration", "absent.npy"), "absent.npy does not exist"),
    "sizes": (("--hidden", "4"), "--cell, --input missing"),
    "cut": (("--compare", "absent.json", "absent.json"), "absent.json does not exist"),
    "tolerance": (("--compare", RECORDED, RECORDED, "--tolerance", "0"), "--tolerance is 0"),
    "no run": (("--compare", RECORDED, RECORDED.with_name("op_counters.csv")), "is not JSON"),
    "loop": (
        ("--calibrate", "--engines", "numba"),
        "its other options: --seconds, --cpu, --remote",
    ),
    "history": (("--history", "--seconds", "3"), "its other options: none"),
    "compare": (("--compare", RECORDED, RECORDED, "--seed", "3"), "its other options: --tolerance"),
    "log": (("--power", "csv:absent.csv"), "source csv:absent.csv: absent.csv does not exist"),
    "source": (("--power", "lpm01a"), "known: auto, joulescope, pmic, hwmon, rapl, battery, csv"),
    "model and sizes": (("x.pt", *SIZES), "do not go with sizes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_one_line_and_exit_code_2(name: str, capsys: Captured) -> None:
    words, message = REFUSED[name]
    assert run("bench", *words) == 2
    got = capsys.readouterr()
    last = got.err.splitlines()[-1]
    assert got.out == "" and last.startswith("error: ") and message in last


def test_files_of_another_schema_are_not_compared_and_one_line_says_so(
    tmp_path: Path, capsys: Captured
) -> None:
    older = json.loads(RECORDED.read_text("utf-8")) | {"schema": 1}
    (tmp_path / "older.json").write_text(json.dumps(older), "utf-8")
    assert run("bench", "--compare", tmp_path / "older.json", RECORDED) == 2
    got = capsys.readouterr()
    assert got.out == "" and len(got.err.splitlines()) == 1
    assert "schema 1, this version reads 2; measure both with one version" in got.err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_leaves_what_was_measured() -> None:
    words = (*QUICK[:-1], "60", "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "edgelstm", "bench", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stderr
    for line in process.stderr:
        if "taking turns" in line:
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    found = json.loads(out)
    assert found["interrupted"] is True
    assert len(found["results"]) == 2 and found["results"][0]["rounds"] >= 1
    assert found["results"][0]["jitter_reason"] == "it was ended before"


def test_kept_runs_are_listed_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert run("bench", "--history") == 0
    assert "nothing was kept" in capsys.readouterr().out
    assert run("bench", *QUICK, "--save", "--quiet") == 0
    (path,) = (tmp_path / "edgelstm/bench").glob("*.json")
    assert run("bench", "--history") == 0
    assert "lstm_3_4" in capsys.readouterr().out
    assert run("bench", "--compare", RECORDED, RECORDED) == 0
    assert "same" in capsys.readouterr().out
    slow = json.loads(RECORDED.read_text("utf-8"))
    for row in slow["results"]:
        row["fast_us"] = [1.5 * value for value in row["fast_us"]]
    (tmp_path / "slow.json").write_text(json.dumps(slow), "utf-8")
    assert run("bench", "--compare", RECORDED, tmp_path / "slow.json", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert {row["verdict"] for row in found["rows"]} == {"slower"}
    assert run("bench", "--compare", RECORDED, path) == 1
    assert "cannot be compared" in capsys.readouterr().err
