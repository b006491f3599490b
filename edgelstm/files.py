"""Files that a user names: whether one can be read, what it is, and how large."""

import os
import pathlib
import stat

from edgelstm.errors import ModelError

LARGEST_BYTES = 2**31 - 1  # more than protobuf and flatbuffers hold in one file

KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


def as_path(name: str | os.PathLike[str]) -> pathlib.Path:
    """The name as a path; what is none is a `ModelError`."""
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
        return "is a link to nothing" if path.is_symlink() else "does not exist"
    except OSError as error:
        return f"cannot be read: {os.strerror(error.errno or 0)}"
    for is_kind, said in KINDS:
        if is_kind(found.st_mode):
            return f"{said}, not a file"
    if found.st_size > largest_bytes:
        return f"has {found.st_size:,} B; at most {largest_bytes:,} B are read"
    return None if os.access(path, os.R_OK) else "cannot be read: permission denied"
