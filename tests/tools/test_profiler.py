"""edgelstm profile: equal numbers in all four outputs, options, errors."""

import csv
import dataclasses
import io
import json
import pathlib
import re
import subprocess
import sys
import time
from typing import Any

import pytest

from edgelstm.cells import CELLS
from edgelstm.cost.counts import COLUMNS
from edgelstm.devices.device import device_names, read_device
from edgelstm.tools import profile_tables
from edgelstm.tools.profile_request import Options, Shape, read_given
from edgelstm.tools.profiler import costed, main, profile
from tests.pages import Tables

BUNDLED = pathlib.Path(__file__).parents[2] / "edgelstm" / "data" / "japanese_vowels.safetensors"

KEYS = [
    *("model", "precision", "device", "command", "version", "parameters", "layers", "total"),
    *("sequence", "traffic", "fit", "latency_us", "energy_uj", "energy_net_uj", "energy_reason"),
    *("basis", "duty", "advice"),
]
TWO_LAYERS = Options(
    shape=Shape("lstm", 40, 64, layers=2, outputs=9),
    kernels="edgelstm",
    steps=10,
    period_ms=20,
    battery="cr2032",
    compare_counters=True,
)


def output(options: Options, capsys: pytest.CaptureFixture[str], *, as_json: bool = False) -> str:
    main(options, as_json=as_json, quiet=False)
    return capsys.readouterr().out


def report(options: Options, capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(output(options, capsys, as_json=True))


def page(options: Options, tmp_path: pathlib.Path) -> str:
    path = tmp_path / "page.html"
    main(dataclasses.replace(options, html=path), as_json=False, quiet=True)
    return path.read_text()


def counted(found: Any) -> dict[tuple[str, str], list[int]]:
    """(layer, row) to its columns, from the JSON; the network's total is ("total", "total")."""
    rows = {
        (layer["name"], row["name"]): [row[c] for c in COLUMNS]
        for layer in found["layers"]
        for row in (*layer["gates"], layer["cell"], layer["total"])
    }
    return rows | {("total", "total"): [found["total"][c] for c in COLUMNS]}


def integers(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "")) for cell in cells]


def add_up(rows: dict[tuple[str, str], list[int]]) -> None:
    layers = list(dict.fromkeys(layer for layer, _ in rows if layer != "total"))
    for layer in layers:
        parts = [v for (name, row), v in rows.items() if name == layer and row != "total"]
        assert [sum(column) for column in zip(*parts, strict=True)] == rows[layer, "total"]
    totals = [rows[layer, "total"] for layer in layers]
    assert [sum(column) for column in zip(*totals, strict=True)] == rows["total", "total"]


# ---- the four outputs


def from_csv(text: str) -> dict[tuple[str, str], list[int]]:
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["scope"] == "step"]
    return {(row["layer"], row["row"]): [int(row[c]) for c in COLUMNS] for row in rows}


def from_terminal(text: str, names: dict[str, list[str]]) -> dict[tuple[str, str], list[int]]:
    """Blocks of six operations and five kinds of bytes, one after the other per layer."""
    found: dict[tuple[str, str], list[int]] = {}
    for layer, rows in names.items():
        operations, in_bytes = (
            block for block in text.split("\n\n") if block.startswith(f"{layer}: ")
        )
        counts = [line for line in operations.splitlines() if re.search(r"\d( +[\d,]+){5}$", line)]
        sizes = [line.split() for line in in_bytes.splitlines()[2:]]
        for row, line, cells in zip(rows, counts, sizes, strict=True):
            assert cells[0] == row
            found[layer, row] = integers(line.split()[-6:]) + integers(cells[1:6])
    operations, in_bytes = (b for b in text.split("\n\n") if b.startswith("All layers"))
    last = operations.splitlines()[-1].split()[1:], in_bytes.splitlines()[-1].split()[1:]
    return found | {("total", "total"): integers([*last[0], *last[1]])}


def from_page(text: str, names: dict[str, list[str]]) -> dict[tuple[str, str], list[int]]:
    tables, n = Tables(text), len(COLUMNS)
    found = {
        (layer, row): integers(cells[1 : n + 1])
        for layer, rows in names.items()
        for row, cells in zip(rows, tables.named(layer)[1:], strict=True)
    }
    return found | {("total", "total"): integers(tables.named("all")[-1][1:])}


