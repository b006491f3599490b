"""All that commands print: the one module that knows the streams and rich.

Names in files may hold anything, so all that is printed is made printable, and never markup.
"""

import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from edgelstm.printable import one_line, printable

Tell = Callable[[str], None]

WIDTH = 100
BETWEEN = 2  # spaces between columns
LONG_WORD = 20


def accept_any_text() -> None:
    """What the encoding of standard output lacks is written as an escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """A function that says on standard error what is going on: one line that changes, or lines."""
    if quiet:
        yield lambda text: None
        return
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if not console.is_terminal:
        yield lambda text: console.print(_text(f"{text} ..."))
        return
    with console.status("starting") as status:
        yield lambda text: status.update(_text(text))


def percent(tell: Tell, what: str) -> Callable[[int, int], None]:
    """A function of what is done, and of how much, that says so at most every other second."""
    last = time.monotonic()

    def told(done: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last > 2:
            last = time.monotonic()
            tell(f"{what}: {done * 100 // of} %")

    return told


def warn(text: str) -> None:
    """One line on standard error."""
    print(f"warning: {one_line(text)}", file=sys.stderr)


def exit_code(failures: Sequence[str]) -> int:
    """1, with one line on standard error, if a check failed; else 0."""
    if failures:
        print(f"failed: {one_line('; '.join(failures))}", file=sys.stderr)
    return int(bool(failures))


def fail(message: str) -> int:
    """2, with the mistake in one line on standard error."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    return 2


def print_line(text: str = "", *, style: str = "", whole: bool = False, indent: int = 0) -> None:
    """A line on standard output, and those that it contains.

    Args:
        text: What it says.
        style: As rich calls them.
        whole: Never wrapped: a line to copy.
        indent: Spaces in front, also where it wraps.
    """
    from rich.padding import Padding

    line = _text(text, style)
    _console().print(Padding(line, (0, 0, 0, indent)) if indent else line, soft_wrap=whole)


def print_heading(name: str, text: str) -> None:
    """What follows: its name, then a few words."""
    _console().print(_text(name, "bold").append(f"  {_printable(text)}\n", "not bold"))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table of texts; columns whose name begins with `>` are right-aligned."""
    from rich.table import Table

    title, columns = _printable(title), [_printable(name) for name in columns]
    texts = [[_printable(cell) for cell in row] for row in rows]
    named = _text(title, "bold") if title else None
    made = Table(title=named, title_justify="left", box=None, pad_edge=False)
    made.show_header, console = any(columns), _console()
    for name, width in zip(columns, column_widths(columns, texts, console.width), strict=True):
        right, heading = name.startswith(">"), _text(name.lstrip(">"))
        made.add_column(heading, justify="right" if right else "left", overflow="fold", width=width)
    for row in texts:
        made.add_row(*map(_text, row))
    console.print(made)


def print_filled(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table and an empty line, or nothing where it has no rows."""
    found = list(rows)
    if found:
        print_table(title, columns, found)
        print_line()


def column_widths(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Whole lines where there is room, else sentences wrap; names and numbers stay whole.

    >>> columns, rows = ("name", ">RAM"), [("stm32l4r5-smps of the maker", "640 KiB")]
    >>> column_widths(columns, rows, 60), column_widths(columns, rows, 20)
    ([27, 7], [14, 7])
    """
    widths, least = [], []
    for k, name in enumerate(columns):
        cells = [row[k] for row in rows]
        lines = [line for cell in (name.lstrip(">"), *cells) for line in cell.split("\n")]
        widths.append(max(map(len, lines)))
        numbers = [cell for cell in cells if name.startswith(">") and "\n" not in cell]
        whole = max(map(len, numbers), default=0)
        least.append(max(whole, *map(_least_width, lines)))
    for _ in range(sum(widths) + BETWEEN * (len(widths) - 1) - room):
        k = max(range(len(widths)), key=lambda k: widths[k] - least[k])
        widths[k] -= widths[k] > least[k]
    return widths


def _least_width(line: str) -> int:
    """Of its longest word; one like an address may break in a sentence, a name may not."""
    words = [len(word) for word in line.split()]
    return max(words, default=1) if len(words) < 2 else min(max(words), LONG_WORD)


def print_json(value: Mapping[str, Any]) -> None:
    """One object on standard output."""
    print(json_text(value), end="")


def json_text(value: Mapping[str, Any]) -> str:
    """An object as JSON, in ASCII, with the end of its last line; NaN and infinity are a bug."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def print_lines(text: str) -> None:
    """Lines on standard output as they are, each with its end."""
    print(_printable(text), end="")


def _console() -> Any:
    """Standard output, at most 100 columns."""
    from rich.console import Console

    made = Console(highlight=False)
    return Console(highlight=False, width=min(WIDTH, made.width) if made.is_terminal else WIDTH)


def _text(text: str, style: str = "") -> Any:
    """Text for rich, which then looks for no markup in it."""
    from rich.text import Text

    return Text(_printable(text), style)


def _printable(text: str) -> str:
    """Line by line: a table's cells have several."""
    return "\n".join(map(printable, text.split("\n")))
