"""Runtimes that misbehave become results."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.isolation import execute
from edgelstm.runtimes.runtime import Runtime


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs a file in a runtime whose opener is a function of `broken_runtimes`."""

    def run(opener: str, package: str = "numpy", **options: Any) -> Any:
        runtime = Runtime(f"tests.broken_runtimes:{opener}", package, "numpy", ".any", "pip ...")
        monkeypatch.setitem(RUNTIMES, "planted", runtime)
        return execute("planted", tmp_path / "absent", np.ones((2, 3, 1)), **options)

    return run


def test_what_a_runtime_prints_is_of_no_matter(plant: Any) -> None:
    got = plant("open_noisy")
    assert got.status == "ok"
    np.testing.assert_array_equal(got.outputs, np.ones((2, 3, 1)))


def test_a_child_imports_nothing_from_the_working_folder(
    plant: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert plant("open_noisy").status == "ok"


@pytest.mark.parametrize(
    ("opener", "status", "reason"),
    [
        (
            "open_aborting",
            "crashed",
            "its process ended by SIGABRT; parser.cc:7 stack is [31msmashed",
        ),
        ("open_ending", "crashed", "its process ended with exit code 0"),
        (
            "open_refusing",
            "refused",
            "lstm_eval.cc:92 x == nullptr was not true.; RuntimeError: failed to allocate",
        ),
        ("open_unlinked", "skipped", "ImportError: libstdc++.so.6: version not found"),
    ],
)
def test_a_broken_runtime_becomes_a_result(
    plant: Any, opener: str, status: str, reason: str
) -> None:
    got = plant(opener)
    assert (got.status, got.reason, got.outputs) == (status, reason, None)


def test_a_runtime_that_does_not_answer_has_crashed(plant: Any) -> None:
    got = plant("open_hanging", timeout_s=1.5)
    assert (got.status, got.reason) == ("crashed", "no answer within 1.5 s")


def test_an_absent_runtime_is_skipped_before_a_process_starts(plant: Any) -> None:
    got = plant("open_noisy", package="no_such_package", timeout_s=0)
    assert (got.status, got.reason) == ("skipped", "numpy is not installed: pip ...")
