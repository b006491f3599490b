"""A folder that is written is whole, or all is as before, and nothing leaves it."""

import errno
import multiprocessing
import os
import pathlib
import signal
import time
from collections.abc import Iterator

import pytest

from edgelstm.errors import ModelError
from edgelstm.files.disk import read_contents, write_contents
from tests.files.test_written import small_files

OLD = {"a.c": b"old", "more/b.h": b"old too"}
NEW = {"a.c": b"new", "src/deep/c.c": b"", "d.txt": bytes(1000)}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """An old folder; afterwards nothing else stands beside it."""
    path = tmp_path / "net_c"
    write_contents(path, OLD)
    yield path
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_folder_replaces_the_old_one_whole(folder: pathlib.Path) -> None:
    assert read_contents(folder) == OLD
    write_contents(folder, NEW)
    assert read_contents(folder) == NEW
    assert not (folder / "more").exists()


def test_a_write_that_fails_leaves_the_old_folder(folder: pathlib.Path) -> None:
    said = f"net_c cannot be written: {os.strerror(errno.EFBIG)}"
    with pytest.raises(ModelError, match=said), small_files():
        write_contents(folder, NEW)
    assert read_contents(folder) == OLD


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_interrupted_write_leaves_the_old_folder(
    nth: int, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def interrupt(descriptor: int) -> None:
        nonlocal written
        written += 1
        if written == nth:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_contents(folder, NEW)
    assert read_contents(folder) == OLD


@pytest.mark.parametrize("before", [True, False], ids=["before", "behind"])
@pytest.mark.parametrize("nth", [1, 2])
def test_an_interrupted_rename_leaves_one_of_both_folders(
    before: bool,
    nth: int,
    folder: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rename, renamed = pathlib.Path.rename, 0

    def interrupt(path: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        nonlocal renamed
        renamed += 1
        if renamed != nth:
            return rename(path, target)
        if not before:
            rename(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_contents(folder, NEW)
    assert read_contents(folder) == (NEW if nth == 2 and not before else OLD)


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "a//b", "./x", "..", "", "a\\b", "c:x", "a/"]
)
def test_names_that_leave_the_folder_are_refused(name: str, folder: pathlib.Path) -> None:
    with pytest.raises(ModelError, match="no path inside the folder"):
        write_contents(folder, {"a.c": b"new", name: b""})
    assert read_contents(folder) == OLD


def test_what_is_no_folder_stays(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "net_c"
    path.write_bytes(b"precious")
    with pytest.raises(ModelError, match="net_c is not a folder; give the name of a folder"):
        write_contents(path, NEW)
    assert path.read_bytes() == b"precious" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ModelError, match="a folder without files is not written"):
        write_contents(tmp_path / "other_c", {})


def test_a_link_to_a_folder_is_replaced_and_its_target_kept(tmp_path: pathlib.Path) -> None:
    path, target = tmp_path / "net_c", tmp_path / "target"
    write_contents(target, OLD)
    path.symlink_to(target)
    write_contents(path, NEW)
    assert read_contents(target) == OLD and read_contents(path) == NEW and not path.is_symlink()
    assert sorted(tmp_path.iterdir()) == [path, target]


def _write_for_ever(path: pathlib.Path) -> None:
    while True:
        for content in (b"1", b"2"):
            write_contents(path, {name: content * 10**5 for name in NEW})


def test_a_killed_writer_leaves_a_whole_folder(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "net_c"
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
        # Killed between both renames the old folder stands aside; it is whole as well.
        whole = path if path.exists() else next(tmp_path.glob(".*.old"))
        found = read_contents(whole)
        assert set(found) == set(NEW)
        assert set(found.values()) in ({b"1" * 10**5}, {b"2" * 10**5})
