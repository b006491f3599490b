"""Parameters that tests share."""

from collections.abc import Iterable
from typing import Any

import pytest

from edgelstm.cells import CELLS
from edgelstm.model.forms import refusal
from edgelstm.model.precision import Precision
from edgelstm.model.sizes import direction

SOON = ("lstm", "gru")


def cells_of(precision: Precision) -> list[str]:
    """Cells that have a form in a precision."""
    return [name for name in CELLS if not refusal(direction(name, "l", (3, 4), None), precision)]


def compiled(cells: Iterable[str]) -> list[Any]:
    """Cells of a test that compiles their kernels, seconds each: slow but for those of `SOON`."""
    return [
        pytest.param(name, marks=() if name in SOON else pytest.mark.slow, id=name)
        for name in cells
    ]
