"""The command from its first line on: interrupted, terminated, given nothing."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import edgelstm
from edgelstm import public

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("word", ["import numpy", "import typer", "quantizing", "in litert"])
def test_signals_end_a_command_without_a_word_and_without_leftovers(
    number: signal.Signals, word: str, tmp_path: Path
) -> None:
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    for _ in range(3):
        code, said = ended_by(number, word, tmp, tmp_path / "out")
        if code:  # else it was done before the signal reached it
            break
    assert code == 128 + number
    assert "Traceback" not in said and "error" not in said
    assert not list(tmp.iterdir())


def ended_by(number: signal.Signals, word: str, tmp: Path, out: Path) -> tuple[int, str]:
    """Exit code and last words of an export that is signalled where it says the word."""
    code = (
        "import sys, builtins; real = builtins.__import__\n"
        "def told(name, *a, **k):\n"
        "    if name in ('numpy', 'typer'): print('import', name, file=sys.stderr, flush=True)\n"
        "    return real(name, *a, **k)\n"
        "builtins.__import__ = told\n"
        "sys.argv = ['edgelstm', 'export', '-o', sys.argv[1]]\n"
        "from edgelstm.__main__ import main; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        assert process.stderr is not None
        while word not in (line := process.stderr.readline()):
            assert line, f"ended before '{word}'"
        process.send_signal(number)
        said = process.stderr.read()
    return process.returncode, said


def test_the_installed_command_is_the_module_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"edgelstm": "edgelstm.__main__:main"}


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgelstm", "--version"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{edgelstm.__version__}\n", "")


def test_the_package_has_the_public_names() -> None:
    names = [name for name in vars(public) if not name.startswith("_")]
    assert "read" in names and set(names) <= set(dir(edgelstm))
    for name in names:
        assert getattr(edgelstm, name) is getattr(public, name)
    with pytest.raises(AttributeError, match="'quantise' is no public name|no attribute"):
        edgelstm.quantise  # type: ignore[attr-defined]  # noqa: B018


def test_a_public_name_is_looked_up_once() -> None:
    edgelstm.__dict__.pop("count", None)
    assert edgelstm.count is edgelstm.__dict__["count"]


def test_the_package_alone_loads_nothing() -> None:
    code = "import sys, edgelstm.__main__; sys.exit('numpy' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}
        ).returncode
        == 0
    )
