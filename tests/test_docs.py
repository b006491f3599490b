"""README and docs: code and commands run as they stand, outputs and links are right."""

import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer.main

import edgelstm
from benchmarks import network_report, report
from edgelstm.tools import commands
from tests.conftest import Printed

ROOT = Path(__file__).parent.parent
README, INDEX = ROOT / "README.md", ROOT / "docs/index.md"
PAGES = {
    p.name: p for p in (README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
TEXTS = {name: path.read_text("utf-8") for name, path in PAGES.items()}
COMMANDS = typer.main.get_command(commands.app).commands  # type: ignore[attr-defined]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def blocks(name: str, language: str) -> list[str]:
    """Fenced blocks of a page, without the fences."""
    return [text for kind, text in FENCED.findall(TEXTS[name]) if kind == language]


def shell_lines(name: str) -> Iterator[list[str]]:
    """The words of each command in the plain blocks of a page."""
    for line in "\n".join(blocks(name, "")).splitlines():
        for command in line.split("&&"):
            if words := shlex.split(command, comments=True):
                yield words


def anchors(text: str) -> set[str]:
    """What a link into a page may name, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks("README.md", "python"))
    assert code.count("edgelstm.") > 8
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "speech.tflite").exists()


@pytest.mark.parametrize("name", TEXTS)
def test_python_of_the_other_pages_is_run_as_doctest(name: str) -> None:
    if name != "README.md":
        assert all(block.startswith(">>> ") for block in blocks(name, "python"))


@pytest.mark.parametrize("name", TEXTS)
def test_commands_are_taken_as_they_are_written(name: str) -> None:
    for words in shell_lines(name):
        if words[0] == "edgelstm":
            assert words[1] in COMMANDS, words
            COMMANDS[words[1]].make_context(words[1], words[2:])  # raises if an option is unknown
        elif "-m" in words and words[words.index("-m") - 1] == "python":
            module, *rest = words[words.index("-m") + 1 :]
            spec = importlib.util.find_spec(module)
            assert spec and spec.origin, words
            code = Path(spec.origin).read_text("utf-8")
            assert all(f'"{word}"' in code for word in rest if word.startswith("--")), words
        elif words[0] == "pytest":
            paths = [word for word in words[1:] if word.endswith(".py")]
            assert all((ROOT / path).exists() for path in paths), words


def test_extras_and_public_names_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for name, text in TEXTS.items():
        for extra in re.findall(r"edgelstm\[(\w[\w-]*)\]", text):
            assert extra in project["optional-dependencies"], (name, extra)
        for used in set(re.findall(r"edgelstm\.([a-z_]+)\(", text)):
            assert hasattr(edgelstm, used), (name, used)


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    for link in LINK.findall(FENCED.sub("", TEXTS[name])):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (PAGES[name].parent / path).resolve() if path else PAGES[name]
        assert target.exists(), f"{name}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), f"{name}: {link}"


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named_exist(name: str) -> None:
    named = re.findall(
        r"`((?:edgelstm|kernels|tools|tests|benchmarks|docs)/[\w./-]*)`", TEXTS[name]
    )
    for path in named:
        if Path(path).stem != "x":  # a file to be written
            assert (ROOT / path).exists(), f"{name}: {path}"


def test_every_page_is_reached_from_the_index() -> None:
    linked = {(INDEX.parent / link).resolve() for link in LINK.findall(TEXTS["index.md"])}
    assert set((ROOT / "docs").glob("*.md")) - linked == {INDEX}
    assert "docs/index.md" in LINK.findall(TEXTS["README.md"])


def test_the_first_screen_shows_picture_install_and_three_uses() -> None:
    screen = "\n".join(TEXTS["README.md"].splitlines()[:40])
    uses = ("edgelstm export", "edgelstm profile", "edgelstm bench")
    assert [what for what in ("![", "pip install", *uses) if what not in screen] == []


def outputs() -> list[tuple[str, str, str]]:
    """Page, command, and what it prints; that of `export` is one of the golden ones."""
    found = []
    for name in TEXTS:
        for block in blocks(name, "console"):
            command, _, text = block.removeprefix("$ edgelstm ").partition("\n")
            assert block.startswith("$ edgelstm "), block
            found.append((name, command, text))
    return [one for one in found if one[1] != "export"]


@pytest.mark.parametrize(("name", "command", "text"), outputs())
def test_outputs_are_those_that_are_printed(
    name: str, command: str, text: str, printed: Printed
) -> None:
    """A line of three dots stands for any lines."""
    shown = "\n".join(
        re.escape(line) if line != "..." else "(?:.*\n)*?.*" for line in text.splitlines()
    )
    got = "\n".join(printed(command))
    assert re.fullmatch(shown, got), f"{name}: `edgelstm {command}` prints\n{got}"


def test_speeds_are_those_that_were_measured() -> None:
    measured = json.loads((ROOT / "benchmarks/results/kernels_zen4.json").read_text("utf-8"))
    table = report.summary(measured)
    assert table in TEXTS["benchmark.md"]
    networks = json.loads((ROOT / "benchmarks/results/networks_zen4.json").read_text("utf-8"))
    tables = network_report.tables(networks).split("\n- left out")[0].rstrip()
    assert tables in TEXTS["benchmark.md"]
    step, *_ = re.findall(
        r"^\| bundled: .* \| float32 \| .* \*\*([\d.]+)\*\*", tables, re.MULTILINE
    )
    assert f"**{step} times as fast**" in TEXTS["README.md"]


@pytest.mark.slow
def test_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.tools.test_cli import run

    monkeypatch.chdir(tmp_path)
    bundled = ROOT / "edgelstm/data/japanese_vowels.safetensors"
    Path("speech.safetensors").write_bytes(bundled.read_bytes())
    edgelstm.write(edgelstm.demo(), "speech.onnx")
    np.save("x.npy", edgelstm.demo_data().calibration)
    ran = [words for words in shell_lines("README.md") if words[0] == "edgelstm"]
    assert len(ran) == 14
    for words in ran:
        assert run(*words[1:]) == 0, (words, capsys.readouterr().err)
