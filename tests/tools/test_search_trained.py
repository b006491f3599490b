"""`edgelstm search` behind the costs: tables, files, exit codes, one line for each mistake."""

import csv
import io
import json
import pathlib
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.searching.searching import search
from edgelstm.tools import scatter, search_page, search_trained
from edgelstm.tools.search import SearchOptions, Training
from tests.pages import Tables, assert_drawn, in_a_browser
from tests.searching import trainers
from tests.tools.test_cli import run

SMALL = ["--cell", "lstm", "--hidden", "2,3,4", "--layers", "1", "--epochs", "1"]
QUICK = ("--train", "tests.searching.trainers:quick", "--quiet")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("data") / "data.npz"
    found = trainers.data()
    np.savez(path, **found, x_test=found["x"][:9], y_test=found["y"][:9])
    return path


@pytest.fixture(scope="module")
def folder(data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What a search of two devices with a period wrote."""
    out = tmp_path_factory.mktemp("out") / "o"
    more = ["--data", str(data), "-o", str(out), "--workers", "1", "--repeats", "2"]
    more += ["--device", "stm32u575", "--device", "rp2040", "--period-ms", "20"]
    assert run("search", *SMALL, *QUICK, *more, "--battery", "cr2032") == 0
    return out


def test_everything_lies_in_the_folder(folder: pathlib.Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert {"search.jsonl", "weights", "front.json", "front.csv", "front.html"} <= names
    found = json.loads((folder / "front.json").read_text())
    chosen = found["chosen"]["candidate"]
    stem = f"{chosen['key'].removesuffix('-int8')}_int8"
    assert {f"{stem}.tflite", f"{stem}.onnx", f"{stem}_report.json"} <= names
    assert found["export"] == json.loads((folder / f"{stem}_report.json").read_text())
    assert {row["mismatches"] for row in found["export"]["verified"]} <= {0, None}
    assert found["export"]["accuracy"]["calibration"] == "file"
    assert [front["device"] for front in found["fronts"]] == ["stm32u575", "rp2040"]
    for front in found["fronts"]:
        energies = [point["energy_period_uj"]["typical"] for point in front["points"]]
        assert energies == sorted(energies) and front["points"][-1]["battery_days"]
        assert all(len(point["repeats"]) == 2 for point in front["points"])
        assert front["points"][-1]["told_apart_from_next"] is None


def test_the_table_of_commas_has_a_row_per_point(folder: pathlib.Path) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "front.csv").read_text())))
    found = json.loads((folder / "front.json").read_text())
    expected = [(f["device"], p) for f in found["fronts"] for p in f["points"]]
    assert [(row["device"], row["key"]) for row in rows] == [
        (device, point["candidate"]["key"]) for device, point in expected
    ]
    for row, (_, point) in zip(rows, expected, strict=True):
        assert float(row["energy_uj_typical"]) == point["energy_uj"]["typical"]
        assert float(row["accuracy_interval_low"]) == point["accuracy_interval"]["low"]


def test_a_page_shows_both_devices_side_by_side(folder: pathlib.Path) -> None:
    text = (folder / "front.html").read_text()
    tables = Tables(text)
    found = json.loads((folder / "front.json").read_text())
    for front in found["fronts"]:
        rows = tables.named(f"Front of {front['device']}")
        assert [row[0] for row in rows[1:]] == [p["candidate"]["key"] for p in front["points"]]
    assert text.count("<svg") == 2 and text.count('class="ring"') == 1
    assert not [link for link in tables.links if not link.startswith("data:")]


@in_a_browser
def test_a_browser_draws_the_page(
    folder: pathlib.Path, tmp_path: pathlib.Path, width: int, scheme: int
) -> None:
    page = tmp_path / "page.html"
    page.write_text((folder / "front.html").read_text())
    assert_drawn(page, width=width, scheme=scheme)


def test_a_table_and_the_chosen_file_stand_on_the_terminal(
    data: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--data", str(data), "-o", str(tmp_path), "--workers", "1", "--budget", "2"]
    assert run("search", *SMALL, *QUICK[:2], *more) == 0
    told = capsys.readouterr()
    assert "Front of accuracy over energy" in told.out and "chosen for stm32u575" in told.out
    lines = [line for line in told.out.split("\n") if str(tmp_path) not in line]
    assert ".tflite (verified in" in told.out and max(map(len, lines)) <= 130
    assert "2 of 2 trainings, all done" in told.err and "hypervolume" in told.err


def test_finished_searches_say_so(
    data: pathlib.Path, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--data", str(data), "-o", str(folder), "--workers", "1", "--json"]
    assert run("search", *SMALL, *QUICK[:2], *more) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trainings"] == 0 and len(found["trained"]) == 3
    assert list(found)[:4] == ["command", "version", "schema", "space"] and found["export"]


REFUSED = [
    ("--budget 0", "--budget is 0"),
    ("--timeout-s nan", "--timeout-s is nan"),
    ("--timeout-s -1", "--timeout-s is -1"),
    ("--workers 0", "--workers is 0"),
    ("--pick nicest", "pick 'nicest' is unknown"),
    ("--engine spark://x", "engine 'spark://x' is unknown"),
    ("--train nothing", "MODULE:FUNCTION is needed"),
    ("--data absent.npz", "absent.npz does not exist"),
    ("--hidden 9:4", "--hidden"),
    ("--hidden 0", "--hidden"),
    ("--period-ms -3", "--period-ms is -3"),
    ("--period-ms 20 --battery none", "battery is 'none'"),
    ("--max-energy-uj 0.0001", "no candidate meets it"),
    ("--min-accuracy 2", "--min-accuracy is 2"),
    ("--json --csv", "give one of them"),
    ("--input 5", "--input of the space is 5, that of the data 3"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[o for o, _ in REFUSED])
def test_a_mistake_is_one_line(
    options: str,
    message: str,
    data: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = {"--train": QUICK[1], "--data": str(data), "-o": str(tmp_path / "o")}
    usual |= {"--hidden": "2,3,4", "--cell": "lstm", "--layers": "1", "--epochs": "1"}
    given = ["--quiet", *options.split()]
    for name, value in usual.items():
        given += [] if name in given else [name, value]
    assert run("search", *given) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ") and message in last


def test_no_point_to_take_is_exit_1(
    data: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [*SMALL, "--quiet", "--data", str(data), "-o", str(tmp_path), "--workers", "1"]
    assert run("search", *more, *QUICK[:2], "--min-accuracy", "1") == 1
    assert "failed: no trained candidate meets the accuracy of 1" in capsys.readouterr().err
    more += ["--fresh", "--train", "tests.searching.trainers:all_fail"]
    assert run("search", *more) == 1
    assert "failed: no front for stm32u575" in capsys.readouterr().err


def test_workers_beyond_the_block_idle_and_are_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = Training(workers=3, block=1)
    assert search_trained.processes(SearchOptions(trainers.SMALL, training=asked)) == 1
    assert "2 of 3 workers idle: a block has 1" in capsys.readouterr().err


def test_missing_packages_name_the_line_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgelstm.searching import searching

    monkeypatch.setattr(searching, "is_installed", lambda name: False)
    assert run("search", "-o", str(tmp_path), "--quiet") == 2
    told = capsys.readouterr().err
    assert 'training needs torch: pip install "edgelstm[search]"' in told and "whl/cpu" in told
    assert run("search", "--costs", "--quiet") == 0


def test_real_answers_have_errors_in_place_of_accuracies(tmp_path: pathlib.Path) -> None:
    given: dict[str, Any] = trainers.data()
    given["y"] = given["x"][:, :, 0].mean(1)
    found = search(trainers.SMALL, given, budget=3, epochs=1, train=trainers.quick)
    point = found.to_dict()["fronts"][0]["points"][0]
    assert {"rmse", "rmse_interval", "float_rmse", "test_rmse"} <= set(point)
    values = [point.score.value for point in found.front()]
    assert values == sorted(values, reverse=True)
    assert found.pick("best").point == found.front()[-1] or found.pick("best").reason
    assert "Front of a search" in search_page.render(found, "edgelstm search")
    with pytest.raises(edgelstm.ModelError, match="meets the rmse of 1e-06: the nearest"):
        found.pick("cheapest", limit=1e-6)


def test_a_scatter_of_one_dot_is_drawn() -> None:
    drawn = scatter.scatter("t", [scatter.Dot("a & b", 3.0, 0.5, True)], "uJ", "up", rising=True)
    assert "a &amp; b" in drawn and drawn.count("<circle") == 1 and "nan" not in drawn


def test_continuous_use_is_drawn_where_its_front_differs() -> None:
    alone = [scatter.Dot("a", 3.0, 0.5), scatter.Dot("b", 2.0, 0.6)]
    for on, charts in (({"a", "b"}, 1), ({"b"}, 0)):
        dots = [scatter.Dot(name, 1.0, 0.5, name in on) for name in ("a", "b")]
        found = list(search_page.continuous("rp2040", alone, dots, "accuracy", True))
        assert len(found) == charts
        assert all("rp2040, without waiting" in title for title, _ in found)
