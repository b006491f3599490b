"""Reads the tables of a page, without the code that wrote it; and has a browser draw it."""

import html.parser
import pathlib
import shutil
import subprocess
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Tables(html.parser.HTMLParser):
    """Table rows as lists of texts, by the table's `data-layer` or caption, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.links: list[str] = []
        self._cell: list[str] | None = None
        self._caption = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [str(given[k]) for k in ("src", "href", "xlink:href") if given.get(k)]
        if tag == "table":
            self.tables.append((given.get("data-layer") or "", []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("th", "td"):
            self._cell = []
        elif tag == "caption":
            self._caption = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td") and self._cell is not None:
            self.tables[-1][1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None
        elif tag == "caption":
            self._caption = False

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)
        elif self._caption and not self.tables[-1][0]:
            self.tables[-1] = (data, self.tables[-1][1])

    def named(self, name: str) -> list[list[str]]:
        return next(rows for found, rows in self.tables if found == name)


def in_a_browser(test: Any) -> Any:
    """Runs a test of `width` and `scheme` at two widths, dark and light."""
    for mark in (
        pytest.mark.parametrize("scheme", [0, 1], ids=["dark", "light"]),
        pytest.mark.parametrize("width", [1280, 390]),
        pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium"),
    ):
        test = mark(test)
    return test


def assert_drawn(page: pathlib.Path, *, width: int, scheme: int) -> None:
    """A browser draws the page, and its console stays empty."""
    assert CHROMIUM is not None
    folder = page.parent / f"drawn_{width}_{scheme}"
    picture = folder / "page.png"
    own = (f"--user-data-dir={folder / 'user'}", f"--window-size={width},900")
    drawn = (f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={picture}")
    log = ("--enable-logging=stderr", "--v=0", page.as_uri())
    folder.mkdir()
    done = subprocess.run(
        [CHROMIUM, *FLAGS, *own, *drawn, *log], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr
    assert picture.stat().st_size > 10_000
