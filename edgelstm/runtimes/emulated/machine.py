"""A core in Unicorn: functions of an image are called on it, each buffer between unmapped pages."""

import importlib
from typing import Any, Protocol

import numpy as np

from edgelstm.devices.cores import CORES
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.folder import Folder
from edgelstm.runtimes.runtime import Array

PAGE = 0x1000
STOP = 0x1E000000  # where functions return to: nothing is linked there
STACK_BYTES, PAINT = 0x4000, 0xA5
BUFFERS = 0x20000000  # every 16 MiB one
APART = 0x01000000
MOST_SECONDS = 60

# Family of a target to (architecture, mode, prefix of registers, stack, link, counter, arguments).
FAMILIES: dict[str, tuple[str, str, str, str, str, str, str]] = {
    # not MODE_MCLASS: it forces the Cortex-M33, and the model that is chosen is ignored
    "thumb": ("ARCH_ARM", "MODE_THUMB", "arm:ARM", "SP", "LR", "PC", "R"),
    "aarch64": ("ARCH_ARM64", "MODE_ARM", "arm64:ARM64", "SP", "LR", "PC", "X"),
    "riscv32": ("ARCH_RISCV", "MODE_RISCV32", "riscv:RISCV", "SP", "RA", "PC", "A"),
}


class Crashed(BaseException):
    """The code left its memory or did not end: no answer of a runtime, so the child dies of it."""


class Emulator(Protocol):
    """A core with an image in its memory, whose functions are called one by one."""

    image: Image

    @property
    def stack_bytes(self) -> int:
        """The most that was in use."""

    def buffer(self, size: int) -> int:
        """The address of new memory."""

    def call(self, function: str, *arguments: int) -> None:
        """Calls a function with whole numbers or addresses; `Crashed` if it does not return."""

    def write(self, address: int, content: bytes) -> None:
        """Into memory."""

    def read(self, address: int, size: int) -> bytes:
        """Out of memory."""


