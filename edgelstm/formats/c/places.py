"""Where values lie: a state in a field of its own, all others share RAM by their lifetimes."""

import dataclasses
from collections.abc import Mapping, Sequence

from edgelstm.formats.c.calls import Call

EVEN = 2  # elements: kernels read words, so that a place begins at a multiple of 4 bytes


@dataclasses.dataclass
class Buffer:
    """RAM that one value has, or several one after the other.

    Attributes:
        values: Their names.
        size: Elements of the largest.
        first, last: Calls between which it is in use, both included.
        offset: Elements before it.
    """

    values: list[str]
    size: int
    first: int
    last: int
    offset: int = 0


def place(
    calls: Sequence[Call], sizes: Mapping[str, int], kept: Mapping[str, str]
) -> tuple[list[Buffer], int]:
    """Buffers of all values that are not states, and the elements that they need together.

    Args:
        calls: Of the whole network, in order.
        sizes: Value to its elements.
        kept: Values that lie elsewhere, with the place.
    """
    last = {value: k for k, call in enumerate(calls) for value in call.reads}
    buffers: list[Buffer] = []
    holds: dict[str, Buffer] = {}
    for k, call in enumerate(calls):
        free = [holds[a] for a in call.reads if a in holds and last[a] == k]
        for value in call.results:
            if value in kept:
                continue
            size, ends = -(-sizes[value] // EVEN) * EVEN, last.get(value, k)
            if call.in_place and free:
                buffer = free.pop(0)
                buffer.values.append(value)
                buffer.size, buffer.last = max(buffer.size, size), ends
            else:
                buffer = Buffer([value], size, k, ends)
                buffers.append(buffer)
            holds[value] = buffer
    return buffers, _assign(buffers)


def _assign(buffers: Sequence[Buffer]) -> int:
    """The lowest offset for each, the largest first; returns where they end."""
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda b: (-b.size, b.first)):
        others = sorted(
            (b for b in placed if b.first <= buffer.last and buffer.first <= b.last),
            key=lambda b: b.offset,
        )
        for other in others:
            if buffer.offset + buffer.size <= other.offset:
                break
            buffer.offset = max(buffer.offset, other.offset + other.size)
        placed.append(buffer)
    return max((b.offset + b.size for b in buffers), default=0)
