"""Program and its builder: rows of integers, pools of constants, places of vectors."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Slot:
    """Where a vector lies in `values`."""

    start: int
    size: int


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """What a kernel runs.

    Attributes:
        rows: int64 (n_operations, row length).
        constants: The kernel's further arrays, in the order of its parameters.
        start: `values` with every state at its start.
        states: Layer to state to its place.
        input_size: Values per step that come in, at the start of `values`.
        result: Where the network's result lies.
        types: Of what comes in and of the result.
    """

    rows: NDArray[np.int64]
    constants: tuple[NDArray[Any], ...]
    start: NDArray[Any]
    states: Mapping[str, Mapping[str, Slot]]
    input_size: int
    result: Slot
    types: tuple[str, str]


class Builder:
    """Collects a program.

    Attributes:
        kernel: The module of kernels/ whose columns the rows have.
    """

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.states: dict[str, dict[str, Slot]] = {}
        self._rows: list[NDArray[np.int64]] = []
        self._pools: dict[str, list[NDArray[Any]]] = {}
        self._tables: dict[bytes, int] = {}
        self._starts: list[tuple[Slot, Any]] = []
        self._n_values = 0

    def place(self, size: int, align: int = 1) -> Slot:
        """Room for one more vector, at a multiple of `align` elements."""
        self._n_values += -self._n_values % align
        slot = Slot(self._n_values, size)
        self._n_values += size
        return slot

    def state(self, layer: str, name: str, size: int, *, start: int) -> Slot:
        """Room for a state whose elements begin at `start`."""
        slot = self.place(size)
        self.states.setdefault(layer, {})[name] = slot
        self._starts.append((slot, start))
        return slot

    def fixed(self, values: NDArray[Any]) -> Slot:
        """Room for a vector that stays as it is."""
        slot = self.place(len(values))
        self._starts.append((slot, values))
        return slot

    def constant(self, pool: str, array: Any) -> int:
        """Appends to a pool; returns where it starts."""
        arrays = self._pools.setdefault(pool, [])
        arrays.append(np.ravel(array))
        return sum(a.size for a in arrays[:-1])

    def table(self, values: NDArray[np.int16]) -> int:
        """Number of a table of 65536 entries, stored once however many operations read it."""
        key = values.tobytes()
        if key not in self._tables:
            self._tables[key] = len(self._tables)
            self.constant("tables", values)
        return self._tables[key]

    def row(self, kind: str, out: Slot, *args: Slot, **columns: int) -> None:
        """Appends one operation; `kind` and the columns are names in the kernel's module."""
        row, kernel = np.zeros(self.kernel.ROW_LENGTH, np.int64), self.kernel
        row[kernel.KIND] = getattr(kernel, kind)
        row[kernel.OUT], row[kernel.SIZE] = out.start, out.size
        for column, slot in zip((kernel.A, kernel.B), args, strict=False):
            row[column] = slot.start
        for name, value in columns.items():
            row[getattr(kernel, name)] = value
        self._rows.append(row)

    def program(
        self,
        pools: Mapping[str, str],
        values_type: str,
        ends: tuple[Slot, Slot],
        types: tuple[str, str],
    ) -> Program:
        """The program from the input to the result, which have `types`.

        `pools`: name to type, in the order of the kernel's parameters.
        """
        start = np.zeros(self._n_values, values_type)
        for slot, value in self._starts:
            start[slot.start : slot.start + slot.size] = value
        # An empty pool holds one zero: kernels index none of it, but see an array.
        constants = [
            np.concatenate(self._pools.get(name, [np.zeros(1)])).astype(kind)
            for name, kind in pools.items()
        ]
        x, y = ends
        rows = np.array(self._rows)
        return Program(rows, tuple(constants), start, self.states, x.size, y, types)
