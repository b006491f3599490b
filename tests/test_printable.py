"""Text of others: harmless on a terminal, in a table, on a page, whatever the name in a file."""

import ast
import csv
import dataclasses
import io
import os
import pathlib
import subprocess
import sys

import pytest

import edgelstm
from edgelstm.cost.counts import Row
from edgelstm.errors import DeviceError, ModelError
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.printable import cell, one_line, printable, printable_texts
from edgelstm.tools import export, output, profile_request, profiler, verify
from edgelstm.tools.request import Request
from tests.networks import random_network

TOOLS = pathlib.Path(output.__file__).parent
NETWORK = random_network("lstm", (3, 4), outputs=2)
NAMES = {
    "markup": "[/x]",
    "opened markup": "[bold red]x",
    "emoji code": ":smile:",
    "colour": "\x1b[31mred",
    "title of the window": "\x1b]0;title\x07",
    "one byte for two": "\x9b31m",
    "direction": "\u202egnirts",
    "line": "x\nerror: none",
    "line of Unicode": "x\u2028error: none",
    "return": "hidden\rshown",
    "formula": "=1+2",
    "formula behind a tab": "\t@SUM(1)",
}


def named(name: str) -> Network:
    """A network whose first layer has a name."""
    first, *others = NETWORK.layers
    assert isinstance(first, Recurrent)
    return Network((Recurrent((dataclasses.replace(first.forward, name=name),)), *others))


def renamed(folder: pathlib.Path, name: str, stem: str = "net") -> pathlib.Path:
    """A file whose first layer has a name."""
    return edgelstm.write(named(name), folder / f"{stem}.npz")


def harmful(text: str) -> set[str]:
    """Characters that do more than stand there."""
    return {c for c in text if not c.isprintable() and c != "\n"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_text_on_the_terminal_and_in_the_page(
    name: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    models = (renamed(tmp_path, name), renamed(tmp_path, name, "other"))
    options = profile_request.Options(models=models, devices=("stm32u575", "rpi-4b"), html=page)
    profiler.main(options, as_json=False, quiet=False)
    said = capsys.readouterr().out
    assert printable(name) in said and not harmful(said)
    assert not harmful(page.read_text("utf-8"))
    assert "\nerror: none" not in said


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_no_formula_in_a_table(
    name: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = profile_request.Options(models=(renamed(tmp_path, name),), steps=2, csv=True)
    profiler.main(options, as_json=False, quiet=False)
    said = capsys.readouterr().out
    cells = [cell for row in csv.reader(io.StringIO(said)) for cell in row]
    assert cells.count(cell(name)) == 2 * 6  # 4 gates, the cell and their sum; step and sequence
    assert not [c for c in cells if c.strip()[:1] in tuple("=+-@\t\r")]
    assert not harmful(said)


def test_export_and_verify_print_names_of_files_as_text(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = renamed(tmp_path, "\x1b[2J", "[b]\x1b[31m")
    request = Request(model=path, out=tmp_path / "out\x9b", formats=("onnx",))
    export.main(request, as_json=False, quiet=False)
    (written,) = (tmp_path / "out\x9b").glob("*.onnx")
    verify.main([written], 2, 2, as_json=False, quiet=False)
    printed = capsys.readouterr()
    assert not harmful(printed.out + printed.err)
    assert "[b]\\x1b[31m" in printed.out and "[b]\\x1b[31m" in printed.err


def test_a_file_name_that_is_no_utf_8_is_printed_and_stands_in_the_page(
    tmp_path: pathlib.Path,
) -> None:
    path = renamed(tmp_path, "lstm1")
    path = path.rename(tmp_path / os.fsdecode(b"net\x80.npz"))
    page = tmp_path / "page.html"
    for more in (["--html", page], ["--csv"], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "edgelstm", "profile", path, *more],
            env={**os.environ, "PYTHONPATH": ".", "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
        )
        assert done.returncode == 0 and b"net\\udc80" in done.stdout
    assert "net\\udc80" in page.read_text("utf-8")


def test_an_encoding_that_lacks_a_character_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgelstm", "profile"],
        env={**os.environ, "PYTHONPATH": ".", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\\u2588" in done.stdout


@pytest.mark.parametrize("kind", [ModelError, DeviceError])
def test_an_error_is_one_printable_line(kind: type[ValueError]) -> None:
    assert str(kind("layer '\x1b[31m\udc80':\n  two")) == "layer '\\x1b[31m\\udc80': two"
    assert one_line("a\tb\r\nc") == "a b c"


def test_words_of_all_languages_stay() -> None:
    for word in ("für", "層", "слой", "שכבה", "a b"):
        assert printable(word) == word


def test_a_report_keeps_numbers_and_shape() -> None:
    report = {"a": ["\x07", 1, None, True], "b": {"\x08": (0.5, Row("\x07", macs=3))}}
    expected = {"a": ["\\x07", 1, None, True], "b": {"\\x08": (0.5, Row("\\x07", macs=3))}}
    assert printable_texts(report) == expected


def test_notebooks_and_texts_of_networks_show_names_as_text() -> None:
    network = named("<b>\x1b\u202e")
    assert not harmful(repr(network))
    shown = edgelstm.count(network)._repr_html_()
    assert "&lt;b&gt;\\x1b\\u202e" in shown and not harmful(shown)


@pytest.mark.parametrize("path", sorted(TOOLS.glob("*.py")), ids=lambda path: path.name)
def test_commands_print_through_one_module(path: pathlib.Path) -> None:
    """A print elsewhere would let names of others through."""
    doors = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            doors |= {"rich"} & {name.split(".")[0] for name in names}
        elif isinstance(node, ast.Name):
            doors |= {"print"} & {node.id}
        elif isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id == "sys"  # no other program's
            doors |= {"echo", "secho", *(("stdout", "stderr") if own else ())} & {node.attr}
    assert bool(doors) == (path.name == "output.py"), doors
