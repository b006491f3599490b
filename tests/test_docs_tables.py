"""Tables of docs that list what the code has: report keys, device keys, cells and their files."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.devices.keys import ENERGY_ANSWERS, FIGURES, TEXTS
from edgelstm.formats import write
from edgelstm.formats.table import FORMATS, suffix_of
from edgelstm.installed import is_installed
from edgelstm.layers.activation import FUNCTIONS, Activation
from edgelstm.model.forms import precision_for, refusal
from edgelstm.model.network import Network
from edgelstm.model.precision import PRECISIONS
from edgelstm.searching.conditions import KINDS
from edgelstm.verification.nodes import Replaced
from tests.conftest import Printed
from tests.networks import random_input, random_network

DOCS = Path(__file__).parent.parent / "docs"
OF_THE_WHOLE = {"low", "typical", "high"}  # said once, above the tables


def keys(report: Any) -> Iterator[str]:
    """Every key at any depth, but not the layers' names below `layer_snr_db`."""
    for one in report if isinstance(report, list) else [report]:
        for key, value in one.items() if isinstance(one, dict) else ():
            yield key
            if key != "layer_snr_db":
                yield from keys(value)


def listed(text: str) -> set[str]:
    """Keys in backticks in a part of the page; of a path, its parts."""
    found = set()
    for row in re.findall(r"^\|.*$", text, re.MULTILINE):
        for name in re.findall(r"`([a-z_0-9.\[\]]+)`", row):
            found |= set(name.replace("[]", "").split("."))
    return found


def first_column(text: str) -> set[str]:
    rows = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {part for row in rows for part in listed(f"|{row}|")}


def part(title: str) -> str:
    """What stands below a heading of the page on report keys."""
    text = (DOCS / "report.md").read_text("utf-8")
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_keys_of_profile_are_those_that_are_listed(printed: Printed) -> None:
    asked = "--steps 10 --period-ms 20 --battery cr2032 --compare-counters --json"
    got = set()
    for device in ("stm32u575", "rpi-5"):
        got |= set(keys(json.loads("\n".join(printed(f"profile --device {device} {asked}")))))
    told = part("profile --json")
    shared = listed(part("export --json"))  # `fit` and `by_kernels` are told there
    assert got - OF_THE_WHOLE - shared <= listed(told)
    assert first_column(told) - got == set()


def test_keys_of_export_are_those_that_are_listed(printed: Printed) -> None:
    if not is_installed("onnx"):
        pytest.skip("onnx is not installed: pip install onnx")
    network = random_network("lstm", (5, 12), outputs=4, last_step=True, gain=6)
    write(network, Path("speech.npz"))
    np.save("x.npy", random_input(network, 6, 9))
    lines = printed("export speech.npz --calibration x.npy --json --quiet")
    report = json.loads("\n".join(lines))
    assert report["accuracy"]["saturation"] and report["verified"]
    got, told = set(keys(report)), part("export --json")
    got |= {field.name for field in dataclasses.fields(Replaced)}  # with --node alone
    assert got - OF_THE_WHOLE <= listed(told)
    assert first_column(told) - got == set()


def test_keys_of_compare_are_those_that_are_listed() -> None:
    network = random_network("gru", (5, 12))
    found = edgelstm.compare(network, random_input(network, 6, 9), devices=["rpi-5"], measure=False)
    got, told = set(keys(found.to_dict())), part("compare --json")
    assert got - OF_THE_WHOLE <= listed(told)
    assert first_column(told) - got == set()


@pytest.mark.parametrize(
    ("title", "commands"),
    [
        (
            "search --json",
            [
                "search --train tests.searching.trainers:quick --hidden 4 --layers 1 --workers 1 "
                "--period-ms 20 --json"
            ],
        ),
        (
            "size --json and devices --for --json",
            [
                "size --cell gru --precision float32 --min-days 30 --json",
                "devices --for japanese_vowels --json",
            ],
        ),
    ],
)
def test_keys_of_searching_are_those_that_are_listed(
    title: str, commands: list[str], printed: Printed
) -> None:
    got = set().union(*(keys(json.loads("\n".join(printed(command)))) for command in commands))
    told = part(title)
    shared = listed(part("export --json"))  # what a search writes is told there
    assert got - OF_THE_WHOLE - shared <= listed(told) | set(KINDS)
    assert first_column(told) - got == set()


