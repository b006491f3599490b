"""What lies in the header of an HDF5 object, before the library believes it.

How long the texts of an attribute say that they are, which the library allocates, and where an
array lies. Object headers of both versions are parsed: IV.A of "HDF5 File Format Specification
Version 3.0".
"""

import struct
from collections.abc import Callable, Iterator

from edgelstm.errors import ModelError

LAYOUT, ATTRIBUTE, CONTINUED = 0x08, 0x0C, 0x10  # types of messages
SHARED = 0x02  # flag: the message lies elsewhere
MOST_BLOCKS = 1000
FIRST = struct.Struct("<BxHIIxxxx")  # version 1: messages, links, bytes of the first block
MESSAGE = struct.Struct("<HHBxxx")  # version 1: type, bytes, flags
SECOND = struct.Struct("<4sBB")  # "OHDR", version 2, flags
SHORT_MESSAGE = struct.Struct("<BHB")  # version 2: type, bytes, flags
TIMES, LIMITS, NUMBERED = 0x20, 0x10, 0x04  # flags: more stands in front of messages, or in each
CHECKSUM_BYTES = 4
SIZES = struct.Struct("<BBHHH")  # version, flags, bytes of name, type and shape
TEXT = struct.Struct("<IQI")  # bytes, and where they lie


def text_sizes(content: bytes | memoryview, address: int, attribute: str, n: int) -> list[int]:
    """Bytes of each of the texts of an attribute.

    Args:
        content: Of the file.
        address: Of the object's header.
        attribute: Its name.
        n: How many texts it has.

    Raises:
        ModelError: The header is of another version, or the attribute is not in it.
    """
    name = attribute.encode()
    try:
        found = [
            list(TEXT.iter_unpack(_data(body, name, n)))
            for kind, body in _messages(memoryview(content), address)
            if kind == ATTRIBUTE and _is_called(body, name)
        ]
    except struct.error:
        raise ModelError(f"attribute '{attribute}' is cut off") from None
    if not found:
        raise ModelError(f"attribute '{attribute}' lies where Keras puts none")
    return [size for texts in found for size, _, _ in texts]


def layout_of(content: bytes | memoryview, address: int) -> memoryview | None:
    """The message that says where an array lies; None: there is none."""
    try:
        found = _messages(memoryview(content), address)
        return next((body for kind, body in found if kind == LAYOUT), None)
    except struct.error:
        raise ModelError("the header of an array is cut off") from None


def _messages(content: memoryview, address: int) -> Iterator[tuple[int, memoryview]]:
    """Type and content of each message of a header."""
    if bytes(content[address : address + 4]) == b"OHDR":
        start, size, split = _second(content, address)
    else:
        version, _, _, size = FIRST.unpack_from(content, address)
        if version != 1:
            raise ModelError(f"has headers of version {version}; 1 and 2 are read")
        start, split = address + FIRST.size, _split
    blocks = [(start, size)]
    for place, length in blocks:
        for kind, flags, body in split(content, place, min(place + length, len(content))):
            if kind == CONTINUED and len(blocks) < MOST_BLOCKS:
                place, length = struct.unpack_from("<QQ", body)
                blocks.append(
                    (place, length) if split is _split else (place + 4, length - 4 - CHECKSUM_BYTES)
                )
            if flags & SHARED and kind == ATTRIBUTE:
                raise ModelError("shares attributes between groups, which Keras does not")
            yield kind, body


Split = Callable[[memoryview, int, int], Iterator[tuple[int, int, memoryview]]]


def _second(content: memoryview, address: int) -> tuple[int, int, Split]:
    """Where messages begin in a header of version 2, how long they are, and what parts them."""
    _, version, flags = SECOND.unpack_from(content, address)
    if version != 2:
        raise ModelError(f"has headers of version {version}; 1 and 2 are read")
    start = address + SECOND.size + 16 * bool(flags & TIMES) + 4 * bool(flags & LIMITS)
    width = 1 << (flags & 3)
    size = int.from_bytes(content[start : start + width], "little")
    before = SHORT_MESSAGE.size + 2 * bool(flags & NUMBERED)

    def split(content: memoryview, place: int, stop: int) -> Iterator[tuple[int, int, memoryview]]:
        while place + before <= stop:
            kind, size, flags = SHORT_MESSAGE.unpack_from(content, place)
            place += before
            yield kind, flags, content[place : min(place + size, stop)]
            place += size

    return start + width, size, split


def _split(content: memoryview, place: int, stop: int) -> Iterator[tuple[int, int, memoryview]]:
    """Type, flags and content of messages of version 1."""
    while place + MESSAGE.size <= stop:
        kind, size, flags = MESSAGE.unpack_from(content, place)
        place += MESSAGE.size
        yield kind, flags, content[place : min(place + size, stop)]
        place += size


def _is_called(body: memoryview, name: bytes) -> bool:
    version, _, size, _, _ = SIZES.unpack_from(body)
    start = SIZES.size + (version == 3)
    return bytes(body[start : start + size]).partition(b"\0")[0] == name


def _data(body: memoryview, name: bytes, n: int) -> memoryview:
    """The values; in version 1 each part in front of them fills whole words of 8 bytes."""
    version, _, *sizes = SIZES.unpack_from(body)
    padded = sum(-(-size // 8) * 8 if version == 1 else size for size in sizes)
    start = SIZES.size + (version == 3) + padded
    data = body[start : start + n * TEXT.size]
    if len(data) != n * TEXT.size:
        raise ModelError(f"attribute '{name.decode()}' is cut off")
    return data
