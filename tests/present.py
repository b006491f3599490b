"""Runtimes that are here: what is tested in the others is skipped, never what is tested in these.

`EDGELSTM_RUNTIMES="tflm litert"` says which must be here: no test runs where one is missing.
"""

import importlib
import os
from typing import Any

import pytest

from edgelstm.runtimes import RUNTIMES

VARIABLE = "EDGELSTM_RUNTIMES"


def check_required() -> None:
    """Ends pytest with a failure where a runtime of the variable is missing."""
    for name in os.environ.get(VARIABLE, "").split():
        known = RUNTIMES.get(name)
        obstacle = known.obstacle if known else f"no such runtime; known: {', '.join(RUNTIMES)}"
        if obstacle:
            pytest.exit(f"{VARIABLE} asks for {name}: {obstacle}", returncode=1)


def skip_without(name: str) -> None:
    """Skips a test, or all of a file's that is being imported."""
    if RUNTIMES[name].obstacle:
        pytest.skip(str(RUNTIMES[name].obstacle), allow_module_level=True)


def imported(name: str, module: str) -> Any:
    """A module of a runtime's package; skips where the runtime is absent, never where it broke."""
    skip_without(name)
    return importlib.import_module(module)


def expected_status(name: str) -> str:
    """Of a file that is right."""
    return "skipped" if RUNTIMES[name].obstacle else "ok"
