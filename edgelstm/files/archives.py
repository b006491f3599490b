"""Zip archives that one directory describes in full; others are refused: readers differ there."""

import dataclasses
import struct
import zlib
from collections.abc import Iterator

from edgelstm.errors import ModelError

STORED, DEFLATED = 0, 8
MOST_ENTRIES = 65_535
PIECE_BYTES = 2**18

# Sizes of the records, see PKWARE's APPNOTE.TXT 6.3.10, 4.3.
LOCAL = struct.Struct("<4s5H3I2H")
ENTRY = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
END_64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR_64 = struct.Struct("<4sIQI")

DESCRIBED_AFTER = 0x0008  # flag: a copy of sizes and checksum follows the content
DESCRIPTION_BYTES = (12, 16, 20, 24)
UTF_8 = 0x0800  # flag: of the name
HARMLESS = DESCRIBED_AFTER | UTF_8 | 0x0006  # the last two: how hard the packer tried


@dataclasses.dataclass(frozen=True)
class _Entry:
    """What the directory says about an entry; `name` as it stands there."""

    name: bytes
    flags: int
    method: int
    checksum: int
    packed_bytes: int
    size_bytes: int
    place: int

    def __str__(self) -> str:
        return self.name.decode("utf-8" if self.flags & UTF_8 else "cp437", "replace")


def unpack(content: bytes, most_bytes: int) -> dict[str, memoryview]:
    """The entries of an archive by name; those stored without compression are not copied.

    Args:
        content: Of the file: the entries one behind the other, then their directory, no more.
        most_bytes: That all entries may have together.

    Raises:
        ModelError: Anything else, entries that are encrypted, of one name, packed by another
            method than deflate, larger or smaller than they say or than `most_bytes`, or damaged.
    """
    entries, start = _directory(content)
    total = sum(entry.size_bytes for entry in entries)
    if total > most_bytes:
        raise ModelError(f"unpacks to {total:,} B; at most {most_bytes:,} B are read")
    entries.sort(key=lambda entry: entry.place)
    places = [*(entry.place for entry in entries), start]
    if places[0]:
        raise ModelError("has bytes before its first entry")
    found: dict[str, memoryview] = {}
    for entry, end in zip(entries, places[1:], strict=True):
        if str(entry) in found:
            raise ModelError(f"has two entries called '{entry}'")
        found[str(entry)] = _unpacked(content, entry, end)
    return found


def _directory(content: bytes) -> tuple[list[_Entry], int]:
    """The entries as the directory lists them, and where it starts."""
    last = len(content) - END.size
    if not content.startswith(b"PK") or last < 0 or content[last : last + 4] != b"PK\5\6":
        raise ModelError("is not a zip archive that ends with its directory")
    _, disk, start_disk, here, count, size, start, comment = END.unpack_from(content, last)
    said: tuple[int, ...] = (disk, start_disk, here, count, size, start)
    stop = last
    if content[last - LOCATOR_64.size :].startswith(b"PK\6\7"):
        stop = last - LOCATOR_64.size - END_64.size
        said = _directory_64(content, stop, said)
    disk, start_disk, here, count, size, start = said
    if disk or start_disk or comment or here != count or start + size != stop:
        raise ModelError("is not as long as its directory says")
    if count > MOST_ENTRIES:
        raise ModelError(f"has {count:,} entries; at most {MOST_ENTRIES:,} are read")
    return list(_entries(content, start, stop, count)), start


def _directory_64(content: bytes, place: int, short: tuple[int, ...]) -> tuple[int, ...]:
    """The same six numbers from the record for large archives, which ends the directory."""
    broken = ModelError("ends with two directories that differ")
    if place < 0:
        raise broken
    _, disk, where, disks = LOCATOR_64.unpack_from(content, place + END_64.size)
    mark, size, _, _, *said = END_64.unpack_from(content, place)
    if (disk, where, disks) != (0, place, 1) or (mark, size) != (b"PK\6\6", END_64.size - 12):
        raise broken
    absent = (0xFFFF,) * 4 + (0xFFFFFFFF,) * 2
    if any(a not in (b, none) for a, b, none in zip(short, said, absent, strict=True)):
        raise broken
    return tuple(said)


