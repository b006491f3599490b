"""Two trees on one core: which is faster, and by how much at least."""

import pathlib
from typing import Any

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
