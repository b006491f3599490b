"""Runtimes that misbehave become results."""

import os
import signal
import subprocess
import sys
import tempfile
import time
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


def planted_parent(opener: str, told: Path, folder: Path) -> subprocess.Popen[bytes]:
    """A process that runs a file in a planted runtime, which tells its process in `told`."""
    code = (
        "import numpy as np, sys\n"
        "from edgelstm.runtimes import RUNTIMES\n"
        "from edgelstm.runtimes.isolation import execute\n"
        "from edgelstm.runtimes.runtime import Runtime\n"
        f"RUNTIMES['x'] = Runtime('tests.broken_runtimes:{opener}', 'numpy', 'numpy', '.any', '')\n"
        f"print(execute('x', {str(told)!r}, np.ones((2, 3, 1))))\n"
    )
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def pid_told(told: Path) -> int:
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(told.read_text())


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("opener", ["open_sleeping", "open_sleeping_with_the_lock"])
def test_a_killed_process_leaves_no_child_and_no_file(opener: str, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    parent = planted_parent(opener, tmp_path / "told", folder)
    pid = pid_told(tmp_path / "told")
    assert is_running(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)
    assert list(folder.iterdir()) == []


def test_a_child_ends_at_the_end_of_its_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgelstm.runtimes.child"]
    job = ["run", str(tmp_path / "told"), "tests.broken_runtimes:open_sleeping"]
    with tempfile.TemporaryFile() as exchanged:
        np.savez(exchanged, sequences=np.ones((1, 2, 1)))
        exchanged.flush()
        child = subprocess.Popen([*command, *job], stdin=subprocess.PIPE, stdout=exchanged)
        pid_told(tmp_path / "told")
        assert child.stdin and child.poll() is None
        child.stdin.close()
        assert child.wait(10) == 1
