"""Files that a user names: what can be read of them, and the one way of writing."""

import contextlib
import os
import pathlib
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from typing import BinaryIO

from edgelstm.errors import ModelError

# What a format writes: content by path inside its folder; of one file alone, by the path "".
Contents = Mapping[str, bytes]
# More than flatbuffers hold in one file, and no more than a 32-bit Python in one object.
LARGEST_BYTES = 2**31 - 64

KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


def data_folder() -> pathlib.Path:
    """Where edgelstm keeps what a user measured: by the XDG base directory specification."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return pathlib.Path(base) / "edgelstm"


def as_path(name: str | os.PathLike[str]) -> pathlib.Path:
    """The name as a path; `ModelError` if it cannot be one."""
    try:
        return pathlib.Path(name)
    except TypeError:
        raise ModelError(
            f"the name of a file is a {type(name).__name__}; text or a pathlib.Path is needed"
        ) from None


def obstacle(path: pathlib.Path, largest_bytes: int = LARGEST_BYTES) -> str | None:
    """Why a file is not read, or None. Nothing is opened: a pipe would wait for its other end.

    Args:
        path: Of the file; links are followed.
        largest_bytes: The most that is read.
    """
    try:
        found = path.stat()
    except ValueError:  # a zero byte in the name
        return "does not exist"
    except FileNotFoundError:
        return "is a link whose target does not exist" if path.is_symlink() else "does not exist"
    except OSError as error:
        return _unreadable(error)
    refused = _refused(found, largest_bytes)
    if refused or os.access(path, os.R_OK):
        return refused
    return "cannot be read: permission denied"


def read_bytes(path: pathlib.Path, needed: str, largest_bytes: int = LARGEST_BYTES) -> bytes:
    """The content of a file, which is opened once: what is checked is what is read.

    Args:
        path: Of the file; links are followed.
        needed: Ends the error, as in "give a file that holds a trained network".
        largest_bytes: The most that is read.

    Raises:
        ModelError: It is not a file, cannot be read, or is larger.
    """
    refused = obstacle(path, largest_bytes)
    if refused is None:
        try:
            with open(path, "rb", opener=_open_at_once) as file:
                found = os.fstat(file.fileno())
                refused = _refused(found, largest_bytes)
                if refused is None:
                    return file.read(found.st_size)  # it makes room for as much as is asked for
        except OSError as error:
            refused = _unreadable(error)
    raise ModelError(f"{path} {refused}; {needed}")


def _open_at_once(path: str, flags: int) -> int:
    """Opens without waiting for the other end of a pipe that has taken the file's place."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refused(found: os.stat_result, largest_bytes: int) -> str | None:
    for is_kind, said in KINDS:
        if is_kind(found.st_mode):
            return f"{said}, not a file"
    if found.st_size > largest_bytes:
        return f"has {found.st_size:,} B; at most {largest_bytes:,} B are read"
    return None


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {os.strerror(error.errno or 0)}"


def write_whole(path: pathlib.Path, content: bytes) -> None:
    """Writes beside and renames: whoever looks sees the old file, the new one, or none.

    A link at `path` is replaced; what it points to stays as it is. The new file has the mode that
    the umask gives.

    Raises:
        ModelError: The path is a folder, pipe or device, or cannot be written.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ModelError(f"{path} {obstacle(path)}; give the name of a file to write")
    try:
        beside = path.with_name(f".{secrets.token_hex(8)}.part")
        file = beside.open("xb")  # a new file: nothing else has this name, and no link is followed
        try:
            _fill(file, content)
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise _unwritten(path, error) from error


def write_contents(path: pathlib.Path, contents: Contents) -> None:
    """Writes what a format made, a file or a folder: whole, or all is as before.

    A folder is made beside its place. The old one is then renamed aside, the new one renamed into
    its place, and the old one removed with all that it holds. A process that is killed between both
    renames leaves the old folder beside, whole, as `.HEX.old`.

    Raises:
        ModelError: There is something else, it cannot be written, or a path leaves the folder.
    """
    if set(contents) == {""}:
        write_whole(path, contents[""])
        return
    _check_inside(path, contents)
    if os.path.exists(path) and not os.path.isdir(path):
        raise ModelError(f"{path} is not a folder; give the name of a folder to write")
    try:
        token = secrets.token_hex(8)
        beside, aside = (path.with_name(f".{token}.{end}") for end in ("part", "old"))
        beside.mkdir()  # a new folder: nothing else has this name, and no link is followed
        try:
            for name, content in contents.items():
                (beside / name).parent.mkdir(parents=True, exist_ok=True)
                _fill((beside / name).open("xb"), content)
            _exchange(path, beside, aside)
        finally:
            shutil.rmtree(beside, ignore_errors=True)  # its name is the folder's own if it is whole
    except (OSError, ValueError) as error:
        raise _unwritten(path, error) from error


def read_contents(path: pathlib.Path) -> dict[str, bytes]:
    """What `write_contents` wrote there."""
    if not path.is_dir():
        return {"": path.read_bytes()}
    files = (found for found in sorted(path.rglob("*")) if found.is_file())
    return {found.relative_to(path).as_posix(): found.read_bytes() for found in files}


def _fill(file: BinaryIO, content: bytes) -> None:
    with file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _check_inside(path: pathlib.Path, contents: Contents) -> None:
    """Each path is one of plain names, below the folder."""
    for name in contents:
        if {"", ".", ".."} & set(name.split("/")) or re.search(r"[\\:]", name):
            raise ModelError(
                f"{path}: a file in it is called {name!r}, which is no path inside the folder; "
                "names with / between them are needed"
            )
    if not contents:
        raise ModelError(f"{path}: a folder without files is not written")


def _exchange(path: pathlib.Path, new: pathlib.Path, aside: pathlib.Path) -> None:
    """Puts a new folder into its place. Wherever it ends, one of both stands there."""
    try:
        if os.path.lexists(path):
            path.rename(aside)
        new.rename(path)
    finally:
        if os.path.lexists(aside) and not os.path.lexists(path):
            aside.rename(path)
        elif aside.is_symlink():
            aside.unlink()
        else:
            shutil.rmtree(aside, ignore_errors=True)


def _unwritten(path: pathlib.Path, error: OSError | ValueError) -> ModelError:
    reason = getattr(error, "strerror", None) or error
    return ModelError(f"{path} cannot be written: {reason}")
