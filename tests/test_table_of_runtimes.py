"""README's table of what is exact where: from a record of what passed, which tests hold.

`pytest tests/test_table_of_runtimes.py --overwrite` renews both; a runtime that is not here keeps
what was recorded of it.
"""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork, write
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.model.precision import FORMS, PRECISIONS
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes import RUNTIMES
from edgelstm.verification.verifier import verify
from tests.composed_files import layer, network_of
from tests.networks import bidirectional_network, random_input, random_network

FOLDER = Path(__file__).parent
RECORD, README = FOLDER / "data/runtimes.json", FOLDER.parent / "README.md"
TABLE = re.compile(r"(?<=<!-- runtimes -->\n).*?(?=<!-- /runtimes -->)", re.DOTALL)
STEPS, SEQUENCES = 6, 8
LETTERS = {"tflm": "M", "litert": "L", "tflite-runtime": "T", "onnxruntime": "O"}
KINDS = [
    *((name, None) for name in PRECISIONS if not PRECISIONS[name].is_integer),
    *FORMS,
]
NETWORKS: dict[str, Network] = {
    **{name: random_network(name, (4, 7), outputs=3, last_step=True) for name in CELLS},
    "rnn, relu": network_of(
        Recurrent(
            (dataclasses.replace(layer("rnn", 4, 7, "rnn1").directions[0], nonlinearity="relu"),)
        )
    ),
    "lstm, projection": network_of(layer("lstm", 4, 7, "lstm1", projection=3)),
    "lstm, cell clip": network_of(layer("lstm", 4, 7, "lstm1", cell_clip=0.2)),
    "lstm, bidirectional": bidirectional_network("lstm", (4, 5)),
    "gru, bidirectional": bidirectional_network("gru", (4, 5)),
}
Record = dict[str, dict[str, dict[str, list[str]]]]


def called(kind: tuple[str, str | None]) -> str:
    return " ".join(filter(None, kind))


def made(network: Network, kind: tuple[str, str | None], folder: Path) -> list[Path]:
    """The files of a precision and form that there are."""
    precision, form = kind
    given: AnyNetwork = network
    try:
        if precision != "float32":
            given = quantize(network, random_input(network, 6, STEPS), precision, form)
    except ModelError:
        return []
    paths = []
    for suffix in (".tflite", ".onnx"):
        try:
            paths.append(write(given, folder / f"net{suffix}", steps=STEPS))
        except ModelError:
            continue
    return paths


def passed(path: Path) -> list[str]:
    """Runtimes in which nothing differs."""
    found = verify(path, n_sequences=SEQUENCES)
    return [v.runtime for v in found.verified if v.status == "ok" and v.values and not v.mismatches]


def read_record() -> Record:
    found: Record = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    return found


def render(record: Record) -> str:
    """One row per network, `.tflite` before the stroke and `.onnx` behind it."""
    names = [called(kind) for kind in KINDS]
    lines = [f"| | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for name, kinds in record.items():
        cells = [_cell(kinds[kind]) for kind in names]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(files: dict[str, list[str]]) -> str:
    if not files:
        return ""
    parts = ("".join(LETTERS[r] for r in files.get(s, ())) or "-" for s in (".tflite", ".onnx"))
    return " / ".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_recorded_passes(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    record, got = read_record(), {}
    here = {runtime for runtime in RUNTIMES if not RUNTIMES[runtime].obstacle}
    for kind in KINDS:
        old = record.get(name, {}).get(called(kind), {})
        got[called(kind)] = {
            path.suffix: sorted({*passed(path), *(set(old.get(path.suffix, ())) - here)})
            for path in made(NETWORKS[name], kind, tmp_path)
        }
    if request.config.getoption("--overwrite"):
        record[name] = got
        renewed = {known: record[known] for known in NETWORKS if known in record}
        RECORD.write_text(json.dumps(renewed, indent=1) + "\n", "utf-8")
        text = README.read_text("utf-8")
        README.write_text(TABLE.sub(lambda _: render(renewed), text), "utf-8")
    assert got == read_record()[name]


def test_the_table_is_that_of_the_record() -> None:
    record = read_record()
    assert list(record) == list(NETWORKS)
    (table,) = TABLE.findall(README.read_text("utf-8"))
    assert table == render(record)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_record_has_the_files_that_are_written(name: str, tmp_path: Path) -> None:
    record = read_record()[name]
    for kind in KINDS:
        got = [path.suffix for path in made(NETWORKS[name], kind, tmp_path)]
        assert got == sorted(record[called(kind)], reverse=True), called(kind)
