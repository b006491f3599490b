"""A core on a board of QEMU: functions of an image are called on it through QEMU's debugger.

The debugger speaks gdb's remote protocol on a pipe, so there is neither a port nor a file.
"""

import collections
import contextlib
import ctypes
import dataclasses
import hashlib
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import MOST_SECONDS, PAINT, Crashed
from edgelstm.runtimes.emulated.toolchain import (
    BOARDS,
    FAULT,
    PLUGIN,
    STOP,
    compile_c,
    compiler_version,
    own_board,
)
from edgelstm.runtimes.folder import made_once

PROGRAM, NEWEST = "qemu-system-arm", 8  # whose plugins are of API 1
STACK, LINK, COUNTER = 13, 14, 15  # numbers of registers
MOST_STACK_BYTES = 0x4000
GAP = 64  # bytes between buffers
ANSWER_SECONDS = 30
PIECE = 1900  # bytes in a packet of the debugger
DESCRIBED = "qXfer:features:read:target.xml:0,ffb"  # without it single registers are not told
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def counting_obstacle(core: str) -> str | None:
    """Why what a core runs cannot be counted; None if it can. It may run all the same."""
    if own_board(core) is None:
        return None
    told = version()
    if int(told.split(".")[0]) <= NEWEST:
        return None
    return (
        f"{PROGRAM} {told} does not take the plugin that counts, which is for {NEWEST}.2 or older"
    )


def version() -> str:
    """Of QEMU, such as `7.2.22`."""
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"version (\d+(\.\d+)*)", told)
    return found[1] if found else "0"


@dataclasses.dataclass(frozen=True)
class Ran:
    """What ran since a function was last entered.

    Attributes:
        blocks: (address, bytes) to executions.
        taken: Blocks that do not follow the one before them.
        accesses: (is it a write, address, bytes), in order.
    """

    blocks: collections.Counter[tuple[int, int]]
    taken: int
    accesses: list[tuple[bool, int, int]]


def read_ran(file: Path) -> Ran:
    """What a board has written."""
    blocks: collections.Counter[tuple[int, int]] = collections.Counter()
    accesses, taken = [], 0
    for line in file.read_text().splitlines():
        kind, *numbers = line.split()
        first, *others = map(int, numbers)
        if kind == "b":
            blocks[first, others[0]] += others[1]
        elif kind == "t":
            taken = first
        else:
            accesses.append((kind == "w", first, others[0]))
    return Ran(blocks, taken, accesses)


