"""Text of others made harmless: names in files reach terminals, spreadsheets and pages."""

from collections.abc import Mapping
from typing import Any

FORMULA = tuple("=+-@＝＋－＠")  # what makes a formula of a cell


def printable(text: str) -> str:
    """The text with control characters, marks of direction and halves of characters as escapes.

    >>> print(printable("lstm1 \\x1b[31m \\u202e für 層"))
    lstm1 \\x1b[31m \\u202e für 層
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """The text in one printable line."""
    return printable(" ".join(text.split()))


def printable_texts(value: Any) -> Any:
    """A report, objects in lists in objects, with every text in it printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable_texts(key): printable_texts(item) for key, item in value.items()}
    return [printable_texts(item) for item in value] if isinstance(value, list | tuple) else value


def cell(value: Any) -> Any:
    """A value for a table of comma-separated values; a spreadsheet takes no text for a formula.

    >>> cell("=1+2"), cell("lstm1"), cell(-3)
    ("'=1+2", 'lstm1', -3)
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
