"""What commands print, line by line: the export's output, the tables, and the page's text."""

import csv
import difflib
import html.parser
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from edgelstm.cost.counts import COLUMNS
from edgelstm.formats import write
from edgelstm.runtimes import RUNTIMES
from tests.conftest import Printed
from tests.networks import random_network
from tests.present import skip_without
from tests.tools.test_profiler import add_up

FOLDER = Path(__file__).parent / "golden"
EXPORT_PAGE = FOLDER.parents[1] / "docs/export.md"
PRINTED_BY_EXPORT = re.compile(r"(?<=```console\n\$ edgelstm export\n).*?(?=```\n)", re.DOTALL)
WHOLE = re.compile(".*", re.DOTALL)
NINE_DEVICES = (
    *("stm32u575", "stm32l4r5", "nrf52840", "esp32c3", "rp2040", "gap9-065v"),
    *("stm32f746", "rpi-zero-2w", "rpi-5"),
)
CSV, EXPLAINED, PAGE = "profile.csv", "export_explained.txt", "page.txt"
TABLES = {
    "devices.txt": "devices",
    "devices_stm32u575.txt": "devices stm32u575",
    "profile.txt": "profile --device stm32u575",
    "profile_counters.txt": "profile --device stm32u575 --compare-counters",
    CSV: "profile --device stm32u575 --device rpi-5 --steps 10 --csv",
    "profile_nine_devices.txt": "profile --period-ms 20 --battery cr2032 --device "
    + " --device ".join(NINE_DEVICES),
    "profile_sizes_explained.txt": "profile --cell gru --input 40 --hidden 64 --explain",
}
Same = Callable[[Path, list[str]], None]


@pytest.fixture
def same(request: pytest.FixtureRequest) -> Same:
    """Fails with the lines that differ from the file, or writes it where `--overwrite` is given."""
    node = request.node.nodeid

    def check(path: Path, got: list[str]) -> None:
        text = path.read_text("utf-8") if path.exists() else ""
        block = (PRINTED_BY_EXPORT if path == EXPORT_PAGE else WHOLE).search(text)
        assert block, f"{path.name} has no block of what `edgelstm export` prints"
        start, end = block.span()
        expected = text[start:end].splitlines()
        if request.config.getoption("--overwrite"):
            new = "".join(f"{line}\n" for line in got)
            path.write_text(text[:start] + new + text[end:], "utf-8")
        elif got != expected:
            differ = "\n".join(difflib.unified_diff(expected, got, path.name, "now", lineterm=""))
            pytest.fail(
                f"{path.name} is not what is printed now:\n{differ}\n"
                f"if that is meant, renew it: pytest {shlex.quote(node)} --overwrite",
                pytrace=False,
            )

    return check


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_the_golden_ones(name: str, printed: Printed, same: Same) -> None:
    same(FOLDER / name, printed(TABLES[name]))


@pytest.fixture
def _runtimes_of_the_page() -> None:
    for name in ("tflm", "litert", "onnxruntime"):
        skip_without(name)
    if RUNTIMES["tflite-runtime"].version:
        pytest.skip("docs/export.md shows it not installed: pip uninstall tflite-runtime")


@pytest.mark.usefixtures("_runtimes_of_the_page")
def test_export_prints_what_its_page_shows(printed: Printed, same: Same) -> None:
    same(EXPORT_PAGE, printed("export"))


@pytest.mark.usefixtures("_runtimes_of_the_page")
def test_what_export_explains_is_the_golden_one(printed: Printed, same: Same) -> None:
    write(random_network("lstm", (5, 12), outputs=4), Path("speech.npz"))
    same(FOLDER / EXPLAINED, printed("export speech.npz --steps 5 --explain"))


class Texts(html.parser.HTMLParser):
    """A line per text between tags; none of styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        line = " ".join(data.split())
        if line and self._tag != "style":
            self.lines.append(line)


def test_texts_of_the_page_are_the_golden_ones(printed: Printed, same: Same) -> None:
    printed("profile --device stm32u575 --device rpi-5 --html page.html --quiet")
    same(FOLDER / PAGE, Texts(Path("page.html").read_text("utf-8")).lines)


def test_rows_of_the_golden_csv_add_up_to_their_totals() -> None:
    tables: dict[tuple[str, str], dict[tuple[str, str], list[int]]] = {}
    with (FOLDER / CSV).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            table = tables.setdefault((row["device"], row["scope"]), {})
            table[row["layer"], row["row"]] = [int(row[column]) for column in COLUMNS]
    assert len(tables) == 4  # two devices, a step and a sequence
    for table in tables.values():
        add_up(table)


def test_every_golden_file_has_its_test() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*TABLES, EXPLAINED, PAGE}
