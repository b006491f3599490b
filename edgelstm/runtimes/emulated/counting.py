"""What a step costs on a core: instructions by function, accesses by array, the stack; exact."""

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.devices.cores import CORES
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import BUFFERS, Crashed, EmulatedFile, Machine
from edgelstm.runtimes.emulated.qemu import Board, read_ran
from edgelstm.runtimes.emulated.toolchain import own_board
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


def count(
    folder: Folder, core: str, image: Image, x: Array, *, board: str | None = None
) -> Counted:
    """Runs steps of a folder on a core, and counts the last of them.

    Args:
        folder: Of C.
        core: Key of `CORES`.
        image: Of the folder, for that core.
        x: (steps, input_size).
        board: Of QEMU; None: Unicorn, or the core's board where Unicorn does not emulate it.
    """
    board = board or own_board(core)
    if board:
        return _on_board(folder, core, (board, image), x)
    # Accesses are recorded by another run: hooks of memory change where blocks end.
    by_block, by_access = _Watch(core, image), _Watch(core, image)
    by_block.hook(memory=False)
    by_access.hook(memory=True)
    y, again = by_block.run(folder, x), by_access.run(folder, x)
    told = y is not None and again is not None and np.array_equal(y, again)
    return _counted(
        by_function(image, core, by_block.blocks),
        by_access.accesses if told else None,
        by_block.taken,
        by_block.blocks,
        by_block.machine.stack_bytes,
    )


def _on_board(folder: Folder, core: str, on: tuple[str, Image], x: Array) -> Counted:
    with tempfile.TemporaryDirectory() as place:
        seen, (_, image) = Path(place) / "ran.txt", on
        board = Board(*on, (f"{folder.name}_step", seen))
        file = EmulatedFile(folder, board)
        for x_t in x:
            file.step(x_t)
        stack_bytes = board.stack_bytes
        board.end()
        ran = read_ran(seen)
    accesses = Accesses(image)
    for is_write, address, size in ran.accesses:
        accesses.add(is_write, address, size)
    functions = by_function(image, core, ran.blocks)
    return _counted(functions, accesses, ran.taken, ran.blocks, stack_bytes)


def _counted(
    functions: dict[str, int],
    accesses: "Accesses | None",
    taken: int,
    blocks: Mapping[tuple[int, int], int],
    stack_bytes: int,
) -> Counted:
    def seen(key: str) -> int | None:
        return accesses.n[key] if accesses else None

    return Counted(
        sum(functions.values()),
        functions,
        seen("load"),
        seen("store"),
        seen("read"),
        seen("written"),
        dict(accesses.arrays) if accesses else {},
        seen("lines"),
        taken,
        dict(blocks),
        stack_bytes,
    )


class Accesses:
    """Of memory, summed up one by one."""

    def __init__(self, image: Image) -> None:
        self._image, self._line = image, -1
        self.n: Counter[str] = Counter()
        self.arrays: Counter[str] = Counter()

    def add(self, is_write: bool, place: int, size: int) -> None:
        """One more."""
        if is_write:
            self.n["store"] += 1
            self.n["written"] += size
            return
        self.n["load"] += 1
        self.n["read"] += size
        if place < BUFFERS:
            self.arrays[self._image.symbol_at(place) or "code"] += size
            self.n["lines"] += place // LINE_BYTES != self._line
            self._line = place // LINE_BYTES


class _Watch:
    """A machine that notes what it does."""

    def __init__(self, core: str, image: Image) -> None:
        self.machine = Machine(core, image)
        self.forget()

    def forget(self) -> None:
        """Counts from here on."""
        self.blocks: Counter[tuple[int, int]] = Counter()
        self.accesses = Accesses(self.machine.image)
        self.taken, self._end = 0, -1

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
        self.taken += self._end not in (-1, address)
        self._end = address + size

    def _accessed(self, uc: Any, kind: int, place: int, size: int, value: int, data: Any) -> None:
        self.accesses.add(kind == self._write, place, size)


def by_function(image: Image, core: str, blocks: Mapping[tuple[int, int], int]) -> dict[str, int]:
    """Instructions: a block's executions times those in it, by the symbol of each."""
    found: Counter[str] = Counter()
    for (address, size), times in blocks.items():
        for at in offsets(CORES[core].family, image.code(address, size)):
            found[image.symbol_at(address + at) or "?"] += times
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
