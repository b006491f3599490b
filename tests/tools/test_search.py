"""`search --costs`, `size` and `devices --for`: what they print, their exit codes, bad input."""

import csv
import io
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from edgelstm.model.sizes import shapes
from edgelstm.searching.conditions import KINDS
from edgelstm.tools.ranges import whole_numbers
from tests.tools.test_cli import run

Captured = pytest.CaptureFixture[str]

POINT = {
    *("cell", "hidden_size", "layers", "precision", "projection", "bidirectional", "device"),
    *("macs", "energy_uj", "energy_period_uj", "average_mw", "latency_us", "flash_bytes"),
    *("ram_bytes", "fits", "accepted", "reason"),
}
ROW = {
    *("cell", "precision", "layers", "hidden_size", "macs", "parameters", "latency_us"),
    *("energy_uj", "average_mw", "battery_days", "flash_bytes", "ram_bytes", "binds", "reason"),
}
RANKED = {
    *("rank", "device", "energy_uj", "energy_period_uj", "average_mw", "latency_us"),
    *("battery_days", "fits", "meets", "told_apart_from_next", "basis", "reason"),
}


def answer(capsys: Captured, *words: object, code: int = 0) -> dict[str, Any]:
    assert run(*words, "--json") == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_costs_of_a_space_are_the_promised_object(capsys: Captured) -> None:
    asked = ("--device", "stm32u575", "--device", "rpi-5", "--precision", "int8,hybrid")
    found = answer(capsys, "search", "--costs", *asked, "--period-ms", "20")
    assert set(found) == {
        *("command", "version", "schema", "space", "devices", "period_ms", "sleep"),
        *("accepted", "rejected", "points"),
    }
    assert (found["schema"], found["devices"]) == (1, ["stm32u575", "rpi-5"])
    assert (found["period_ms"], found["sleep"]) == (20, "deep")
    assert found["space"]["hidden"] == list(range(4, 65, 4))
    assert (found["space"]["input_size"], found["space"]["outputs"]) == (12, 9)
    assert found["space"]["steps"] == 29
    assert tuple(found["rejected"]) == KINDS
    assert len(found["points"]) == 2 * 2 * 64
    assert found["accepted"] + sum(found["rejected"].values()) == len(found["points"])
    assert found["rejected"]["unsupported"] == 64  # hybrid on a microcontroller
    assert all(set(point) >= POINT for point in found["points"])


def test_costs_are_for_the_data_that_are_given(tmp_path: pathlib.Path, capsys: Captured) -> None:
    path = tmp_path / "mine.npz"
    x, y = np.zeros((10, 6, 3), np.float32), np.arange(10) % 2
    np.savez(path, x=x, y=y)
    asked = ("--cell", "lstm", "--hidden", "4", "--layers", "1")
    found = answer(capsys, "search", "--costs", *asked, "--data", path)
    sizes = [found["space"][name] for name in ("input_size", "outputs", "steps")]
    assert sizes == [3, 2, 6]
    assert [point["macs"] for point in found["points"]] == [4 * 4 * (3 + 4) + 4 * 2]


def test_a_table_has_a_row_per_point(capsys: Captured) -> None:
    assert run("search", "--costs", "--csv", "--cell", "gru", "--hidden", "8,16") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["hidden_size"], row["layers"]) for row in rows] == [
        *(("8", "1"), ("8", "2")),
        *(("16", "1"), ("16", "2")),
    ]
    for row in rows:
        network = shapes("gru", 12, int(row["hidden_size"]), layers=int(row["layers"]), outputs=9)
        assert network.n_parameters < int(row["flash_bytes"])
        assert float(row["energy_uj_low"]) < float(row["energy_uj_high"])
        assert row["energy_period_uj_low"] == ""


def test_the_terminal_says_how_it_waits_and_what_is_refused(capsys: Captured) -> None:
    asked = ("--hidden", "16:512:496", "--device", "stm32u575", "--device", "rpi-5")
    assert run("search", "--costs", *asked, "--period-ms", "5", "--battery", "cr2032") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "8 candidates on 2 devices 12 -> 9, 29 steps a call;" in text
    assert "stm32u575: a step every 5 ms, between them it waits in deep sleep (Stop 2, full" in text
    assert "rpi-5: a step every 5 ms, between them it waits with clocks on; no deep sleep" in text
    assert "does not keep up (" in text
    assert run("search", "--costs", "--hidden", "8") == 0
    assert "the step alone; with --period-ms the waiting counts too" in capsys.readouterr().out


def test_two_directions_and_projections_are_candidates_too(capsys: Captured) -> None:
    asked = ("--cell", "lstm", "--hidden", "8", "--layers", "1", "--bidirectional")
    found = answer(capsys, "search", "--costs", *asked, "--projection", "4,8")
    got = [(p["projection"], p["bidirectional"], p["accepted"]) for p in found["points"]]
    assert got == [(4, False, True), (4, True, True), (8, False, False), (8, True, False)]


def test_no_point_that_is_left_is_exit_1(capsys: Captured) -> None:
    asked = ("--costs", "--hidden", "512", "--layers", "2", "--device", "stm32l476")
    found = answer(capsys, "search", *asked, code=1)
    assert (found["accepted"], found["rejected"]["flash"]) == (0, 2)
    assert run("search", *asked, "--quiet") == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "failed: every point is refused\n")


