"""Flatbuffers by a schema that is data: written with the flatbuffers package, read with checks.

A table is a set of named fields. In the bytes it starts with the distance to its vtable, which
holds the place of each field by slot; strings, vectors and other tables are reached by offsets.
"""

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.installed import check_installed

_SCALARS = {
    "bool": "<?",
    "int8": "<b",
    "uint8": "<B",
    "uint16": "<H",
    "int32": "<i",
    "uint32": "<I",
    "float32": "<f",
}
_LONGEST_TEXT = 200


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a table.

    Attributes:
        slot: Its place in the vtable.
        kind: A scalar (`int32`), `string`, a vector of numbers (`[int32]`), a table by its name
            (`Tensor`), a vector of tables (`[Tensor]`), or `any` for a table of several kinds.
        default: Value of a scalar that the file leaves out.
    """

    slot: int
    kind: str
    default: float = 0


Schema = Mapping[str, Mapping[str, Field]]  # table -> field -> Field


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A table to write: its name in the schema, and a value (None: left out) for each field."""

    kind: str
    values: Mapping[str, Any]


def encode(schema: Schema, root: Table, identifier: bytes) -> bytes:
    """The file that holds a table and everything it refers to.

    Vectors of bytes are aligned to 16 bytes, all others to their numbers.
    """
    check_installed("flatbuffers", "writing .tflite")
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(_write_table(builder, schema, root), file_identifier=identifier)
    return bytes(builder.Output())


def _write_table(builder: Any, schema: Schema, table: Table) -> int:
    fields = schema[table.kind]
    values = {name: value for name, value in table.values.items() if value is not None}
    places = {  # before the table is started: flatbuffers cannot nest
        name: _write_value(builder, schema, value)
        for name, value in values.items()
        if fields[name].kind not in _SCALARS
    }
    builder.StartObject(1 + max((field.slot for field in fields.values()), default=-1))
    for name, value in values.items():
        field = fields[name]
        if name in places:
            builder.PrependUOffsetTRelativeSlot(field.slot, places[name], 0)
        else:
            prepend = getattr(builder, f"Prepend{field.kind.capitalize()}Slot")
            prepend(field.slot, value, field.default)
    return int(builder.EndObject())


def _write_value(
    builder: Any, schema: Schema, value: str | bytes | NDArray[Any] | Table | Sequence[Table]
) -> int:
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, bytes):
        builder.Prep(16, len(value))
        return int(builder.CreateByteVector(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, Table):
        return _write_table(builder, schema, value)
    places = [_write_table(builder, schema, table) for table in value]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A table inside the bytes of a file; a damaged place is a `ModelError` when it is reached.

    Attributes:
        data: The whole file.
        schema: What the tables hold.
        kind: The table's name in the schema.
        position: Where the table starts.
    """

    data: bytes
    schema: Schema
    kind: str
    position: int

    def has(self, name: str) -> bool:
        """Whether the file states a field."""
        return self._place(name) is not None

    def scalar(self, name: str) -> Any:
        """A scalar, or its default."""
        place, field = self._place(name), self.schema[self.kind][name]
        return field.default if place is None else self._number(field.kind, place)

    def text(self, name: str) -> str:
        """A string; its first 200 bytes, in printable characters."""
        place, length = self._vector(name, 1)
        text = self.data[place : place + min(length, _LONGEST_TEXT)].decode("utf-8", "replace")
        return "".join(c if c.isprintable() else "?" for c in text)

    def numbers(self, name: str) -> NDArray[Any]:
        """A vector of numbers, a view of the file's bytes."""
        dtype = np.dtype(self.schema[self.kind][name].kind.strip("[]")).newbyteorder("<")
        place, length = self._vector(name, dtype.itemsize)
        return np.frombuffer(self.data, dtype, length, place)

    def table(self, name: str, kind: str | None = None) -> "View | None":
        """A table that a field refers to; `kind` for a field that may hold several."""
        place = self._place(name)
        if place is None:
            return None
        kind = kind or self.schema[self.kind][name].kind
        return View(self.data, self.schema, kind, self._follow(place))

    def size(self, name: str) -> int:
        """How many tables a vector holds."""
        return self._vector(name, 4)[1]

    def item(self, name: str, index: int) -> "View":
        """One table of a vector."""
        place, length = self._vector(name, 4)
        if not 0 <= index < length:
            raise ModelError(f"the file is damaged: it has {length} {name}, but refers to {index}")
        kind = self.schema[self.kind][name].kind.strip("[]")
        return View(self.data, self.schema, kind, self._follow(place + 4 * index))

    def _place(self, name: str) -> int | None:
        """Where a field's value, or the offset to it, stands; None if the file leaves it out."""
        vtable = self.position - self._number("int32", self.position)
        entry = 4 + 2 * self.schema[self.kind][name].slot
        if entry + 2 > self._number("uint16", vtable):
            return None
        offset = self._number("uint16", vtable + entry)
        return self.position + offset if offset else None

    def _vector(self, name: str, item_bytes: int) -> tuple[int, int]:
        """Where a vector's items start, and how many there are."""
        place = self._place(name)
        if place is None:
            return 0, 0
        start = self._follow(place)
        length: int = self._number("uint32", start)
        if length * item_bytes > len(self.data) - start - 4:
            raise ModelError(
                f"the file is damaged: '{name}' at byte {start} claims {length} items, "
                f"more than the file of {len(self.data)} bytes holds"
            )
        return start + 4, length

    def _follow(self, place: int) -> int:
        return place + int(self._number("uint32", place))

    def _number(self, kind: str, place: int) -> Any:
        if not 0 <= place <= len(self.data) - struct.calcsize(_SCALARS[kind]):
            raise ModelError(
                f"the file is damaged: it refers to byte {place}, but has {len(self.data)} bytes"
            )
        return struct.unpack_from(_SCALARS[kind], self.data, place)[0]


def open_root(data: bytes, schema: Schema, kind: str, identifier: bytes) -> View:
    """The table that a file starts with; `ModelError` if the file has another identifier."""
    if data[4:8] != identifier:
        raise ModelError(
            f"bytes 4 to 8 are {data[4:8]!r}; a file of this format has {identifier!r} there"
        )
    return View(data, schema, kind, int.from_bytes(data[:4], "little"))
