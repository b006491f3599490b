"""Adapters that misbehave, for entries of `RUNTIMES` that tests plant."""

import ctypes
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

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
