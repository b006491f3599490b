"""TOML files that a user names: of bounded size and depth, so that reading one takes no time."""

import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any

from edgelstm.errors import DeviceError, ModelError
from edgelstm.files.disk import read_bytes

LARGEST_BYTES = 1 << 16
MOST_DOTS = 100  # of a line; tomllib's time and memory grow with the square of a key's
SHOWN_CHARACTERS = 60


def read_text(path: pathlib.Path, needed: str) -> str:
    """The text of a file; `DeviceError` if it cannot be read as text."""
    try:
        return read_bytes(path, needed, LARGEST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise DeviceError(f"{path.name}: cannot be read as text: {error}") from None
    except ModelError as error:
        raise DeviceError(str(error)) from None


def parse(text: str, file: str) -> dict[str, Any]:
    """`{"clock.mhz": v}` of `[clock]` and `mhz = v`: one level, a table inside stays one.

    Args:
        text: TOML.
        file: How a `DeviceError` calls it.
    """
    try:
        if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
            raise ValueError(f"a line has more than {MOST_DOTS} dots")
        return _flat(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise DeviceError(f"{file}: is not TOML: {error}") from None


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": v for inner, v in value.items()}
        else:
            flat[key] = value
    return flat


def shown(value: object) -> str:
    """A value as an error shows it: in one line, and not all of a long one.

    >>> shown("mcu"), shown("a" * 200)[-6:]
    ("'mcu'", 'aaa...')
    """
    try:
        text = repr(value)
    except ValueError:
        text = "a number with more digits than Python prints"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def shown_key(key: str) -> str:
    """A key as it stands in the file, or quoted where it is not plain text."""
    return key if key.isprintable() and len(key) <= SHOWN_CHARACTERS else shown(key)
