"""The page of `bench`: offline, whole, and readable; in a browser where one is installed."""

import dataclasses
import json
import pathlib
import re

from edgelstm.measurement.energies import Measured, RailEnergy, Spread, Trace, Window
from edgelstm.measurement.results import COLUMNS, Run
from edgelstm.measurement.stored import load_run
from edgelstm.tools import bench_page, charts
from tests.pages import Tables, assert_drawn, in_a_browser
from tests.tools.test_bench import QUICK, RECORDED
from tests.tools.test_cli import Captured, run
from tests.tools.test_page import Nesting


def metered() -> Run:
    """The recorded run, as if a meter had run for its first row."""
    recorded = load_run(RECORDED)
    energy = Measured(
        Spread(8.0, 0.1),
        Spread(4.0, 0.1),
        None,
        "made",
        {"dram": RailEnergy(Spread(3.0, 0.1), Spread(2.0, 0.1))},
        (Window(1.0, 500, 2.0, 8.0, 3.0, 4, None), Window(4.0, 500, 2.0, 8.0, 3.0, 1, "a gap")),
        Trace((0.0, 1.0, 2.0, 6.0), {"all": (3.0, 4.0, 4.0, 3.0), "dram": (1.0, 2.0, 2.0, 1.0)}),
    )
    first, *others = recorded.results
    timing = dataclasses.replace(first.timing, means_us=((1.0, 2.0), (4.0,)))
    first = dataclasses.replace(first, energy=energy, timing=timing)
    return dataclasses.replace(recorded, results=(first, *others), model="<b>&")


def test_the_page_is_whole_and_loads_nothing() -> None:
    text = bench_page.render(metered())
    assert set(Tables(text).links) == {"data:,"}
    assert Nesting(text).open == []
    for part in ("<script", "@import", "url(", "<b>&", "nan"):
        assert part not in text, part
    assert "&lt;b&gt;&amp;" in text and len(text.encode()) < 300_000


def test_its_tables_hold_every_row() -> None:
    given = metered()
    tables = dict(Tables(bench_page.render(given)).tables)
    head, *rows = tables["Every engine, precision and mode"]
    assert head == [name.lstrip(">") for name in COLUMNS]
    assert [row[:3] for row in rows] == [[r.engine, r.precision, r.mode] for r in given.results]
    windows = tables["Windows of repeated steps"][1:]
    assert [row[-1] for row in windows] == ["-", "a gap"]
    skipped = tables["Not measured"] if given.skipped else []
    assert len(skipped) <= len(given.skipped) + 1


def test_power_is_a_line_per_domain_over_shaded_windows() -> None:
    text = bench_page.render(metered())
    assert len(re.findall(r"<polyline class=\"s\d\"", text)) == 2
    assert text.count('<rect class="shade"') == 2
    assert "of the power above idle DRAM takes 50 %; is that so?" in text
    without = bench_page.render(load_run(RECORDED))
    assert "Power over time" not in without and "Windows of repeated" not in without


def test_a_strip_has_a_line_for_each_sample_and_one_for_the_median() -> None:
    text = charts.strips("t", [("a", "b", (1.0, 2.0, 4.0), 2.0)], "us")
    (path,) = re.findall(r'class="sample" d="([^"]+)"', text)
    assert re.findall(r"M([\d.]+),", path) == ["90.0", "180.0", "360.0"]
    assert 'class="mark" x1="180.0"' in text


def test_curves_begin_at_zero_and_end_at_the_right() -> None:
    curve = charts.Curve("a", (0.0, 2.0), "s0")
    text = charts.over_time("t", (0.0, 5.0), [curve], [(0.0, 5.0)], "W")
    assert 'points="44.0,166.0 360.0,12.0"' in text
    assert 'x="44.0" y="12.0" width="316.0"' in text


def test_a_median_outside_of_its_interval_lies_on_the_scale() -> None:
    text = charts.intervals("t", [("a", 2.0, 1.0, 4.0)], "us")
    assert 'class="mark" x1="90.0"' in text


def test_the_command_writes_it_beside_json(tmp_path: pathlib.Path, capsys: Captured) -> None:
    path = tmp_path / "page.html"
    assert run("bench", *QUICK, "--steps", 5, "--json", "--html", path) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["results"][0]["means_us"]
    assert "lstm_3_4" in path.read_text("utf-8")


def test_the_page_does_not_overwrite_the_model(tmp_path: pathlib.Path, capsys: Captured) -> None:
    model = tmp_path / "net.npz"
    model.write_bytes(b"")
    assert run("bench", model, "--html", model) == 2
    assert "would overwrite the model" in capsys.readouterr().err


@in_a_browser
def test_a_browser_draws_it_without_a_complaint(
    tmp_path: pathlib.Path, width: int, scheme: int
) -> None:
    page = tmp_path / "page.html"
    page.write_text(bench_page.render(metered()), "utf-8")
    assert_drawn(page, width=width, scheme=scheme)
