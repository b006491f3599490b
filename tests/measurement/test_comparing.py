"""Two runs: recorded, one slowed by hand, and what cannot be compared."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgelstm.cost.cycles import Interval
from edgelstm.measurement import history
from edgelstm.measurement.comparing import compare
from edgelstm.measurement.results import References, Run
from edgelstm.measurement.stored import load_run

RECORDED = Path(__file__).parents[1] / "data/bench_run.json"


def slowed(run: Run, by: float, width: float = 0.01) -> Run:
    """Every row `by` as slow, with intervals of `width` either way."""

    def interval(found: Interval) -> Interval:
        assert found.typical
        t = found.typical * by
        return Interval(t * (1 - width), t, t * (1 + width))

    rows = tuple(
        dataclasses.replace(
            row,
            ratio_to_reference=References(
                interval(row.ratio_to_reference.computing),
                interval(row.ratio_to_reference.streaming),
            ),
        )
        for row in run.results
    )
    return dataclasses.replace(run, results=rows)


@pytest.mark.parametrize(
    ("by", "width", "expected"),
    [
        (1.0, 0.01, "same"),
        (1.10, 0.01, "slower"),
        (1 / 1.10, 0.01, "faster"),
        (1.06, 0.01, "too noisy"),
        (1.10, 0.06, "too noisy"),
        (1.0, 0.06, "too noisy"),
    ],
)
def test_changes_are_told_where_the_interval_lies_beyond_the_tolerance(
    by: float, width: float, expected: str
) -> None:
    run = load_run(RECORDED)
    found = compare(("a", slowed(run, 1, width)), ("b", slowed(run, by, width)), 5.0)
    assert found.comparable and len(found.rows) == len(run.results)
    assert {row.verdict for row in found.rows} == {expected}
    assert all(row.change_percent.typical == pytest.approx(100 * (by - 1)) for row in found.rows)


def test_few_rounds_tell_no_change_that_is_not_large() -> None:
    run = load_run(RECORDED)
    few = dataclasses.replace(
        run,
        results=tuple(
            dataclasses.replace(row, timing=dataclasses.replace(row.timing, rounds=100))
            for row in run.results
        ),
    )
    told = {r.verdict for r in compare(("a", few), ("b", slowed(few, 1.1)), 5).rows}
    assert told == {"too noisy"}
    told = {r.verdict for r in compare(("a", slowed(few, 1)), ("b", slowed(few, 1.5)), 5).rows}
    assert told == {"slower"}


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
