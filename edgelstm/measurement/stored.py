"""Runs in files: read back whole, or an error that says what is wrong."""

import json
import pathlib
from collections.abc import Mapping

from edgelstm.errors import ModelError
from edgelstm.files.disk import read_bytes
from edgelstm.measurement.plain import typed
from edgelstm.measurement.results import SCHEMA, Run

LARGEST_BYTES = 1 << 26
NEEDED = "give a file of `bench --json` or `bench --save`"


def load_run(path: pathlib.Path) -> Run:
    """The run in a file; `ModelError` if it holds none."""
    content = read_bytes(path, NEEDED, LARGEST_BYTES)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise ModelError(f"{path} is not JSON, or only a part of it; {NEEDED}") from None
    return read_run(found, str(path))


def read_run(found: object, name: str) -> Run:
    """A `Run` from the object of `bench --json`.

    Args:
        found: Parsed JSON.
        name: How a `ModelError` calls it.
    """
    if not isinstance(found, Mapping) or "results" not in found or "schema" not in found:
        raise ModelError(f"{name} holds no measurement; {NEEDED}")
    if found["schema"] != SCHEMA:
        told = f"schema {found['schema']!r:.20}, this version reads {SCHEMA}"
        raise ModelError(f"{name} has {told}; measure both with one version")
    try:
        run: Run = typed(Run, found)
        return run
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}"
        raise ModelError(f"{name} is not whole ({told:.100}); measure again") from None
