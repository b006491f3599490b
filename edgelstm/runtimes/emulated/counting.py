"""What a step costs on a core: instructions by function, accesses by array, the stack; exact."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np

from edgelstm.devices.cores import CORES
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import BUFFERS, Crashed, EmulatedFile, Machine
from edgelstm.runtimes.folder import Folder
from edgelstm.runtimes.runtime import Array

LINE_BYTES = 16  # of flash, at most devices with wait states


@dataclasses.dataclass(frozen=True)
class Counted:
    """Of one step, without what begins a sequence.

    Attributes:
        instructions: Executed.
        by_function: The same, by function or named part of one.
        loads, stores: Accesses of memory; None where the emulator computes something else while it
            tells of reads, as Unicorn 2.1 does on some compiled code.
        bytes_read, bytes_written: By them, or None.
        read_by_array: Bytes read of each constant, or nothing.
        flash_lines: Changes of the 16-byte line among reads of constants, or None.
        taken_branches: Blocks that do not follow the one before them.
        blocks: (address, bytes) to executions.
        stack_bytes: The most that was in use.
    """

    instructions: int
    by_function: dict[str, int]
    loads: int | None
    stores: int | None
    bytes_read: int | None
    bytes_written: int | None
    read_by_array: dict[str, int]
    flash_lines: int | None
    taken_branches: int
    blocks: dict[tuple[int, int], int]
    stack_bytes: int


def count(folder: Folder, core: str, image: Image, x: Array) -> Counted:
    """Runs steps of a folder on a core, and counts the last of them.

    Args:
        folder: Of C.
        core: Key of `CORES`.
        image: Of the folder, for that core.
        x: (steps, input_size).
    """
    # Accesses are recorded by another run: hooks of memory change where blocks end.
    by_block, by_access = _Watch(core, image), _Watch(core, image)
    by_block.hook(memory=False)
    by_access.hook(memory=True)
    y, again = by_block.run(folder, x), by_access.run(folder, x)
    told = y is not None and again is not None and np.array_equal(y, again)
    functions = by_block.by_function()

    def seen(key: str) -> int | None:
        return by_access.n[key] if told else None

    return Counted(
        sum(functions.values()),
        functions,
        seen("load"),
        seen("store"),
        seen("read"),
        seen("written"),
        dict(by_access.arrays) if told else {},
        seen("lines"),
        by_block.n["taken"],
        dict(by_block.blocks),
        by_block.machine.stack_bytes,
    )


class _Watch:
    """A machine that notes what it does."""

    def __init__(self, core: str, image: Image) -> None:
        self.machine, self._core = Machine(core, image), core
        self.forget()

    def forget(self) -> None:
        """Counts from here on."""
        self.blocks: Counter[tuple[int, int]] = Counter()
        self.n: Counter[str] = Counter()
        self.arrays: Counter[str] = Counter()
        self._line = self._end = -1

    def run(self, folder: Folder, x: Array) -> Array | None:
        """Steps, of which the last is counted, and its result; None if the emulator fails."""
        try:
            file = EmulatedFile(folder, self.machine)
            for x_t in x:
                self.forget()
                y = file.step(x_t)
        except Crashed:
            return None
        return y

    def hook(self, *, memory: bool) -> None:
        """Asks the emulator to tell."""
        import unicorn.unicorn_const as constants

        if memory:
            kinds = constants.UC_HOOK_MEM_READ | constants.UC_HOOK_MEM_WRITE
            self._write = constants.UC_MEM_WRITE
            self.machine.uc.hook_add(kinds, self._accessed)
        else:
            self.machine.uc.hook_add(constants.UC_HOOK_BLOCK, self._entered)

    def _entered(self, uc: Any, address: int, size: int, data: Any) -> None:
        self.blocks[address, size] += 1
        self.n["taken"] += self._end not in (-1, address)
        self._end = address + size

    def _accessed(self, uc: Any, kind: int, place: int, size: int, value: int, data: Any) -> None:
        if kind == self._write:
            self.n["store"] += 1
            self.n["written"] += size
            return
        self.n["load"] += 1
        self.n["read"] += size
        if place < BUFFERS:
            self.arrays[self.machine.image.symbol_at(place) or "code"] += size
            self.n["lines"] += place // LINE_BYTES != self._line
            self._line = place // LINE_BYTES

    def by_function(self) -> dict[str, int]:
        """Instructions: a block's executions times those in it, by the symbol of each."""
        found: Counter[str] = Counter()
        for (address, size), times in self.blocks.items():
            code = self.machine.read(address, size)
            for at in offsets(CORES[self._core].family, code):
                found[self.machine.image.symbol_at(address + at) or "?"] += times
        return dict(found)


def offsets(family: str, code: bytes) -> list[int]:
    """Where the instructions of a straight piece of code begin, without a disassembler.

    >>> offsets("thumb", bytes.fromhex("00f001f8" "7047"))
    [0, 4]
    """
    found, at = [], 0
    while at < len(code):
        found.append(at)
        half = code[at] | code[at + 1] << 8
        wide = half >> 11 in (0x1D, 0x1E, 0x1F) if family == "thumb" else half & 3 == 3
        at += 4 if wide or family == "aarch64" else 2
    return found