class Machine:
    """A core with an image in its memory.

    Args:
        core: Key of `CORES`.
        image: What it runs.
        at_end: Whether buffers end where their pages end; else they begin where they begin.
    """

    def __init__(self, core: str, image: Image, *, at_end: bool = True) -> None:
        self.core, self.image, self._at_end, self._n_buffers = core, image, at_end, 0
        self.uc, self._registers = _emulator(core)
        self._thumb = int(CORES[core].family == "thumb")
        self._mapped: set[int] = set()
        self._map(STOP, PAGE)
        for address, data, size in image.segments:
            self._map(address, size)
            self.uc.mem_write(address, data)
        self._stack_end = self.buffer(STACK_BYTES) + STACK_BYTES
        self.stack_bytes = 0

    def buffer(self, size: int) -> int:
        """The address of new memory, in pages of its own."""
        pages = BUFFERS + self._n_buffers * APART
        self._n_buffers += 1
        total = -(-max(size, 1) // PAGE) * PAGE
        self.uc.mem_map(pages, total)
        return pages + total - size if self._at_end else pages

    def call(self, function: str, *arguments: int) -> None:
        """Calls a function with whole numbers or addresses; `Crashed` if it does not return."""
        if function not in self.image.symbols:
            raise ValueError(f"the image has no function {function}")
        for register, value in zip(self._registers[3:], arguments, strict=False):
            self.uc.reg_write(register, value)
        stack, link, counter = self._registers[:3]
        below = self._stack_end - STACK_BYTES
        self.uc.mem_write(below, bytes([PAINT]) * STACK_BYTES)
        self.uc.reg_write(stack, self._stack_end)
        self.uc.reg_write(link, STOP | self._thumb)
        start = self.image.symbols[function][0]
        try:
            self.uc.emu_start(start | self._thumb, STOP, timeout=MOST_SECONDS * 1_000_000)
        except _fault() as error:
            raise Crashed(f"{error} in {self._where(counter)}") from None
        if self.uc.reg_read(counter) & ~1 != STOP:
            raise Crashed(f"no end within {MOST_SECONDS} s in {self._where(counter)}")
        painted = bytes(self.uc.mem_read(below, STACK_BYTES))
        used = STACK_BYTES - (len(painted) - len(painted.lstrip(bytes([PAINT]))))
        self.stack_bytes = max(self.stack_bytes, used)

    def write(self, address: int, content: bytes) -> None:
        """Into memory."""
        self.uc.mem_write(address, content)

    def read(self, address: int, size: int) -> bytes:
        """Out of memory."""
        return bytes(self.uc.mem_read(address, size))

    def _map(self, address: int, size: int) -> None:
        for page in range(address // PAGE, -(-(address + size) // PAGE)):
            if page not in self._mapped:
                self._mapped.add(page)
                self.uc.mem_map(page * PAGE, PAGE)

    def _where(self, counter: int) -> str:
        address = self.uc.reg_read(counter)
        return f"{self.image.symbol_at(address & ~1)} at {address:#x}"


def _emulator(core: str) -> tuple[Any, list[int]]:
    """Unicorn as a core, and numbers of its registers: stack, link, counter, eight arguments."""
    unicorn: Any = importlib.import_module("unicorn")
    line = CORES[core]
    arch, mode, place, *names, argument = FAMILIES[line.family]
    module, prefix = place.split(":")
    constants: Any = importlib.import_module(f"unicorn.{module}_const")
    uc = unicorn.Uc(getattr(unicorn, f"UC_{arch}"), getattr(unicorn, f"UC_{mode}"))
    uc.ctl_set_cpu_model(getattr(constants, f"UC_CPU_{line.emulator}"))  # before any other call
    if line.target and line.target.endswith("eabihf"):
        uc.reg_write(constants.UC_ARM_REG_C1_C0_2, 0xF << 20)
        uc.reg_write(constants.UC_ARM_REG_FPEXC, 1 << 30)
    if line.family == "aarch64":
        uc.reg_write(constants.UC_ARM64_REG_CPACR_EL1, 3 << 20)
    names += [f"{argument}{k}" for k in range(4)]
    return uc, [getattr(constants, f"UC_{prefix}_REG_{name}") for name in names]


def _fault() -> type[Exception]:
    """What Unicorn raises: the package is loaded where it is used alone."""
    fault: type[Exception] = importlib.import_module("unicorn").UcError
    return fault


class EmulatedFile:
    """An `OpenedFile`: a folder of C on an emulated core."""

    def __init__(self, folder: Folder, machine: Emulator) -> None:
        self.folder, self.machine = folder, machine
        self._buffers: dict[tuple[str, int], int] = {}
        self._state = machine.buffer(folder.state_bytes)
        item = np.dtype(folder.input_type).itemsize
        self._x = machine.buffer(folder.inputs * item)
        self._y = machine.buffer(folder.outputs * np.dtype(folder.output_type).itemsize)
        self.reset()

    def run(self, sequences: Array) -> Array:
        """See `OpenedFile`: step by step, of which the last remains where it alone is wanted."""
        one = self._run_one if self.folder.has_step else self.run_whole
        return np.stack([one(x) for x in sequences])

    def _run_one(self, x: Array) -> Array:
        self.reset()
        y = np.array([self.step(x_t) for x_t in x])
        return y[-1] if self.folder.last_step else y

    def run_whole(self, x: Array) -> Array:
        """By the function of whole sequences, into buffers of exactly their sizes."""
        self.reset()
        folder, x = self.folder, self.folder.taken(x)
        n = folder.rows(len(x)) * folder.outputs
        y_bytes = n * np.dtype(folder.output_type).itemsize
        at_x, at_y = self._buffer("x", x.nbytes), self._buffer("y", y_bytes)
        self.machine.write(at_x, x.tobytes())
        self.machine.call(f"{folder.name}_run", self._state, at_x, len(x), at_y)
        return folder.shaped(np.frombuffer(self.machine.read(at_y, y_bytes), folder.output_type))

    def _buffer(self, end: str, size: int) -> int:
        """The same for the same size: a machine has few."""
        if (end, size) not in self._buffers:
            self._buffers[end, size] = self.machine.buffer(size)
        return self._buffers[end, size]

    def step(self, x_t: Array) -> Array:
        """See `OpenedFile`."""
        self.machine.write(self._x, self.folder.taken(x_t).tobytes())
        self.machine.call(f"{self.folder.name}_step", self._state, self._x, self._y)
        size = self.folder.outputs * np.dtype(self.folder.output_type).itemsize
        return np.frombuffer(self.machine.read(self._y, size), self.folder.output_type)

    def reset(self) -> None:
        """See `OpenedFile`."""
        self.machine.call(f"{self.folder.name}_init", self._state)

    def state(self) -> bytes:
        """The state as it stands in RAM."""
        return self.machine.read(self._state, self.folder.state_bytes)
