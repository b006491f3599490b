"""`search.jsonl`: one append-only file of finished trainings, and their weights beside it.

The first line says what all of them share; each other one is a training. A line is written whole
and flushed when a training ends; a torn last line is dropped. A search that is started again begins
anew from its seed and takes from here what it finds, so its result is that of one in one piece.

What failed is told to a search once, and tried again by the next one in the folder: the trainer may
be mended by then, or have more time. Where it succeeds the later search knows more than the earlier
one did, so what it chooses from there on, and its digest, may be others.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.files.disk import as_path, read_bytes, write_whole
from edgelstm.training.scoring import Score

NAME, WEIGHTS = "search.jsonl", "weights"
NEEDED = "give another folder with -o, or --fresh to begin anew"
SAME = {"data": "data", "trainer": "trainer"}  # what may not differ, and how it is called
Arrays = Mapping[str, NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A finished training.

    Attributes:
        key: Of the architecture.
        seed, epochs: As given to the search.
        scores: By precision, on validation series; empty where it failed.
        saturation: By precision.
        seconds: That it took.
        host: Where.
        reason: Why it failed; None if it did not.
        weights: Name of their file, in the log's folder; None where it failed.
    """

    key: str
    seed: int
    epochs: int
    scores: Mapping[str, Score]
    saturation: Mapping[str, float]
    seconds: float
    host: str
    reason: str | None = None
    weights: str | None = None

    @property
    def name(self) -> tuple[str, int, int]:
        """What is trained once."""
        return self.key, self.seed, self.epochs

    def to_dict(self) -> dict[str, Any]:
        """A line of the file."""
        return dataclasses.asdict(self)


class Log:
    """Finished trainings, in a folder or in memory alone.

    Args:
        folder: None: nothing is written.
        header: What all trainings share: `space seed data trainer versions`.
        fresh: Whether to begin anew where there is a log already.

    Raises:
        ModelError: The log is of other data or another trainer, is no log, is another search's that
            still runs, or cannot be written.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, header: Mapping[str, Any], *, fresh: bool
    ) -> None:
        self.folder = None if folder is None else as_path(folder)
        self._known: dict[tuple[str, int, int], Entry] = {}
        self._arrays: dict[tuple[str, int, int], Arrays] = {}
        self._file: Any = None
        if self.folder is None:
            return
        path = self.folder / NAME
        with contextlib.ExitStack() as opened:
            try:
                (self.folder / WEIGHTS).mkdir(parents=True, exist_ok=True)
                file = opened.enter_context(open(path, "a+b", buffering=0))
                _lock(file, self.folder)
                whole = b"" if fresh else _whole_lines(path)
                self._known = {} if not whole else _entries(path, whole, header)
                file.truncate(len(whole))
                if not whole:
                    file.write((json.dumps(header, sort_keys=True) + "\n").encode())
            except OSError as error:
                reason = error.strerror or str(error)
                raise ModelError(f"{path} cannot be written: {reason}; {NEEDED}") from None
            self._file = file
            opened.pop_all()

    def get(self, name: tuple[str, int, int]) -> Entry | None:
        """The training of that name, if it is finished; one that failed in this run alone."""
        return self._known.get(name)

    def add(self, entry: Entry, arrays: Arrays | None) -> Entry:
        """Keeps a training and its weights; returns the entry with their file's name."""
        if arrays is not None and self.folder is None:
            self._arrays[entry.name] = dict(arrays)
        if arrays is not None and self.folder is not None:
            from safetensors.numpy import save

            name = f"{WEIGHTS}/{entry.key}-s{entry.seed}-e{entry.epochs}.safetensors"
            write_whole(self.folder / name, save(dict(arrays)))
            entry = dataclasses.replace(entry, weights=name)
        self._known[entry.name] = entry
        if self._file is not None:
            line = json.dumps(entry.to_dict(), sort_keys=True, allow_nan=False) + "\n"
            self._file.write(line.encode())
            os.fsync(self._file.fileno())
        return entry

    def arrays(self, entry: Entry) -> Arrays:
        """The weights of a training that did not fail.

        Raises:
            ModelError: Their file is gone, or broken.
        """
        if self.folder is None:
            return self._arrays[entry.name]
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self.folder / str(entry.weights)
        try:
            found: Arrays = load(read_bytes(path, NEEDED))
        except SafetensorError as error:
            raise ModelError(f"{path} is not readable: {error}; {NEEDED}") from None
        return found

    def close(self) -> None:
        """No more is written."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: Any, folder: pathlib.Path) -> None:
    """Keeps the file to this search until it is closed, where the system can."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ModelError(
            f"another search is using {folder}; wait for its end, or give another folder with -o"
        ) from None
    except OSError:  # some network file systems have no locks
        return


def _whole_lines(path: pathlib.Path) -> bytes:
    """What of the file ends with a line's end."""
    content = read_bytes(path, NEEDED)
    return content[: content.rfind(b"\n") + 1]


def _entries(
    path: pathlib.Path, whole: bytes, header: Mapping[str, Any]
) -> dict[tuple[str, int, int], Entry]:
    """The trainings of a log of the same data and trainer, but for those that failed."""
    first, *lines = whole.splitlines()
    try:
        found = json.loads(first)
        entries = [_entry(json.loads(line)) for line in lines]
        differs = [name for name in SAME if found[name] != header[name]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{path} is not the log of a search; {NEEDED}") from None
    for name in differs:
        seed = " or seed, which splits the data" if name == "data" else ""
        raise ModelError(
            f"{path} is of another {name}{seed}: {found[name]}, now {header[name]}; {NEEDED}"
        )
    return {entry.name: entry for entry in entries if entry.reason is None}


def _entry(found: dict[str, Any]) -> Entry:
    scores = {name: Score(**value) for name, value in found.pop("scores").items()}
    return Entry(scores=scores, **found)
