"""Text of others made harmless: names in files reach terminals, spreadsheets and pages."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")
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


def printable_texts(value: T) -> T:
    """A report, dataclasses and mappings in tuples and lists, with every text in it printable."""
    found: Any = value
    if isinstance(value, str):
        found = printable(value)
    elif isinstance(value, Mapping):
        found = {printable_texts(key): printable_texts(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        found = type(value)(printable_texts(item) for item in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        changed = {name: printable_texts(getattr(value, name)) for name in names}
        found = dataclasses.replace(value, **changed)
    return found  # type: ignore[no-any-return]


def cell(value: Any) -> Any:
    """A value for a table of comma-separated values; a spreadsheet takes no text for a formula.

    >>> cell("=1+2"), cell("lstm1"), cell(-3)
    ("'=1+2", 'lstm1', -3)
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
