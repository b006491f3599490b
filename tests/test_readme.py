"""The README's code runs as it stands, and names what exists."""

import json
import re
from pathlib import Path

import pytest

import edgelstm
from benchmarks import report
from edgelstm.tools import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    assert code.count("edgelstm.") > 8
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "speech.tflite").exists()


def test_commands_of_the_readme_exist() -> None:
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE))
    named = set(re.findall(r"^(?:.*&& )?edgelstm (\w+)", blocks, re.MULTILINE))
    known = {
        str(c.name or getattr(c.callback, "__name__", "")) for c in cli.app.registered_commands
    }
    assert named and named <= known


def test_public_names_are_those_of_the_readme_and_the_changelog() -> None:
    for name in set(re.findall(r"edgelstm\.(\w+)\(", README)):
        assert hasattr(edgelstm, name), name


def test_speeds_in_the_readme_are_those_that_were_measured() -> None:
    measured = json.loads((ROOT / "benchmarks/results/kernels_zen4.json").read_text())
    assert report.summary(measured) in README
