"""Archives are what their one directory says, or refused; zipfile is the oracle."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.files.archives import unpack

CONTENTS = {"a.npy": bytes(range(256)) * 40, "b/ü.npy": b"", "c": b"\0" * 100_000}
ENOUGH = 2**20


class Unseekable(io.BytesIO):
    """Like a pipe, into which nothing can be put in front of what is written."""

    def tell(self) -> int:
        raise OSError

    def seekable(self) -> bool:
        return False


def archived(method: int = zipfile.ZIP_STORED, *, after: bool = False, wide: bool = False) -> bytes:
    """An archive of CONTENTS; `after`: sizes stand behind each content; `wide`: in 64 bits."""
    file = Unseekable() if after else io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in CONTENTS.items():
            with archive.open(name, "w", force_zip64=wide) as entry:
                entry.write(content)
    return file.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_an_archive_is_unpacked(method: int, wide: bool, after: bool) -> None:
    got = unpack(archived(method, wide=wide, after=after), ENOUGH)
    assert {name: bytes(content) for name, content in got.items()} == CONTENTS
    assert unpack(empty := zipped({}), 0) == {} and len(empty) == 22


def test_numpys_archives_are_unpacked() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, a=np.arange(1000), b=np.ones((3, 4)))
    with zipfile.ZipFile(file) as archive:
        expected = {name: archive.read(name) for name in archive.namelist()}
    assert unpack(file.getvalue(), ENOUGH) == expected


def zipped(contents: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


ONE = zipped({"a": bytes(1000)}, zipfile.ZIP_DEFLATED)
TWO = zipped({"aa": b"12345678", "bb": b"12345678"})
LOCAL_SIZE, ENTRY_PLACE = 30, ONE.index(b"PK\1\2")


def with_size(content: bytes, size: int) -> bytes:
    """ONE with another size in its directory."""
    place = ENTRY_PLACE + 24
    return content[:place] + struct.pack("<I", size) + content[place + 4 :]


def with_two_directories(content: bytes) -> bytes:
    """A second directory behind the first, of an entry between the two."""
    other = zipped({"evil": b"1"})
    start = other.index(b"PK\1\2")
    moved = bytearray(other[start:])
    moved[42:46] = struct.pack("<I", len(content))
    end = moved.index(b"PK\5\6")
    moved[end + 16 : end + 20] = struct.pack("<I", len(content) + start)
    return content + other[:start] + bytes(moved)


def with_wide_end(content: bytes, start: int) -> bytes:
    """A record for large archives that names another place of the directory."""
    end = content.index(b"PK\5\6")
    size = end - content.index(b"PK\1\2")
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, start)
    return content[:end] + record + struct.pack("<4sIQI", b"PK\6\7", 0, end, 1) + content[end:]


def test_a_record_for_large_archives_must_say_the_same() -> None:
    assert bytes(unpack(with_wide_end(ONE, ENTRY_PLACE), ENOUGH)["a"]) == bytes(1000)
    with pytest.raises(ModelError, match="ends with two directories that differ"):
        unpack(with_wide_end(ONE, ENTRY_PLACE - 1), ENOUGH)


def encrypted(content: bytes) -> bytes:
    copy = bytearray(content)
    copy[6] |= 1
    copy[ENTRY_PLACE + 8] |= 1
    return bytes(copy)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: zipped({"a": b"x" * 999}, zipfile.ZIP_BZIP2), "'a' is packed by method 12"),
        (lambda _: zipped({"a": b"x" * 999}, zipfile.ZIP_LZMA), "'a' is packed by method 14"),
        (encrypted, "entry 'a' is encrypted"),
        (lambda c: with_size(c, 999), "entry 'a' is damaged: it is longer than it says"),
        (lambda c: with_size(c, 1001), "'a' is damaged: its size or checksum differs"),
        (lambda c: with_size(c, ENOUGH + 1), "unpacks to 1,048,577 B; at most 1,048,576 B are"),
        (lambda c: c.replace(b"PK\3\4", b"PK\3\5"), "entry 'a' is not what the directory says"),
        (lambda c: with_size(c, 0), "entry 'a' is damaged: it is longer than it says"),
        (lambda c: b"#!/bin/sh\n" + c, "is not a zip archive"),
        (lambda c: b"PK\3\4" + c, "is not as long as its directory says"),
        (lambda c: c + b"\n", "is not a zip archive that ends with its directory"),
        (lambda c: c[:-2] + b"\1\0x", "is not a zip archive that ends with its directory"),
        (with_two_directories, "has bytes before its first entry"),
        (lambda c: c[:ENTRY_PLACE] + b"junk" + c[ENTRY_PLACE:], "as long as its directory says"),
        (lambda _: TWO.replace(b"bb", b"aa"), "has two entries called 'aa'"),
        (lambda _: TWO.replace(b"bb", b"b\0"), r"'b\x00' is encrypted or has flags"),
        (lambda _: TWO.replace(b"bb", b"cc", 1), "entry 'bb' is not what the directory says"),
        (lambda _: TWO.replace(b"123", b"124", 1), "entry 'aa' is damaged: its size or checksum"),
        (lambda c: c[:-12] + b"\2\0\2\0" + c[-8:], "is not as long as its directory says"),
    ],
)
def test_what_readers_disagree_about_is_refused(
    change: Callable[[bytes], bytes], expected: str
) -> None:
    with pytest.raises(ModelError) as caught:
        unpack(change(ONE), ENOUGH)
    assert expected in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 2**18 - 1, 2**18, 2**18 + 1, 2**20])
@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_sizes_around_those_of_pieces_are_unpacked(size: int, kind: str) -> None:
    content = bytes(size) if kind == "zeros" else np.random.default_rng(0).bytes(size)
    got = unpack(zipped({"a": content}, zipfile.ZIP_DEFLATED), ENOUGH)
    assert got == {"a": content}


@pytest.mark.parametrize("junk", [b"\0", bytes(2**18)])
def test_what_stands_behind_a_packed_entry_is_refused(junk: bytes) -> None:
    packed = zlib.compress(bytes(1000), wbits=-15) + junk
    sizes = zlib.crc32(bytes(1000)), len(packed), 1000
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, *sizes, 1, 0) + b"a" + packed
    numbers = (20, 20, 0, 8, 0, 0, *sizes, 1, *[0] * 6)
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", *numbers) + b"a"
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)
    with pytest.raises(ModelError, match="entry 'a' is damaged: it does not end where it says"):
        unpack(local + entry + end, ENOUGH)


def test_entries_that_share_their_bytes_are_refused() -> None:
    name, packed = b"a", zlib.compress(bytes(10**5), wbits=-15)
    sizes = zlib.crc32(bytes(10**5)), len(packed), 10**5
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, *sizes, 1, 0) + name + packed
    entries = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 0, *sizes, 1, *[0] * 6) + bytes([k])
        for k in b"abc"
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 3, 3, len(entries), len(local), 0)
    with pytest.raises(ModelError, match="entry 'a' does not fit into its place in the file"):
        unpack(local + entries + end, ENOUGH)


def test_every_damaged_bit_is_refused_or_of_no_matter() -> None:
    for place in range(8 * len(ONE)):
        damaged = bytearray(ONE)
        damaged[place // 8] ^= 1 << place % 8
        try:
            got = unpack(bytes(damaged), ENOUGH)
        except ModelError:
            continue
        assert [bytes(content) for content in got.values()] == [bytes(1000)]