@pytest.mark.parametrize("cell_name", CELLS)
def test_all_outputs_have_equal_numbers_that_add_up(
    cell_name: str, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    shape = dataclasses.replace(TWO_LAYERS.shape, cell=cell_name)
    options = dataclasses.replace(TWO_LAYERS, shape=shape)
    expected = counted(report(options, capsys))
    names: dict[str, list[str]] = {}
    for layer, row in list(expected)[:-1]:
        names.setdefault(layer, []).append(row)
    add_up(expected)
    assert from_csv(output(dataclasses.replace(options, csv=True), capsys)) == expected
    assert from_terminal(output(options, capsys), names) == expected
    assert from_page(page(options, tmp_path), names) == expected


def test_intervals_are_the_same_everywhere(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    found = report(TWO_LAYERS, capsys)
    (pair,) = costed(read_given(TWO_LAYERS)[0], [read_device("stm32u575")], TWO_LAYERS)
    typed = profile(pair, TWO_LAYERS)
    duty = typed.answer.energy.duty
    assert duty is not None
    explained = dataclasses.replace(TWO_LAYERS, explain=True)
    terminal, text = output(explained, capsys), page(TWO_LAYERS, tmp_path)
    rows = [*profile_tables.energy_rows(typed), *profile_tables.duty_rows(duty)]
    assert len(rows) > 8
    for name, value in rows:
        assert f"{name.strip()} " in terminal
        assert value in " ".join(terminal.split())
        assert value in text
    row = from_csv_total(output(dataclasses.replace(TWO_LAYERS, csv=True), capsys))
    for key in ("latency_us", "energy_uj"):
        for end, value in found[key].items():
            assert float(row[f"{key}_{end}"]) == value


def from_csv_total(text: str) -> dict[str, str]:
    return next(row for row in csv.DictReader(io.StringIO(text)) if row["layer"] == "total")


@pytest.mark.parametrize("kernels", [None, "cmsis-nn", "portable", "edgelstm"])
def test_shares_add_up_to_the_estimate(
    kernels: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(dataclasses.replace(TWO_LAYERS, kernels=kernels), capsys)
    assert sum(s["share"] for s in found["shares"]) == pytest.approx(1)
    for key in ("latency_us", "energy_uj"):
        total = sum(s[key] for s in found["shares"])
        assert total == pytest.approx(found[key]["typical"])


def test_json_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(TWO_LAYERS, capsys)
    assert set(KEYS) <= set(found)
    assert list(found["traffic"][0]) == ["level", "read_bytes", "write_bytes", "energy_pj"]
    assert list(found["energy_uj"]) == ["low", "typical", "high"]
    lstm1, lstm2, head = 4 * 64 * (40 + 64), 4 * 64 * (64 + 64), 64 * 9
    assert found["sequence"]["total"]["macs"] == 10 * (lstm1 + lstm2) + head


def test_the_terminal_stays_within_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    devices = ("stm32u575", "rpi-5", "esp32c3", "gap9-065v")
    shape = Shape("lstm_coupled_peephole", 640, 790, layers=3, projection=320, outputs=12)
    options = dataclasses.replace(TWO_LAYERS, shape=shape, devices=devices, kernels=None)
    assert max(len(line) for line in output(options, capsys).splitlines()) <= 100


def test_bundled_model_is_profiled_without_options(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(Options(), capsys)
    for equation in ("i = sigmoid(W_i x + U_i h)", "c = f * c + i * g", "h = o * tanh(c)"):
        assert equation in text
    assert report(Options(), capsys)["model"] == "japanese_vowels"


def test_several_devices_and_two_models_stand_side_by_side(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    options = dataclasses.replace(TWO_LAYERS, devices=("stm32u575", "rpi-5"), precision="int8")
    found = report(options, capsys)["profiles"]
    assert [profile["device"] for profile in found] == ["stm32u575", "rpi-5"]
    text = output(options, capsys)
    assert text.count("lstm1: lstm 40 -> 64") == 1
    assert "Side by side" in page(options, tmp_path)
    model = BUNDLED
    two = report(Options(models=(model, model)), capsys)["profiles"]
    assert len(two) == 2
    assert two[0]["total"] == two[1]["total"]


@pytest.mark.parametrize("name", device_names())
def test_every_device_is_profiled(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    options = dataclasses.replace(TWO_LAYERS, devices=(name,), kernels=None)
    found = report(options, capsys)
    assert found["total"]["macs"] > 0
    assert (found["energy_uj"] is None) == (found["energy_reason"] is not None)
    assert len(page(options, tmp_path)) < 300_000
    for text in found["assumptions"]:
        assert text["source"]


def test_a_network_that_does_not_fit_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(shape=Shape("lstm", 1000, 1000))
    assert main(options, as_json=False, quiet=True) == 1
    assert main(Options(), as_json=False, quiet=True) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ten_layers_of_fifty_million_parameters_take_little_time_and_memory() -> None:
    # VmHWM is the process's own peak; ru_maxrss would hold that of the process that started it.
    code = (
        "import re, sys, time\n"
        "from edgelstm.tools.profile_request import *\n"
        "from edgelstm.tools.profiler import *\n"
        "t = time.perf_counter()\n"
        "main(Options(shape=Shape('lstm', 790, 790, layers=10)), as_json=True, quiet=True)\n"
        "seconds, status = time.perf_counter() - t, open('/proc/self/status').read()\n"
        "print(seconds, re.search(r'VmHWM:\\s+(\\d+) kB', status)[1], file=sys.stderr)"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, kib = (float(n) for n in done.stderr.splitlines()[-1].split())
    assert json.loads(done.stdout)["parameters"] == 49_991_200
    assert seconds < 1
    assert kib < 300_000
    assert time.perf_counter() - began < 10


def test_options_reach_the_command() -> None:
    command = [sys.executable, "-m", "edgelstm", "profile", "--cell", "gru", "--input", "40"]
    command += ["--hidden", "64", "--layers", "2", "--device", "stm32u385", "--device", "rpi-4b"]
    command += ["--period-ms", "20", "--battery", "220", "--sleep", "deep", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["profiles"]
    assert (first["device"], second["device"]) == ("stm32u385", "rpi-4b")
    assert [way["sleep"] for way in first["duty"]["waiting"]] == ["deep"]
    assert first["layers"][1]["name"] == "gru2"
    assert first["command"].startswith("edgelstm profile --cell gru")
