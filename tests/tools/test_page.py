"""The page of profile: offline, whole, and readable; in a browser where one is installed."""

import json
import os
import pathlib
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from edgelstm.tools import charts
from edgelstm.tools.profile_request import Options, Shape
from edgelstm.tools.profiler import main
from tests.pages import CHROMIUM, FLAGS, Tables, assert_drawn, in_a_browser

BUNDLED = pathlib.Path(__file__).parents[2] / "edgelstm" / "data" / "japanese_vowels.safetensors"

OPTIONS = Options(
    shape=Shape("lstm", 40, 64, layers=2, outputs=9),
    devices=("stm32u575", "rpi-5"),
    steps=10,
    period_ms=20,
    battery="cr2032",
    compare_counters=True,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    main(Options(**{**vars(OPTIONS), "html": path}), as_json=False, quiet=True)
    return path


def test_page_is_small_and_loads_nothing(page: pathlib.Path) -> None:
    text = page.read_text()
    assert len(text.encode()) < 300_000
    assert set(Tables(text).links) == {"data:,"}
    assert "<script" not in text
    assert "@import" not in text
    assert "url(" not in text


class Nesting(HTMLParser):
    """Finds tags that are closed in another order than they were opened."""

    VOID = ("meta", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_tags_are_nested(page: pathlib.Path) -> None:
    assert Nesting(page.read_text()).open == []


def test_names_of_files_are_text_not_markup(tmp_path: pathlib.Path) -> None:
    model = tmp_path / "<b>&.safetensors"
    shutil.copy(BUNDLED, model)
    path = tmp_path / "page.html"
    main(Options(models=(model,), html=path), as_json=False, quiet=True)
    assert "<b>&" not in path.read_text()
    assert "&lt;b&gt;&amp;" in path.read_text()


def test_every_segment_has_its_exact_value(page: pathlib.Path) -> None:
    titles = re.findall(r"<rect class=\"s\d\"[^>]*><title>([^<]+)</title>", page.read_text())
    assert "lstm1 i: 6,656" in titles
    assert "lstm1 cell: 320 B" in titles
    assert all(re.search(r": [\d.,]+( .+)?$", title) for title in titles)


def test_segments_fill_the_bar_in_proportion() -> None:
    bars = [
        charts.Bar("a", "3", (charts.Segment("x", 1, "1", "s0"), charts.Segment("y", 2, "2", "s1")))
    ]
    widths = [
        float(w)
        for w in re.findall(r'class="s\d"[^>]* width="([\d.]+)"', charts.stacked("t", bars))
    ]
    assert widths == [120, 240]


def test_roofline_without_misses_says_so() -> None:
    text = charts.roofline("Roofline", charts.Roof(26_624, 0, 19_200, 14_205))
    assert "weights stay in the cache" in text
    assert "nan" not in text


@in_a_browser
def test_browser_draws_it_without_a_complaint(page: pathlib.Path, width: int, scheme: int) -> None:
    assert_drawn(page, width=width, scheme=scheme)


AXE = os.environ.get("AXE_NODE_MODULES", "")  # a folder that holds axe-core and puppeteer-core
CHECK = """
const [modules, url, browser] = process.argv.slice(1);
const axe = require('fs').readFileSync(modules + '/axe-core/axe.min.js', 'utf8');
(async () => {
  const opened = await require(modules + '/puppeteer-core').launch(
    {executablePath: browser, args: FLAGS});
  const found = [];
  for (const width of [1280, 390]) for (const value of ['light', 'dark']) {
    const page = await opened.newPage();
    page.on('console', m => found.push('console: ' + m.text()));
    page.on('pageerror', e => found.push('error: ' + e));
    page.on('request', r => r.url() === url || r.url() === 'data:,' || found.push(r.url()));
    await page.setBypassCSP(true);
    await page.setViewport({width, height: 900});
    await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value}]);
    await page.goto(url);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) found.push(width + ': ' + wide + ' too wide');
    await page.evaluate(axe);
    const result = await page.evaluate(() => axe.run());
    found.push(...result.violations.map(v => v.impact + ': ' + v.id + ' ' + v.nodes[0].html));
  }
  console.log(JSON.stringify(found));
  await opened.close();
})();
"""


@pytest.mark.skipif(
    not (AXE and CHROMIUM), reason="npm install axe-core puppeteer-core; set AXE_NODE_MODULES"
)
def test_axe_finds_nothing(page: pathlib.Path) -> None:
    code = CHECK.replace("FLAGS", json.dumps(FLAGS))
    command = ["node", "-e", code, "--", AXE, page.as_uri(), str(CHROMIUM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_chips_and_boards_do_not_share_a_scale(page: pathlib.Path) -> None:
    text = page.read_text()
    for figure in ("Time", "Energy"):
        for kind in ("chip", "whole board"):
            title = f"<figcaption>{figure} of the {kind} per step</figcaption>"
            assert text.count(title) == 1


def test_the_comparison_has_a_row_per_device_and_says_whose_energy_it_is(
    page: pathlib.Path,
) -> None:
    headings, *rows = Tables(page.read_text()).named("All profiles")
    assert [row[0] for row in rows] == ["stm32u575 int8, assumed", "rpi-5 hybrid, assumed"]
    energy = headings.index("energy, uJ a step")
    assert " chip " in rows[0][energy] and " board " in rows[1][energy]


def test_titles_name_both_models(tmp_path: pathlib.Path) -> None:
    path, other = tmp_path / "page.html", tmp_path / "other.safetensors"
    shutil.copy(BUNDLED, other)
    main(Options(models=(BUNDLED, other), html=path), as_json=False, quiet=True)
    for tag in ("title", "h1"):
        assert f"<{tag}>Profile of japanese_vowels and other</{tag}>" in path.read_text()


def bands(chart: str) -> list[tuple[float, float]]:
    """Left and right end of each band."""
    found = re.findall(r'class="band" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', chart)
    return [(float(x), float(x) + float(width)) for x, width in found]


def test_values_of_one_size_stand_on_a_linear_scale() -> None:
    chart = charts.intervals("t", [("a", 10, 20, 40), ("b", 20, 30, 100)], "us")
    assert bands(chart) == [(36, 144), (72, 360)]  # 3.6 units per us
    assert "logarithmic" not in chart


def test_values_far_apart_stand_on_a_logarithmic_scale_that_says_so() -> None:
    chart = charts.intervals("t", [("a", 1, 2, 10), ("b", 100, None, 1000)], "us")
    assert bands(chart) == [(0, 120), (240, 360)]  # three decades, 120 units each
    assert "us, logarithmic scale" in chart
    assert re.findall(r'"value" [^>]+>([\d,]+)</text>', chart) == ["1", "10", "100", "1,000"]


@pytest.mark.parametrize("low", [0, 0.0003])
def test_a_scale_bears_zero_and_many_decades(low: float) -> None:
    chart = charts.intervals("t", [("a", low, None, 40_000), ("b", 7, 8, 9)], "mW")
    assert all(0 <= left < right <= 360 for left, right in bands(chart))
    assert ("logarithmic" in chart) == (low > 0)
    assert len(re.findall("<text", chart)) < 16


def test_parts_too_small_for_the_device_are_drawn_and_say_their_scale(page: pathlib.Path) -> None:
    text = page.read_text()
    widths = re.findall(r'<rect class="s\d"[^>]* width="([\d.]+)"', text)
    assert min(map(float, widths)) >= 2
    assert "the width is what is needed: " in text


def test_charts_are_drawn_at_one_size(page: pathlib.Path) -> None:
    text = page.read_text()
    assert f"max-width: {charts.WIDTH:g}px" in text
    assert set(re.findall(r'viewBox="0 0 (\d+) ', text)) == {f"{charts.WIDTH:g}"}
