"""A runtime that must be here and is not is a failure, no skip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgelstm.runtimes.runtime import Runtime
from tests import present

ROOT = Path(__file__).parent.parent
ONE_TEST = "tests/runtimes/test_runtimes.py::test_a_child_gives_what_new_interpreters_give"
WITHOUT_TFLM = f"""
import sys, pytest
sys.modules["tflite_micro"] = None
sys.exit(pytest.main(["-q", "-rs", "{ONE_TEST}[int8-tflm]"]))
"""


def without_tflm(required: str) -> subprocess.CompletedProcess[str]:
    """One test of TFLM where it cannot be imported."""
    environment = {**os.environ, present.VARIABLE: required}
    command = [sys.executable, "-c", WITHOUT_TFLM]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_missing_runtime_skips_where_none_is_asked_for() -> None:
    done = without_tflm("")
    assert done.returncode == 0 and "1 skipped" in done.stdout, done.stderr
    assert "tflite-micro is not installed" in done.stdout


def test_a_missing_runtime_that_is_asked_for_fails_the_run() -> None:
    done = without_tflm("litert tflm")
    assert done.returncode == 1
    assert "EDGELSTM_RUNTIMES asks for tflm: tflite-micro is not installed" in done.stderr


def test_a_name_that_no_runtime_has_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(present.VARIABLE, "tlfm")
    with pytest.raises(pytest.exit.Exception, match="tlfm: no such runtime; known: tflm, litert"):
        present.check_required()


def test_a_package_without_a_module_of_it_does_not_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runtime, "obstacle", None)
    with pytest.raises(ModuleNotFoundError):
        present.imported("litert", "edgelstm.no_such_module")