def test_size_is_the_promised_object(capsys: Captured) -> None:
    asked = ("--cell", "lstm,gru", "--precision", "int8", "--layers", "1", "--battery", "3000")
    found = answer(capsys, "size", *asked)
    assert set(found) >= {
        *("command", "version", "device", "input_size", "outputs", "period_ms", "battery"),
        *("min_days", "sleep", "end", "rows", "advice", "waiting_days"),
    }
    assert (found["device"], found["input_size"], found["outputs"]) == ("stm32u575", 12, 9)
    assert (found["period_ms"], found["min_days"], found["end"]) == (20, 365, "high")
    assert all(set(row) == ROW for row in found["rows"])
    assert answer(capsys, "size", *asked, "--typical")["end"] == "typical"


def test_size_begins_with_what_to_take(capsys: Captured) -> None:
    assert run("size", "--cell", "lstm", "--precision", "int8", "--layers", "1") == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("take 1 lstm layer of 2 units in int8, 155 parameters (the battery bi")
    assert run("size", "--min-days", "1000") == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("stm32u575: waiting alone empties the battery in 844 days, and")
    assert printed.err.startswith("failed: stm32u575: waiting alone")
    tiny = ("--cell", "gru", "--precision", "int8", "--period-ms", "0.01", "--min-days", "0")
    assert answer(capsys, "size", *tiny, code=1)["rows"][0]["hidden_size"] == 0
    assert run("size", *tiny) == 1
    assert "room for no network of one unit: 1 unit: a step takes " in capsys.readouterr().out


def test_devices_are_ranked_in_the_promised_object(capsys: Captured) -> None:
    asked = ("--period-ms", "20", "--budget-uj", "30", "--battery", "cr2032", "--min-days", "20")
    found = answer(capsys, "devices", "--for", "japanese_vowels", *asked)
    assert set(found) >= {
        *("command", "version", "model", "precision", "period_ms", "sleep", "budget_uj"),
        *("budget_ms", "battery", "min_days", "ranking"),
    }
    assert (found["model"], found["sleep"], found["budget_ms"]) == ("japanese_vowels", "deep", None)
    assert all(set(row) >= RANKED for row in found["ranking"])
    ranks = [row["rank"] for row in found["ranking"]]
    n = len(ranks) - ranks.count(None)
    assert ranks == [*range(1, n + 1), *[None] * (len(ranks) - n)]


def test_devices_are_ranked_for_sizes_too(capsys: Captured) -> None:
    sizes = ("--cell", "gru", "--input", "12", "--hidden", "16", "--outputs", "9")
    assert answer(capsys, "devices", *sizes)["model"] == "gru_12_16_outputs9"
    assert run("devices", *sizes, "--budget-uj", "0.001") == 1
    printed = capsys.readouterr()
    assert "Beyond what was asked" in printed.out and "Not ranked" in printed.out
    assert printed.err == "failed: no device meets what is asked of gru_12_16_outputs9\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("search --costs --json --csv", "--json and --csv both write"),
        ("search --costs --cell lsm", "cell 'lsm' is unknown"),
        ("search --costs --cell ,", "cell '' is unknown"),
        ("search --costs --hidden 64:4", "--hidden: '64:4' is backwards; give 4:64"),
        ("search --costs --hidden 0", "--hidden: '0' has a 0"),
        ("search --costs --hidden -8", "--hidden: '-8' is neither a whole number nor"),
        ("search --costs --hidden 8:64:0", "--hidden: '8:64:0' has a 0"),
        ("search --costs --hidden 1:2:3:4", "is neither a whole number nor a range"),
        ("search --costs --hidden 8,,16", "--hidden: '' is neither"),
        ("search --costs --layers two", "--layers: 'two' is neither"),
        ("search --costs --hidden 1:99999999", "has more than 1,000,000 numbers"),
        ("search --costs --precision int4", "precision 'int4' is unknown"),
        ("search --costs --device stm32", "device 'stm32' is unknown"),
        ("search --costs --period-ms -3", "--period-ms is -3.0"),
        ("search --costs --period-ms nan", "--period-ms is nan"),
        ("search --costs --period-ms often", "Invalid value for '--period-ms'"),
        ("search --costs --battery cr2032", "need --period-ms: how often"),
        ("search --costs --period-ms 3 --battery aa", "battery is 'aa'"),
        ("search --costs --period-ms 3 --battery nan", "battery is 'nan'"),
        ("search --costs --max-energy-uj 0", "--max-energy-uj is 0.0"),
        (
            "search --costs --max-energy-uj 0.01",
            "--max-energy-uj is 0.01 and no candidate meets",
        ),
        ("search --costs --objectives speed", "objective 'speed' is unknown"),
        ("search --costs --input 0", "--input is 0"),
        ("size --min-days -1", "--min-days is -1.0"),
        ("size --battery nan", "battery is 'nan'"),
        ("size --period-ms 0", "--period-ms is 0.0"),
        ("size --precision hybrid", "lstm in hybrid: no file yet"),
        ("size --layers 2:1", "--layers: '2:1' is backwards"),
        ("devices --budget-uj 5", "give --for MODEL, or --cell and sizes"),
        ("devices --for japanese_vowels --hidden 4", "--for MODEL does not go with sizes"),
        ("devices rpi-5 --for japanese_vowels", "'rpi-5' shows one device"),
        ("devices --for none.npz", "none.npz does not exist"),
        ("size --layers 1:1024", "layers is above 8"),
        ("devices --for japanese_vowels --min-days 3", "--min-days needs a battery"),
        ("devices --cell gru --input 4", "--hidden missing"),
    ],
)
def test_bad_input_is_one_line(command: str, told: str, capsys: Captured) -> None:
    assert run(*command.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("error: ") and told in line


def test_ranges_hold_both_ends() -> None:
    assert whole_numbers("8:128:8", "--hidden") == tuple(range(8, 129, 8))
    assert whole_numbers("1:2", "--layers") == (1, 2)
    assert whole_numbers(" 4 , 4, 8", "--hidden") == (4, 8)
