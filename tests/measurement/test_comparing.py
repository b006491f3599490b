"""Two runs: recorded, one slowed by hand, and what cannot be compared."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgelstm.measurement import history
from edgelstm.measurement.comparing import compare
from edgelstm.measurement.results import Process, ReferenceLoops, Run
from edgelstm.measurement.stored import load_run

RECORDED = Path(__file__).parents[1] / "data/bench_run.json"


def slowed(run: Run, by: float, width: float = 0.0) -> Run:
    """Every row `by` as slow as the loops, and five processes `width` apart."""
    made = [1 - width, 1.0, 1 + width, 1.0, 1.0]
    loops = ReferenceLoops(10.0, 100.0)
    rows = tuple(
        dataclasses.replace(
            row,
            timing=dataclasses.replace(row.timing, fast_us=tuple(2.0 * by * one for one in made)),
        )
        for row in run.results
    )
    return dataclasses.replace(run, results=rows, processes=(Process(60, loops),) * len(made))


@pytest.mark.parametrize(
    ("by", "width", "expected"),
    [
        (1.0, 0.01, "same"),
        (1.10, 0.01, "slower"),
        (1 / 1.10, 0.01, "faster"),
        (1.06, 0.01, "too noisy"),
        (1.10, 0.04, "too noisy"),
        (1.0, 0.04, "too noisy"),
    ],
)
def test_changes_are_told_where_the_interval_lies_beyond_the_tolerance(
    by: float, width: float, expected: str
) -> None:
    run = load_run(RECORDED)
    found = compare(("a", slowed(run, 1, width)), ("b", slowed(run, by, width)), 5.0)
    assert found.comparable and len(found.rows) == len(run.results)
    assert {row.verdict for row in found.rows} == {expected}
    for row in found.rows:
        assert row.change_percent.typical == pytest.approx(100 * (by - 1), abs=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_runs_of_few_processes_are_not_compared(n: int) -> None:
    run = load_run(RECORDED)
    few = dataclasses.replace(run, processes=run.processes[:n])
    for a, b, which in ((few, run, "first"), (run, few, "second")):
        found = compare(("a", a), ("b", b), 5)
        assert not found.comparable
        assert f"the {which} has {n} measuring process" in str(found.reason)
        assert "measure again with more seconds" in str(found.reason)


def recorded(name: str) -> Run:
    return load_run(RECORDED.with_name(f"bench_run{name}.json"))


def test_two_recorded_runs_of_one_build_have_no_row_beyond_the_tolerance() -> None:
    found = compare(("a", recorded("")), ("b", recorded("_again")), 5.0)
    assert {row.verdict for row in found.rows} <= {"same", "too noisy"}


def test_a_recorded_run_whose_own_engine_did_ten_percent_more_is_not_called_the_same() -> None:
    for name in ("", "_again"):
        found = compare(("a", recorded(name)), ("b", recorded("_slowed")), 5.0)
        own = [row for row in found.rows if row.engine == "numba"]
        others = [row for row in found.rows if row.engine != "numba"]
        assert {row.verdict for row in own} <= {"slower", "too noisy"} and len(own) == 4
        assert {row.verdict for row in others} <= {"same", "too noisy"}


def test_weights_beyond_the_cache_are_compared_by_the_loop_that_reads_ram() -> None:
    run = load_run(RECORDED)
    small = dataclasses.replace(run.machine, last_level_kib=1.0)
    run = dataclasses.replace(run, machine=small)
    assert {row.reference for row in compare(("a", run), ("b", run), 5).rows} == {"streaming"}
    run = dataclasses.replace(run, machine=dataclasses.replace(small, last_level_kib=1e6))
    assert {row.reference for row in compare(("a", run), ("b", run), 5).rows} == {"computing"}


def changed(run: Run, **machine: Any) -> Run:
    return dataclasses.replace(run, machine=dataclasses.replace(run.machine, **machine))


def test_other_machines_models_and_engines_are_not_compared() -> None:
    run = load_run(RECORDED)
    none = dataclasses.replace(run, results=())
    for other, reason in (
        (changed(run, cpu="other"), "other machines: cpu"),
        (changed(run, board="Raspberry Pi 5"), "other machines: board"),
        (dataclasses.replace(run, model="other"), "other models"),
        (dataclasses.replace(run, model_sha256="0"), "another file of that name"),
        (none, "nothing|no engine"),
    ):
        found = compare(("a", run), ("b", other), 5)
        assert not found.comparable and found.rows == ()
        assert any(part in str(found.reason) for part in reason.split("|"))


def test_another_version_of_an_engine_is_said_beside_the_change() -> None:
    run = load_run(RECORDED)
    newer = tuple(dataclasses.replace(row, engine_version="99") for row in run.results)
    found = compare(("a", run), ("b", dataclasses.replace(run, results=newer)), 5)
    assert all("99 after" in str(row.reason) for row in found.rows)


def test_runs_are_kept_one_by_one_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    run = dataclasses.replace(load_run(RECORDED), model="../a b")
    paths = {history.save(run), history.save(run)}
    assert len(paths) == 2 and {p.parent for p in paths} == {tmp_path / "edgelstm/bench"}
    (tmp_path / "edgelstm/bench/broken.json").write_text("{", "utf-8")
    found = [one for _, one in history.saved()]
    assert found[:2] == [run, run] and "is not JSON" in str(found[2])
