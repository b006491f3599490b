"""A linked image: segments and symbols of a little-endian ELF file of 32 or 64 bits."""

import bisect
import struct
from pathlib import Path

LOADED, SYMBOLS = 1, 2  # kinds of segments and sections
OBJECT, FUNCTION = 1, 2  # kinds of symbols


class Image:
    """What a core loads.

    Attributes:
        path: Of the file.
        segments: (address, bytes, size in memory).
        symbols: Name to (address, size) of functions and arrays; Thumb's lowest bit is taken off.
    """

    def __init__(self, path: Path) -> None:
        self.path, data = path, path.read_bytes()
        if data[:4] != b"\x7fELF" or data[5] != 1:
            raise ValueError(f"{path} is no little-endian ELF file")
        self._data, self._wide = data, data[4] == 2
        phoff, shoff = self._unpack("QQ" if self._wide else "II", 32 if self._wide else 28)
        phsize, n_segments, shsize, n_sections = self._unpack("HHHH", 54 if self._wide else 42)
        self.segments = [
            segment for k in range(n_segments) if (segment := self._segment(phoff + k * phsize))
        ]
        self.symbols: dict[str, tuple[int, int]] = {}
        form = "IIQQQQIIQQ" if self._wide else "10I"
        sections = [self._unpack(form, shoff + k * shsize) for k in range(n_sections)]
        for section in sections:
            if section[1] == SYMBOLS:
                self._add_symbols(section[4], section[5], sections[section[6]][4])
        self._sorted = sorted((place, size, name) for name, (place, size) in self.symbols.items())

    def _unpack(self, form: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{form}", self._data, offset)

    def _segment(self, at: int) -> tuple[int, bytes, int] | None:
        fields = self._unpack("IIQQQQQQ" if self._wide else "8I", at)
        order = (0, 2, 3, 5, 6) if self._wide else (0, 1, 2, 4, 5)
        kind, offset, address, in_file, in_memory = (fields[k] for k in order)
        if kind != LOADED or not in_memory:
            return None
        return address, self._data[offset : offset + in_file], in_memory

    def _add_symbols(self, begin: int, size: int, names: int) -> None:
        for at in range(begin, begin + size, 24 if self._wide else 16):
            if self._wide:
                name, info, _, index, value, n_bytes = self._unpack("IBBHQQ", at)
            else:
                name, value, n_bytes, info, _, index = self._unpack("IIIBBH", at)
            if index and info & 15 in (OBJECT, FUNCTION):
                end = self._data.index(b"\0", names + name)
                place = value & ~1 if info & 15 == FUNCTION else value
                self.symbols[self._data[names + name : end].decode()] = place, n_bytes

    def code(self, address: int, size: int) -> bytes:
        """What lies there before anything runs."""
        for start, data, _ in self.segments:
            if start <= address < start + len(data):
                return data[address - start : address - start + size]
        raise ValueError(f"{address:#x} is not in the image")

    def symbol_at(self, address: int) -> str | None:
        """The function or array that an address lies in."""
        at = bisect.bisect_right(self._sorted, (address, 2**64, "")) - 1
        for place, size, name in reversed(self._sorted[max(at - 1, 0) : at + 1]):
            if place <= address < place + size:
                return name
        return None

    @property
    def flash_bytes(self) -> int:
        """Code and constants."""
        return sum(len(data) for _, data, _ in self.segments)

    @property
    def ram_bytes(self) -> int:
        """Variables of its own: none, as the caller owns all memory."""
        return sum(size - len(data) for _, data, size in self.segments)
