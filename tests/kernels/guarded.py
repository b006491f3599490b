"""Arrays between two pages that end the process when they are touched."""

import ctypes
import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAGE, NO_ACCESS = mmap.PAGESIZE, 0
_held: list[Any] = []  # as long as the process: an array does not hold its mapping


def guarded(values: NDArray[Any], *, at_end: bool) -> NDArray[Any]:
    """A copy that ends where the forbidden page begins, or begins where the other one ends."""
    inside = -(-max(values.nbytes, 1) // PAGE) * PAGE
    held = mmap.mmap(-1, inside + 2 * PAGE)
    whole = np.frombuffer(held, np.uint8)
    for page in (0, PAGE + inside):
        at = ctypes.c_void_p(whole.ctypes.data + page)
        assert ctypes.CDLL(None).mprotect(at, ctypes.c_size_t(PAGE), NO_ACCESS) == 0
    start = PAGE + (inside - values.nbytes if at_end else 0)
    made = whole[start : start + math.prod(values.shape) * values.itemsize].view(values.dtype)
    _held.append(held)
    made = made.reshape(values.shape)
    made[...] = values
    return made
