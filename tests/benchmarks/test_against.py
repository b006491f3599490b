"""Two trees on one core: which is faster, and by how much at least."""

import pathlib
from typing import Any

import numpy as np
import pytest

from benchmarks import against

# Its process has a clock of its own, which its work alone moves: no other process can disturb it.
CONTESTANTS = """
import time, types
now = [0]
time.process_time_ns = lambda: now[0]
def work(n):
    now[0] += n
def task(*size):
    return size
def ours(task):
    return [types.SimpleNamespace(name="loop", sequence=lambda: work({n}), step=None)]
"""


def tree(folder: pathlib.Path, n: int) -> pathlib.Path:
    """A tree whose only row takes n nanoseconds by its own clock."""
    for package in ("edgelstm", "benchmarks"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("")
    (folder / "benchmarks" / "contestants.py").write_text(CONTESTANTS.format(n=n))
    return folder


@pytest.mark.parametrize("own, other, code", [(20_000, 60_000, 0), (60_000, 20_000, 1)])
def test_a_tree_that_takes_three_times_as_long_is_slower(
    own: int, other: int, code: int, tmp_path: pathlib.Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr(against, "OWN", tree(tmp_path / "own", own))
    monkeypatch.setattr("os.sched_setaffinity", lambda *given: None, raising=False)
    assert against.run(tree(tmp_path / "other", other), [(1, 2)], 5) == code
    lines = capsys.readouterr().out.splitlines()[1:]
    ratios = [float(line.split()[0]) for line in lines if "loop, sequence" in line]
    assert len(ratios) == 1 + code  # what is slower is run again
    assert ratios == [0.333 if code else 3.0] * (1 + code)


def test_a_tree_without_the_package_is_not_compared_with_another_one(
    tmp_path: pathlib.Path,
) -> None:
    folder = tree(tmp_path, 1)
    (folder / "edgelstm" / "__init__.py").unlink()
    (folder / "edgelstm").rmdir()
    with pytest.raises(SystemExit, match="Python imports"):
        against.Child(folder, (1, 2))


def test_the_interval_holds_the_median_and_narrows_with_rounds() -> None:
    ratios = np.random.default_rng(1).normal(1, 0.1, 400)
    few, many = against.interval(ratios[:25]), against.interval(ratios)
    # 1.96 * 1.253 * 0.1 / sqrt(400): what a median of normal values is uncertain by.
    assert many[1] - many[0] == pytest.approx(2 * 0.01228, rel=0.4)
    assert few[0] < many[0] < np.median(ratios) < many[1] < few[1]
    assert against.interval(np.full(9, 0.9)) == pytest.approx((0.9, 0.9))
