"""How long the texts of an HDF5 attribute say that they are, before the library allocates that.

The object header of version 1 and its attribute messages are parsed: III.A and IV.A of "HDF5 File
Format Specification Version 3.0". Keras writes no others.
"""

import struct
from collections.abc import Iterator

from edgelstm.errors import ModelError

CONTINUED, ATTRIBUTE = 0x10, 0x0C  # types of messages
SHARED = 0x02  # flag: the message lies elsewhere
MOST_BLOCKS = 1000
HEADER = struct.Struct("<BxHIIxxxx")  # version, messages, links, bytes of the first block
MESSAGE = struct.Struct("<HHBxxx")  # type, bytes, flags
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


def _messages(content: memoryview, address: int) -> Iterator[tuple[int, memoryview]]:
    version, _, _, size = HEADER.unpack_from(content, address)
    if version != 1:
        raise ModelError(f"has headers of version {version}, which Keras does not write")
    blocks = [(address + HEADER.size, size)]
    for place, length in blocks:
        stop = min(place + length, len(content))
        while place + MESSAGE.size <= stop:
            kind, size, flags = MESSAGE.unpack_from(content, place)
            place += MESSAGE.size
            body = content[place : min(place + size, stop)]
            place += size
            if kind == CONTINUED and len(blocks) < MOST_BLOCKS:
                blocks.append(struct.unpack_from("<QQ", body))
            if flags & SHARED and kind == ATTRIBUTE:
                raise ModelError("shares attributes between groups, which Keras does not")
            yield kind, body


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
