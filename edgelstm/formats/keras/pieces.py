"""Arrays that lie in pieces, packed or not: found, bounded and put together here.

The library follows a tree of pieces that names itself until the process ends, and unpacks as much
as a piece says. So the tree is walked here, once per node, and no piece becomes longer than it may
be: III.A.1, IV.A.2.i and VII.B of "HDF5 File Format Specification Version 3.0".
"""

import dataclasses
import itertools
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError

DEFLATE, SHUFFLE = 1, 2  # filters that are undone
CHUNKED = 2  # class of a layout
IN_A_TREE, INDEXED = 3, (4, 5)  # versions of a layout: a tree of pieces, other lists of them
ONE_PIECE, LISTED = 1, 3  # such lists that are read: none at all, one entry after the other
WITH_FILTER = 0x02  # flag of such a layout with one piece
LIST = struct.Struct("<4sBBBBQQ")  # "FAHD", 0, packed or not, bytes and pages of entries; values
LIST_BYTES = 14  # of what stands in front of entries: "FADB", 0, packed or not, the list
UNUSUAL = "lies in pieces that are listed in a way which is not read"
NODE = struct.Struct("<4sBBHQQ")  # "TREE", 1, level, entries, neighbours
MOST_PIECES = 65_536
LEAST_BYTES = 512  # what a piece counts, however small: each takes time


@dataclasses.dataclass(frozen=True)
class Packed:
    """An array as its file describes it.

    Attributes:
        kind, shape: Of its values.
        piece: The shape of a piece; at the ends of the array it reaches beyond.
        filters: In the order in which they were applied.
    """

    kind: np.dtype[Any]
    shape: tuple[int, ...]
    piece: tuple[int, ...]
    filters: tuple[int, ...]

    @property
    def piece_bytes(self) -> int:
        """Of one piece, unpacked."""
        return math.prod(self.piece) * self.kind.itemsize

    @property
    def places(self) -> list[tuple[int, ...]]:
        """Where pieces begin."""
        axes = (range(0, n, step) for n, step in zip(self.shape, self.piece, strict=True))
        return list(itertools.product(*axes))


