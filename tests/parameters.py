"""Parameters that tests share."""

from collections.abc import Iterable
from typing import Any

import pytest

SOON = ("lstm", "gru")


def compiled(cells: Iterable[str]) -> list[Any]:
    """Cells of a test that compiles their kernels, seconds each: slow but for those of `SOON`."""
    return [
        pytest.param(name, marks=() if name in SOON else pytest.mark.slow, id=name)
        for name in cells
    ]
