"""Where TensorFlow Lite Micro's planner places buffers in its arena.

Buffers that are needed at the same time lie side by side, the largest first.
"""

import bisect
import dataclasses
import operator

ALIGNMENT_BYTES = 16

_START = operator.itemgetter(0)


@dataclasses.dataclass(frozen=True)
class Buffer:
    """Bytes that hold a value from one operator to another, both included."""

    size_bytes: int
    first: int
    last: int


def placed_bytes(buffers: list[Buffer]) -> int:
    """Height of all buffers when each, the largest first, takes the lowest place that is free.

    Of equal ones the last comes first, as TFLM sorts them.

    >>> placed_bytes([Buffer(16, 0, 1), Buffer(32, 1, 2), Buffer(16, 2, 3)])
    48
    """
    placed: list[tuple[int, int, int, int]] = []  # start, end, first, last, by rising start
    free: dict[tuple[int, int, int], int] = {}  # below it nothing of this size and time has room
    for buffer in sorted(reversed(buffers), key=lambda b: -b.size_bytes):
        size, first, last = kind = buffer.size_bytes, buffer.first, buffer.last
        at = free.get(kind, 0)
        for start, end, since, until in placed[bisect.bisect_left(placed, at, key=_START) :]:
            if since > last or first > until:
                continue
            if start - at >= size:
                break
            if end > at:
                at = end
        free[kind] = at + size
        bisect.insort(placed, (at, at + size, first, last), key=_START)
    return max(end for _, end, _, _ in placed)


def aligned(size_bytes: int) -> int:
    """The next multiple of the alignment."""
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
