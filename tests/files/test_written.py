"""Whatever is written is whole or absent, and goes to no other place."""

import contextlib
import errno
import multiprocessing
import os
import resource
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import Session
from edgelstm.files.disk import write_whole
from edgelstm.formats import write
from tests.networks import random_network

NETWORK = random_network("lstm", (5, 8))
WRITERS: dict[str, Callable[[Path], object]] = {
    "write_whole": lambda path: write_whole(path, bytes(10**6)),
    "write": lambda path: write(NETWORK, path),
    "save": lambda path: Session(NETWORK, engine="reference").save(path),
}


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return WRITERS[request.param]


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """No file grows above 300 B, as on a disk that is full; pytest's own output neither."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    writer: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(b"old")
    said = f"net.npz cannot be written: {os.strerror(errno.EFBIG)}"
    with pytest.raises(ModelError, match=said), small_files():
        writer(path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    path = tmp_path / "net.npz"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_is_new_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda n: "guessed")
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".guessed.part").symlink_to("victim")
    with pytest.raises(ModelError, match="cannot be written: File exists"):
        write_whole(tmp_path / "net.npz", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert (tmp_path / ".guessed.part").is_symlink()


def test_a_link_is_replaced_and_its_target_kept(
    writer: Callable[[Path], object], tmp_path: Path
) -> None:
    path, target = tmp_path / "net.npz", tmp_path / "target"
    target.write_bytes(b"precious")
    path.symlink_to(target)
    writer(path)
    assert target.read_bytes() == b"precious" and not path.is_symlink()


def test_threads_that_write_one_path_all_succeed(tmp_path: Path) -> None:
    path, problems = tmp_path / "net.npz", list[Exception]()

    def work(k: int) -> None:
        try:
            for _ in range(60):
                write_whole(path, bytes([k]) * 5000)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() in [bytes([k]) * 5000 for k in range(4)]


def test_names_are_as_long_as_the_file_system_takes(
    writer: Callable[[Path], object], tmp_path: Path
) -> None:
    longest = tmp_path / f"{'n' * 251}.npz"
    writer(longest)
    assert longest.stat().st_size > 0
    for name in ("n" * 252, "n" * 1996):
        with pytest.raises(ModelError, match="cannot be written: File name too long"):
            writer(tmp_path / f"{name}.npz")
    with pytest.raises(ModelError, match="cannot be written"):
        writer(tmp_path / "a\0b.npz")


def test_a_file_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "net.npz", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net.npz").stat().st_mode) == 0o640


def _write_for_ever(path: Path) -> None:
    content = bytes(3 * 10**6)
    while True:
        write_whole(path, content)


def test_a_killed_writer_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    context = multiprocessing.get_context("spawn")
    for delay_s in (0.0, 0.01, 0.05):
        process = context.Process(target=_write_for_ever, args=(path,))
        process.start()
        while not path.exists():
            time.sleep(0.005)
        time.sleep(delay_s)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert path.stat().st_size == 3 * 10**6
        path.unlink()