def test_keys_of_device_files_are_those_that_are_listed() -> None:
    text = (DOCS / "devices.md").read_text("utf-8")
    for key, meaning in {**TEXTS, **FIGURES}.items():
        assert f"| `{key}` | {meaning} |" in text, key
    for answer in ENERGY_ANSWERS:
        assert f"| `{answer}` |" in text, answer
    assert f"# {len(edgelstm.device_names())} chips and boards" in text


def test_the_device_file_of_the_page_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (DOCS / "devices.md").read_text("utf-8"), re.DOTALL)
    path = tmp_path / "my-board.toml"
    path.write_text(text, "utf-8")
    device = edgelstm.read_device(path)
    energy = edgelstm.estimate(edgelstm.count(edgelstm.demo(), precision="int8"), device)
    assert device.name == "my-board" and energy.energy_uj is not None


@pytest.mark.parametrize("cell", CELLS)
def test_files_of_each_cell_are_those_that_are_listed(cell: str, tmp_path: Path) -> None:
    text = (DOCS / "exactness.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| `{cell}` \|(.*)\|$", text, re.MULTILINE)
    heads = re.findall(r"^\| cell \|(.*)\|$", text, re.MULTILINE)[0]
    precisions = re.findall(r"`(\w+)`", heads)
    assert sorted(precisions) == sorted(PRECISIONS)
    network = random_network(cell, (3, 2))
    for precision, told in zip(precisions, row.split("|"), strict=True):
        (part,) = network.layers[0].parts
        refused = refusal(part, precision_for((part,), precision))
        assert ("run" in told) == (refused is None)
        if not told.strip():
            continue
        x = random_input(network, 2, 3)
        given = network if precision == "float32" else edgelstm.quantize(network, x, precision)
        got = []
        for suffix in (s for s, f in FORMATS.items() if f.writer):
            try:
                got.append(suffix_of(write(given, tmp_path / f"net{suffix}")))
            except edgelstm.ModelError:
                continue
        assert sorted(got) == sorted(re.findall(r"`([._]\w+)`", told)), (cell, precision)


FORMS = (("int8", "fused"), ("int8", "composed"), ("int16x8", "composed"))


def has_integers(function: str, precision: str, form: str, *, at_end: bool) -> bool:
    """Whether a network with this activation can be quantized: on each step, or last."""
    lstm, dense = random_network("lstm", (3, 4), outputs=4).layers
    numbers = {0: (), 1: (1.0,), 2: (0.25, 0.5)}[FUNCTIONS[function]]
    act = Activation("activation1", 4, function, numbers)
    network = Network((lstm, dense, act) if at_end else (lstm, act, dense))
    try:
        edgelstm.quantize(network, random_input(network, 2, 5), precision, form)
    except edgelstm.ModelError:
        return False
    return True


def test_activations_of_integers_are_those_that_are_listed() -> None:
    text = (DOCS / "exactness.md").read_text("utf-8")
    rows = re.findall(r"^\| `.*$", text.split("## Activations of integers")[1], re.MULTILINE)
    told = {
        name: row.split(" | ")[1:4]
        for row in rows
        for name in re.findall(r"`(\w+)`", row.split(" | ")[0])
    }
    assert set(told) == set(FUNCTIONS)
    for function, columns in told.items():
        for said, (precision, form) in zip(columns, FORMS, strict=True):
            got = [has_integers(function, precision, form, at_end=end) for end in (False, True)]
            assert got == [said == "yes", said != "no"], (function, precision, form)
