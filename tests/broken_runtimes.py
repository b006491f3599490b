"""Adapters that misbehave, for entries of `RUNTIMES` that tests plant."""

import ctypes
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgelstm.measurement.own import prepare_reference
from edgelstm.runtimes.runtime import Call, Calling

Array = NDArray[Any]


class Echo:
    """Gives back its input."""

    def run(self, sequences: Array) -> Array:
        return sequences

    def step(self, x_t: Array) -> Array:
        return x_t

    def reset(self) -> None:
        pass


def open_noisy(path: Path, states: Mapping[str, Array]) -> Echo:
    os.write(1, b"\xff\x00 garbage\n" * 10_000)
    os.write(2, b"\xff\x00 garbage\n" * 10_000)
    return Echo()


def open_aborting(path: Path, states: Mapping[str, Array]) -> Echo:
    os.write(2, b"W0000 00:00 not this line\nparser.cc:7 stack is \x1b[31msmashed\nnor this\n")
    os.abort()


def open_ending(path: Path, states: Mapping[str, Array]) -> Echo:
    sys.exit(0)


def open_hanging(path: Path, states: Mapping[str, Array]) -> Echo:
    time.sleep(60)
    return Echo()


def open_refusing(path: Path, states: Mapping[str, Array]) -> Echo:
    os.write(2, b"lstm_eval.cc:92 x == nullptr was not true.\nINFO: bye\n")
    raise RuntimeError("failed to\nallocate")


def open_unlinked(path: Path, states: Mapping[str, Array]) -> Echo:
    raise ImportError("libstdc++.so.6: version not found")


def open_sleeping(path: Path, states: Mapping[str, Array]) -> Echo:
    path.write_text(f"{os.getpid()}\n", "utf-8")
    time.sleep(300)
    return Echo()


def open_sleeping_with_the_lock(path: Path, states: Mapping[str, Array]) -> Echo:
    path.write_text(f"{os.getpid()}\n", "utf-8")
    ctypes.PyDLL(None).sleep(300)  # no other thread of Python runs meanwhile
    return Echo()


def prepare_right(path: Path, calling: Calling) -> Call:
    return prepare_reference(path, calling)


def prepare_wrong(path: Path, calling: Calling) -> Call:
    right = prepare_reference(path, calling)
    return lambda: right() + 1


def prepare_aborting(path: Path, calling: Calling) -> Call:
    os.write(2, b"kernel.cc:7 smashed\n")
    os.abort()


def prepare_refusing(path: Path, calling: Calling) -> Call:
    raise RuntimeError("no such\noperator")


def prepare_aborting_later(path: Path, calling: Calling) -> Call:
    """Right while it is checked and first measured; takes the second measuring process with it."""
    right, opened = prepare_reference(path, calling), path.with_suffix(".opened")
    with open(opened, "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    third = len(set(opened.read_text("utf-8").split())) > 2
    end = time.monotonic() + 0.2

    def call() -> Array:
        if third and time.monotonic() > end:
            os.write(2, b"kernel.cc:9 smashed\n")
            os.abort()
        return right()

    return call
