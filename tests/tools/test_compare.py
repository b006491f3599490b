"""`compare`: its figures are those of `export` and `profile`, and each device gets its file."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.comparison import comparing
from edgelstm.comparison.measuring import Data
from edgelstm.comparison.table import Comparison
from edgelstm.files.disk import read_contents
from edgelstm.formats import write
from edgelstm.model.precision import FORMS, PRECISIONS
from tests.networks import bidirectional_network, random_input, random_network
from tests.tools.test_cli import run

Captured = pytest.CaptureFixture[str]
DEVICES = ("stm32u575", "rpi-5")
ROW_KEYS = (
    *("precision", "form", "files", "snr_db", "accuracy", "mismatches", "measured_us_per_step"),
    *("devices", "reason"),
)
DEVICE_KEYS = ("device", "fits", "latency_us", "energy_uj", "basis", "use", "reason")


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command without kernels that are compiled to be timed."""
    monkeypatch.setattr(comparing, "_timed", lambda made, data, tell: made)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without running the files: what they compute is checked elsewhere."""
    monkeypatch.setattr(comparing, "verified", lambda network, paths, tell: ())
    monkeypatch.setattr(comparing, "measured_arena", lambda paths, tell: None)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()


def lying(folder: Path) -> list[Path]:
    """What lies in a folder, but what ONNX Runtime keeps of its own in the temporary one."""
    return sorted(path for path in folder.rglob("*") if path.name != ".ses")


def given(cell: str) -> tuple[str, ...]:
    """Model, calibration and labels in files, as words of a command."""
    network = random_network(cell, (5, 12), outputs=4, last_step=True)
    write(network, Path("net.npz"))
    np.save("x.npy", random_input(network, 6, 9))
    np.save("y.npy", np.arange(6) % 4)
    return ("net.npz", "--calibration", "x.npy", "--labels", "y.npy")


def report(capsys: Captured, *words: object) -> Any:
    assert run(*words, "--json", "--quiet") == 0
    return json.loads(capsys.readouterr().out)


def row_of(table: Any, precision: str, form: str | None) -> Any:
    (row,) = [r for r in table["rows"] if (r["precision"], r["form"]) == (precision, form)]
    return row


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_figures_are_those_of_export_and_profile(cell: str, capsys: Captured) -> None:
    words = given(cell)
    table = report(capsys, "compare", *words)
    assert table["model"] == "net"
    compared = 0
    for row in table["rows"]:
        if not row["files"]:
            continue
        asked = ["--precision", row["precision"], *(["--form", row["form"]] if row["form"] else [])]
        for on in row["devices"]:
            if on["device"] == "stm32u575" and row["precision"] == "hybrid":
                continue  # `export` refuses it
            out = f"{row['precision']}-{row['form']}-{on['device']}"
            to = ("--device", on["device"], "-o", out)
            own = on["device"] == "stm32u575"  # a core that has a kernel
            formats = ("--formats", "tflite,onnx,c") if own else ()
            run("export", *words, *asked, *to, *formats, "--json", "--quiet")
            one = json.loads(capsys.readouterr().out)
            made = [a for a in one["artifacts"] if a["format"] != "c"]
            sizes = [(a["format"], a["bytes"], a["for"]) for a in made]
            files = [tuple(file.values()) for file in row["files"] if file["format"] != "c"]
            assert files == sizes
            found, shares = one["accuracy"], [v["mismatches"] for v in one["verified"]]
            assert row["snr_db"] == found["snr_db"]
            which = "float" if row["precision"] == "float32" else "quantized"
            assert row["accuracy"] == found[which]
            assert row["mismatches"] == sum(n for n in shares if n is not None) == 0
            assert on["fits"] == one["fit"]["fits"]
            step = {key: one["per_step"][key] for key in ("latency_us", "energy_uj", "basis")}
            assert {key: on[key] for key in step} == step
            file = next(a["path"] for a in one["artifacts"])
            more = ("--kernels", one["per_step"]["kernels"]) if own else ()
            told = report(capsys, "profile", file, *to[:2], "--precision", row["precision"], *more)
            assert {key: told[key] for key in step} == step
            assert told["fit"]["fits"] == on["fits"]
            compared += 1
    assert compared == (11 if cell == "lstm" else 7)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("cell", CELLS)
def test_each_device_gets_the_file_that_export_writes_for_it(cell: str) -> None:
    network = random_network(cell, (5, 12), outputs=4, last_step=True)
    table = edgelstm.compare(network, random_input(network, 6, 9), measure=False)
    mcu, sbc = table.chosen("stm32u575"), table.chosen("rpi-5")
    assert mcu and (mcu.precision, mcu.form) == ("int8", "fused" if cell == "lstm" else "composed")
    assert sbc and sbc.precision == "hybrid"
    for device in DEVICES:
        uses = [on.use for row in table.rows for on in row.devices if on.device == device]
        assert len([use for use in uses if use]) == 1


@pytest.fixture(scope="module")
def of_a_gru() -> Comparison:
    network = random_network("gru", (5, 12), outputs=4, last_step=True)
    return edgelstm.compare(network, random_input(network, 6, 9), measure=False)


def test_a_form_that_a_cell_has_not_is_a_row_with_the_reason(of_a_gru: Comparison) -> None:
    table = of_a_gru
    chosen = [row and row.name for row in map(table.chosen, DEVICES)]
    assert chosen == ["int8 composed", "hybrid"] and table.failures == ()
    assert all(row.mismatches == (0 if row.files else None) for row in table.rows)
    kinds = [(row.precision, row.form) for row in table.rows]
    assert set(kinds) == {(p, None) for p in PRECISIONS} - {(p, None) for p, _ in FORMS} | set(
        FORMS
    )
    for row in table.rows:
        if row.form == "fused":
            assert "a gru has no fused" in (row.reason or "")
            assert (row.files, row.devices, row.verified) == ((), (), ())
        else:
            assert row.reason is None and row.files
            folder = ["c"] if row.precision != "hybrid" else []
            assert [f.format for f in row.files] == ["tflite", "onnx", *folder]


def test_keys_are_those_that_are_agreed(of_a_gru: Comparison) -> None:
    table = of_a_gru.to_dict()
    assert list(table) == ["model", "rows"]
    for row in table["rows"]:
        assert tuple(row) == ROW_KEYS and row["measured_us_per_step"] is None
        assert all(tuple(on) == DEVICE_KEYS for on in row["devices"])
        assert all(tuple(file) == ("format", "bytes", "for") for file in row["files"])
    json.dumps(table, allow_nan=False)


@pytest.mark.slow
def test_a_step_is_timed_where_a_network_runs() -> None:
    network = random_network("gru", (5, 3))
    table = edgelstm.compare(network, random_input(network, 2, 5), devices=["rpi-5"])
    for row in table.rows:
        assert (row.measured_us_per_step is not None) == bool(row.files)
        assert row.measured_us_per_step is None or row.measured_us_per_step > 0


@pytest.mark.slow
def test_both_directions_are_timed_as_a_sequence() -> None:
    network = bidirectional_network()
    x = random_input(network, 2, 5)
    assert comparing._call(network, Data("file", (x,), (x,)))[1] == 5
    assert comparing._call(random_network("lstm", (5, 3)), Data("file", (x,), (x,)))[1] == 1


@pytest.mark.usefixtures("untimed", "unchecked")
def test_nothing_is_written_unless_a_folder_is_named(capsys: Captured, tmp_path: Path) -> None:
    words = given("gru")
    before = lying(tmp_path)
    table = report(capsys, "compare", *words)
    assert lying(tmp_path) == before
    again = report(capsys, "compare", *words, "-o", "out")
    names = {path.name for path in Path("out").iterdir()}
    assert "net_int8.tflite" in names and "net_compare.json" in names
    assert len(names) == 1 + sum(len(row["files"]) for row in table["rows"])
    assert json.loads(Path("out/net_compare.json").read_text()) == again
    for row in again["rows"]:
        for file in row["files"]:
            ends = "_c" if file["format"] == "c" else f".{file['format']}"
            contents = read_contents(Path(f"out/net_{row['precision']}{ends}"))
            assert sum(map(len, contents.values())) == file["bytes"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--labels", "short.npy"), "one integer class for each of 6 sequences is needed"),
        (("--device", "rpi-9"), "rpi-9"),
        (("--steps", "0"), "steps"),
        (("--calibration", "none.npy"), "none.npy"),
        (("-o", "net.npz"), "net.npz"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_nothing_is_written(
    words: tuple[str, ...], told: str, capsys: Captured, tmp_path: Path
) -> None:
    model, *_ = given("gru")
    np.save("short.npy", np.arange(5) % 4)
    asked = ("--calibration", "x.npy") if "--calibration" not in words else ()
    before = lying(tmp_path)
    assert run("compare", model, *asked, *words, "--quiet") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and told in error
    assert lying(tmp_path) == before


def test_a_quantized_file_is_refused(capsys: Captured) -> None:
    network = random_network("lstm", (5, 3))
    write(edgelstm.quantize(network, random_input(network, 2, 5)), Path("net_int8.npz"))
    assert run("compare", "net_int8.npz", "--quiet") == 2
    assert "int8 already" in capsys.readouterr().err


def test_an_interrupt_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    words = given("gru")
    monkeypatch.setattr("edgelstm.comparison.comparing.measure", interrupted)
    assert run("compare", *words, "-o", "out", "--quiet") == 130
    assert not Path("out").exists() and lying(tmp_path / "temporary") == []


@pytest.mark.usefixtures("untimed", "unchecked")
def test_what_is_printed_names_the_file_for_each_device(capsys: Captured) -> None:
    assert run("compare", *given("gru")) == 0
    printed = capsys.readouterr()
    assert "making int8 composed" in printed.err
    lines = [line for line in printed.out.splitlines() if re.search(r" use (the|\.)", line)]
    assert "use the C folder" in lines[0] and "use .tflite" in lines[1]
    assert [line.split()[:3] for line in lines] == [
        ["stm32u575", "int8", "composed"],
        ["rpi-5", "hybrid", "yes"],
    ]