def _entries(content: bytes, place: int, stop: int, count: int) -> Iterator[_Entry]:
    broken = ModelError("has a broken directory")
    for _ in range(count):
        if place + ENTRY.size > stop:
            raise broken
        found = ENTRY.unpack_from(content, place)
        mark, flags, method, checksum, packed, size = *found[:1], *found[3:5], *found[7:10]
        name_bytes, extra_bytes, comment_bytes, disk, header = *found[10:14], found[16]
        name_end = place + ENTRY.size + name_bytes
        extra_end = name_end + extra_bytes
        if mark != b"PK\1\2" or disk or extra_end + comment_bytes > stop:
            raise broken
        wide = _wide(content[name_end:extra_end])
        numbers = [next(wide, n) if n == 0xFFFFFFFF else n for n in (size, packed, header)]
        name = content[place + ENTRY.size : name_end]
        yield _Entry(name, flags, method, checksum, numbers[1], numbers[0], numbers[2])
        place = extra_end + comment_bytes
    if place != stop:
        raise broken


def _wide(extra: bytes) -> Iterator[int]:
    """The numbers of 64 bits among an entry's extra fields."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<2H", extra)
        if kind == 1:
            yield from (n for (n,) in struct.iter_unpack("<Q", extra[4 : 4 + size // 8 * 8]))
        extra = extra[4 + size :]


def _unpacked(content: bytes, entry: _Entry, end: int) -> memoryview:
    """An entry's content, if it fills its place up to `end` and is what the directory says."""
    if entry.flags & ~HARMLESS or b"\0" in entry.name:
        raise ModelError(f"entry '{entry}' is encrypted or has flags that are not supported")
    if entry.method not in (STORED, DEFLATED):
        raise ModelError(
            f"entry '{entry}' is packed by method {entry.method}; stored or deflated is needed"
        )
    begin = entry.place + LOCAL.size
    if begin > end:
        raise ModelError(f"entry '{entry}' does not fit into its place in the file")
    mark, _, flags, method, *_, name_bytes, extra_bytes = LOCAL.unpack_from(content, entry.place)
    name = content[begin : begin + name_bytes]
    stop = begin + name_bytes + extra_bytes + entry.packed_bytes
    rests = DESCRIPTION_BYTES if flags & DESCRIBED_AFTER else (0,)
    same = (mark, flags, method, name) == (b"PK\3\4", entry.flags, entry.method, entry.name)
    if not same or end - stop not in rests:
        raise ModelError(f"entry '{entry}' is not what the directory says")
    packed = memoryview(content)[stop - entry.packed_bytes : stop]
    unpacked = packed if entry.method == STORED else _inflated(packed, entry)
    if len(unpacked) != entry.size_bytes or zlib.crc32(unpacked) != entry.checksum:
        raise ModelError(f"entry '{entry}' is damaged: its size or checksum differs")
    return unpacked


def _inflated(packed: memoryview, entry: _Entry) -> memoryview:
    """As many bytes as the entry says, whatever is packed."""
    unpacked, filled = memoryview(bytearray(entry.size_bytes)), 0
    try:
        for piece in _pieces(packed):
            if filled + len(piece) > entry.size_bytes:
                raise zlib.error("it is longer than it says")
            unpacked[filled : filled + len(piece)] = piece
            filled += len(piece)
    except zlib.error as error:
        raise ModelError(f"entry '{entry}' is damaged: {error}") from None
    return unpacked[:filled]


def _pieces(packed: memoryview) -> Iterator[bytes]:
    """What is packed, at most `PIECE_BYTES` at a time; `zlib.error` if it ends elsewhere."""
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    for start in range(0, len(packed), PIECE_BYTES):
        rest, more = bytes(packed[start : start + PIECE_BYTES]), True
        if machine.eof:
            break
        while more:
            piece = machine.decompress(rest, PIECE_BYTES)
            yield piece
            rest, more = machine.unconsumed_tail, len(piece) == PIECE_BYTES
    else:
        if machine.eof and not machine.unused_data:
            return
    raise zlib.error("it does not end where it says")
