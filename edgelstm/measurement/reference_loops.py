"""Two loops that are part of every run and change with no build: what runs are compared by.

One computes in the nearest cache, one reads RAM; how fast the machine is today is in both.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

NAMES = ("computing", "streaming")
ROWS, COLUMNS = 96, 64  # 24 KiB of float32
PAGE_BYTES = 4096  # where memory begins decides over 6 % of `computing`
CHUNK_BYTES = 1 << 20
LEAST_BYTES, MOST_BYTES, CACHES = 1 << 24, 1 << 28, 4


def computing() -> Callable[[], object]:
    """Products of one matrix with vectors, in the first-level cache."""
    matrix, x, y = (_at_page(size) for size in (ROWS * COLUMNS, COLUMNS, ROWS))
    matrix[:], x[:] = np.linspace(-1, 1, len(matrix)), 1
    matrix = matrix.reshape(ROWS, COLUMNS)

    def call() -> object:
        for _ in range(8):
            np.dot(matrix, x, out=y)
        return y

    return call


def _at_page(n: int) -> NDArray[np.float32]:
    """n numbers from the begin of a page of memory on."""
    raw = np.empty(4 * n + PAGE_BYTES, np.uint8)
    begin = -raw.ctypes.data % PAGE_BYTES
    return raw[begin : begin + 4 * n].view(np.float32)


def streaming(last_level_kib: float | None) -> Callable[[], object]:
    """Sums of one chunk after the other of a memory four times as large as the last cache.

    Every chunk has left the caches before its turn comes again.
    """
    wanted = int(CACHES * (last_level_kib or 0) * 1024)
    memory = np.ones(min(max(wanted, LEAST_BYTES), MOST_BYTES) // 4, np.float32)
    chunks = memory.reshape(-1)[: len(memory) // (CHUNK_BYTES // 4) * (CHUNK_BYTES // 4)]
    rows = chunks.reshape(-1, CHUNK_BYTES // 4)
    at = 0

    def call() -> object:
        nonlocal at
        at = (at + 1) % len(rows)
        return rows[at].max()

    return call