def check(packed: Packed) -> int:
    """How many bytes all pieces count, unpacked; `ModelError` where they are not undone here."""
    if not set(packed.filters) <= {DEFLATE, SHUFFLE} or len(packed.filters) > 2:
        raise ModelError("is packed in a way that is not undone here; gzip and shuffle are")
    pairs = zip(packed.shape, packed.piece, strict=True)
    n = math.prod(-(-size // step) for size, step in pairs)
    if n > MOST_PIECES:
        raise ModelError(f"lies in {n:,} pieces; at most {MOST_PIECES:,} are read")
    return n * max(packed.piece_bytes, LEAST_BYTES)


def joined(content: memoryview, layout: memoryview, packed: Packed) -> NDArray[Any]:
    """The array.

    Args:
        content: Of the file.
        layout: The message that says where the array lies.
        packed: One that was checked.

    Raises:
        ModelError: A piece is missing, twice there, cut off, or not as long as it must be.
    """
    try:
        found = _found(content, layout, packed)
    except struct.error:
        raise ModelError("is cut off") from None
    places = packed.places
    if set(found) != set(places):
        raise ModelError(f"has {len(found):,} pieces; {len(places):,} are needed")
    made = np.empty(packed.shape, packed.kind)
    for place in places:
        start, size = found[place]
        if start + size > len(content):
            raise ModelError("claims more values than the file holds")
        values = _unpacked(content[start : start + size], packed).reshape(packed.piece)
        ends = [min(p, n - at) for p, n, at in zip(packed.piece, packed.shape, place, strict=True)]
        here = tuple(slice(at, at + end) for at, end in zip(place, ends, strict=True))
        made[here] = values[tuple(map(slice, ends))]
    return made


Found = dict[tuple[int, ...], tuple[int, int]]  # where a piece begins to its address and bytes


def _found(content: memoryview, layout: memoryview, packed: Packed) -> Found:
    version, kind = layout[:2]
    if (version, kind) == (IN_A_TREE, CHUNKED):
        (address,) = struct.unpack_from("<Q", layout, 3)
        return _from_tree(content, address, packed)
    if version not in INDEXED or kind != CHUNKED:
        raise ModelError(UNUSUAL)
    flags, rank, width = layout[2:5]
    index = layout[5 + rank * width :]
    if index[0] == ONE_PIECE and len(packed.places) == 1:
        return _single(index, packed, is_packed=bool(flags & WITH_FILTER))
    if index[0] == LISTED:
        (address,) = struct.unpack_from("<Q", index, 2)
        return _listed(content, address, packed)
    raise ModelError(UNUSUAL)


def _single(index: memoryview, packed: Packed, *, is_packed: bool) -> Found:
    """Of a layout that names its one piece itself."""
    size, mask, at = packed.piece_bytes, 0, 1
    if is_packed:
        size, mask = struct.unpack_from("<QI", index, at)
        at += 12
    _check_mask(mask)
    (address,) = struct.unpack_from("<Q", index, at)
    return {packed.places[0]: (address, size)}


def _listed(content: memoryview, address: int, packed: Packed) -> Found:
    """Of an array of pieces in order; such an array in pages is not read."""
    mark, _, is_packed, width, pages, n, start = LIST.unpack_from(content, address)
    places = packed.places
    if mark != b"FAHD" or n != len(places) or n > 1 << min(pages, 16):
        raise ModelError(UNUSUAL)
    if bytes(content[start : start + 4]) != b"FADB" or width < 8 + 5 * bool(is_packed):
        raise ModelError(UNUSUAL)
    found: Found = {}
    for k, place in enumerate(places):
        entry = content[start + LIST_BYTES + k * width :][:width]
        size = packed.piece_bytes
        if is_packed:
            size = int.from_bytes(entry[8:-4], "little")
            _check_mask(int.from_bytes(entry[-4:], "little"))
        found[place] = struct.unpack_from("<Q", entry)[0], size
    return found


def _from_tree(content: memoryview, root: int, packed: Packed) -> Found:
    found: Found = {}
    waiting, seen = [root], {root}
    n_entries, most = 0, 1000 + 2 * len(packed.places)
    while waiting:
        for place, size, address, level in _entries(content, waiting.pop(), len(packed.shape)):
            n_entries += 1
            if n_entries > most:
                raise ModelError("lies in pieces whose tree has too many entries")
            if level and address in seen:
                raise ModelError("lies in pieces whose tree names a node twice")
            if level:
                seen.add(address)
                waiting.append(address)
            elif place in found:
                raise ModelError("holds a piece twice")
            else:
                found[place] = address, size
    return found


def _entries(
    content: memoryview, node: int, rank: int
) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
    """Where each piece below a node begins, its bytes, its address, the node's level."""
    mark, kind, level, n, _, _ = NODE.unpack_from(content, node)
    if (mark, kind) != (b"TREE", 1):
        raise ModelError("lies in pieces without the tree that lists them")
    key = struct.Struct(f"<II{rank + 1}QQ")
    for k in range(n):
        size, mask, *place, address = key.unpack_from(content, node + NODE.size + k * key.size)
        _check_mask(0 if level else mask)
        yield tuple(place[:rank]), size, address, level


def _check_mask(mask: int) -> None:
    if mask:
        raise ModelError("has pieces of which each is packed in its own way")


def _unpacked(raw: memoryview, packed: Packed) -> NDArray[Any]:
    """Values of a piece, in a row."""
    data: bytes | memoryview = raw
    for code in reversed(packed.filters):
        data = _inflated(data, packed.piece_bytes) if code == DEFLATE else _in_order(data, packed)
    if len(data) != packed.piece_bytes:
        raise ModelError(f"has a piece of {len(data):,} B; {packed.piece_bytes:,} are needed")
    return np.frombuffer(data, packed.kind)


def _inflated(data: bytes | memoryview, most_bytes: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most_bytes + 1)
    except zlib.error as error:
        raise ModelError(f"is packed, and broken: {error}") from None


def _in_order(data: bytes | memoryview, packed: Packed) -> bytes:
    """Whole values, of which all first bytes stood in front of all second ones."""
    width = packed.kind.itemsize
    if len(data) % width:
        raise ModelError("has a piece that is no whole number of values")
    return np.frombuffer(data, np.uint8).reshape(width, -1).T.tobytes()
