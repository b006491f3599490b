"""What is no file to read says what it is, and is never waited for."""

import os
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.devices.device import read_device
from edgelstm.errors import DeviceError, ModelError
from edgelstm.execution.session import Session
from edgelstm.files.disk import LARGEST_BYTES, obstacle, read_bytes
from edgelstm.formats import read, write
from edgelstm.formats.table import FORMATS
from edgelstm.tools.inputs import read_labels, read_sequences
from edgelstm.verification.verifier import verify
from tests.networks import random_network

NETWORK = random_network("lstm", (5, 8))


def make_socket(path: Path) -> None:
    here = os.open(path.parent, os.O_DIRECTORY)  # a socket's own name is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def make_large(path: Path) -> None:
    path.touch()
    os.truncate(path, LARGEST_BYTES + 1)


OBSTACLES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing": (lambda path: None, "does not exist"),
    "folder": (Path.mkdir, "is a folder, not a file"),
    "pipe": (os.mkfifo, "is a pipe, not a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, not a file"),
    "socket": (make_socket, "is a socket, not a file"),
    "loop": (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic"),
    "dangling": (lambda path: path.symlink_to("absent"), "is a link whose target does not exist"),
    "large": (make_large, "has 2,147,483,585 B; at most "),
}

READERS: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys((suffix for suffix, f in FORMATS.items() if not f.is_folder), read),
    "labels.npy": read_labels,
    ".npy": lambda path: read_sequences(path, 5),
    ".csv": lambda path: read_sequences(path, 5),
    "checked.onnx": verify,
    "checked.tflite": verify,
    "state": lambda path: Session(NETWORK, engine="reference").load(path),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("make, expected", OBSTACLES.values(), ids=OBSTACLES)
def test_what_is_no_file_is_named(
    make: Callable[[Path], Any], expected: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / (name if name[0] != "." else f"x{name}")
    make(path)
    with pytest.raises(ModelError) as caught:
        READERS[name](path)
    assert str(caught.value).startswith(f"{path} {expected}")


def test_a_device_file_that_is_a_pipe_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.toml")
    with pytest.raises(DeviceError, match="own.toml is a pipe, not a file"):
        read_device(tmp_path / "own.toml")


def test_a_file_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(3))
    assert obstacle(path) is None
    (tmp_path / "link.npy").symlink_to(path)
    assert obstacle(tmp_path / "link.npy") is None
    assert obstacle(Path("a\0b")) == "does not exist"


def test_what_takes_a_files_place_after_the_check_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgelstm.files.disk.obstacle", lambda path, largest_bytes: None)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(11))
    for name, expected in (
        ("pipe", "is a pipe, not a file"),
        ("large", "has 11 B; at most 10 B are read"),
        ("absent", "cannot be read: No such file"),
        (".", "is a folder, not a file|cannot be read: Is a directory"),
    ):
        with pytest.raises(ModelError, match=f"{expected}.*; give a file"):
            read_bytes(tmp_path / name, "give a file", 10)


def test_no_more_room_is_made_than_a_file_needs(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(bytes(10))
    tracemalloc.start()
    try:
        read_bytes(tmp_path / "small", "give a file")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**20  # a board has 512 MiB, a 32-bit Python no object of 2 GiB


def test_nothing_but_files_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    os.mkfifo(path)
    with pytest.raises(ModelError, match="net.npz is a pipe, not a file; give the name of a file"):
        write(NETWORK, path)
    assert path.is_fifo()