class Board:
    """A core with an image in its memory; `Machine` says what its methods do.

    Buffers lie one behind the other, with painted gaps; beyond them there is memory.

    Args:
        board: Key of `BOARDS`.
        image: Linked for it.
        counted: A function, and a file: what runs from its last call on is written there when the
            board goes off.
    """

    def __init__(self, board: str, image: Image, counted: tuple[str, Path] | None = None) -> None:
        self.image = image
        start, size = BOARDS[board]["RAM"]
        self._free, self._stack_end = start, start + size
        self._stack_bytes = min(MOST_STACK_BYTES, size // 4)
        words = [*_words(board), "-kernel", str(image.path)]
        if counted:
            function, file = counted
            words += ["-plugin", f"{_plugin()},out={file},from={self._at(function):#x}"]
        self._debugger = _Debugger(words)
        self._debugger.ask(DESCRIBED)
        for function in (STOP, FAULT):
            self._debugger.ask(f"Z0,{self._at(function):x},2")
        self._go_on("it does not start")
        self._paint(self._stack_end - self._stack_bytes, self._stack_bytes)

    def buffer(self, size: int) -> int:
        """See `Emulator`."""
        address = self._free
        self._free += -(-size // 8) * 8 + GAP
        if self._free > self._stack_end - self._stack_bytes:
            raise Crashed(f"the board has no {size:,} B left")
        self._paint(address, self._free - address)
        return address

    def call(self, function: str, *arguments: int) -> None:
        """See `Emulator`."""
        if function not in self.image.symbols:
            raise ValueError(f"the image has no function {function}")
        registers = dict(enumerate(arguments))
        registers |= {STACK: self._stack_end, LINK: self._at(STOP) | 1, COUNTER: self._at(function)}
        for number, value in registers.items():
            self._debugger.ask(f"P{number:x}={value.to_bytes(4, 'little').hex()}")
        self._go_on(f"in {function}")

    def write(self, address: int, content: bytes) -> None:
        """See `Emulator`."""
        for at in range(0, len(content), PIECE):
            piece = content[at : at + PIECE]
            self._debugger.ask(f"M{address + at:x},{len(piece):x}:{piece.hex()}")

    def read(self, address: int, size: int) -> bytes:
        """See `Emulator`."""
        pieces = [
            self._debugger.ask(f"m{address + at:x},{min(PIECE, size - at):x}")
            for at in range(0, size, PIECE)
        ]
        return bytes.fromhex("".join(pieces))

    @property
    def stack_bytes(self) -> int:
        """See `Emulator`."""
        painted = self.read(self._stack_end - self._stack_bytes, self._stack_bytes)
        return len(painted.lstrip(bytes([PAINT])))

    def end(self) -> None:
        """Turns the board off."""
        self._debugger.end()

    def _at(self, function: str) -> int:
        return self.image.symbols[function][0]

    def _paint(self, address: int, size: int) -> None:
        self.write(address, bytes([PAINT]) * size)

    def _go_on(self, where: str) -> None:
        """Until it stops, which must be where functions return to."""
        if self._debugger.wait("c", MOST_SECONDS) is None:
            self._debugger.kill()
            raise Crashed(f"no end within {MOST_SECONDS} s {where}")
        counter = self._register(COUNTER)
        if counter != self._at(STOP):
            frame = self._register(STACK)  # what the core keeps on the stack: r0-r3, r12, lr, pc
            at = int.from_bytes(self.read(frame + 24, 4), "little")
            raise Crashed(f"a fault in {self.image.symbol_at(at)} at {at:#x} {where}")

    def _register(self, number: int) -> int:
        return int.from_bytes(bytes.fromhex(self._debugger.ask(f"p{number:x}")), "little")


class _Debugger:
    """QEMU, stopped, and what is said to it; it ends with this process."""

    def __init__(self, words: list[str]) -> None:
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        assert self._process.stdin and self._process.stdout
        self._into: IO[bytes] = self._process.stdin
        self._out: IO[bytes] = self._process.stdout
        self._unread = b""

    def ask(self, packet: str) -> str:
        """What it answers to a packet."""
        answer = self.wait(packet, ANSWER_SECONDS)
        if answer is None:
            raise Crashed(f"{PROGRAM} does not answer")
        return answer

    def wait(self, packet: str, seconds: float) -> str | None:
        """The same; None if it does not answer within the time."""
        self._send(packet)
        until = time.monotonic() + seconds
        while b"#" not in self._unread[:-2]:
            if not select.select([self._out], [], [], max(until - time.monotonic(), 0))[0]:
                return None
            more = self._out.read(1 << 16)
            if not more:
                raise Crashed(f"{PROGRAM} ended with exit code {self._process.wait()}")
            self._unread += more
        answer, _, behind = self._unread.partition(b"#")
        self._unread = behind[2:]
        self._into.write(b"+")
        return answer.lstrip(b"+").removeprefix(b"$").decode()

    def end(self) -> None:
        """Ends it, so that its plugins tell what they know."""
        if self._process.poll() is None:
            self._send("k")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self.kill()

    def __del__(self) -> None:
        self.kill()

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()
        self._into.close()
        self._out.close()

    def _send(self, packet: str) -> None:
        self._into.write(f"${packet}#{sum(packet.encode()) % 256:02x}".encode())


def _words(board: str) -> list[str]:
    quiet = ["-nographic", "-monitor", "none", "-serial", "none"]
    return [PROGRAM, "-M", board, *quiet, "-S", "-gdb", "stdio"]


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _plugin() -> Path:
    """What counts, compiled for this machine."""
    words = ["-O2", "-shared", "-fPIC", "-fno-sanitize=all"]
    digest = hashlib.sha256("\0".join([compiler_version(), *words]).encode() + PLUGIN.read_bytes())

    def build(target: Path) -> None:
        compile_c(words, [PLUGIN], target)

    return made_once(f"count-{digest.hexdigest()[:24]}.so", build)
