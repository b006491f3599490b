"""HDF5 files as Keras writes them, or as others pack them: numbers, texts, and links by name alone.

The library follows links into other files, loads filters as programs, and allocates what a file
claims. So each link, type and size is looked at before anything is read.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.blocks import natural
from edgelstm.formats.keras import pieces
from edgelstm.formats.keras.headers import layout_of, text_sizes
from edgelstm.formats.tensors import one_line

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LARGEST_BYTES = 2**28  # of a file
MOST_BYTES = 2**27  # that are read of it
MOST_MEMBERS = 65_536
LONGEST_PATH = 400
BYTES_OF_A_TEXT = 64  # what a text counts: reading the same ones again and again takes time
# Where texts of any length lie: "GCOL", version and zeros, the size of all, which is allocated.
COLLECTION = re.compile(rb"GCOL\x01\0{3}(.{8})", re.DOTALL)
WAY_OUT = "load it with Keras and save it again: model.save('model.keras')"


class Hdf5:
    """An open file. `left`: bytes that may still be read of it."""

    def __init__(self, content: bytes | memoryview) -> None:
        import h5py

        if bytes(content[:8]) != SIGNATURE:
            raise ModelError(f"is not HDF5, which begins with its signature; {WAY_OUT}")
        sizes = [struct.unpack("<Q", size)[0] for size in COLLECTION.findall(content)]
        self._longest_text = max(sizes, default=0)
        if self._longest_text > len(content):
            raise ModelError(f"holds texts that claim {self._longest_text:,} B; {WAY_OUT}")
        self._content, self._size_bytes, self.left = content, len(content), MOST_BYTES
        with _one_error():
            self._file = h5py.File(io.BytesIO(content), "r")

    def close(self) -> None:
        """Ends it."""
        with contextlib.suppress(Exception):
            self._file.close()

    def has(self, path: str) -> bool:
        """Whether a group or an array is there."""
        return self._found(path) is not None

    def names(self, path: str) -> list[str]:
        """What a group holds, `lstm_2` before `lstm_10`; nothing where there is none."""
        import h5py

        with _one_error():
            group = self._found(path)
            if not isinstance(group, h5py.Group):
                return []
            if len(group) > MOST_MEMBERS:
                raise ModelError(f"'{path}' holds {len(group):,} members; {WAY_OUT}")
            return sorted(group, key=natural)

    def array(self, path: str) -> NDArray[Any]:
        """The numbers of a dataset.

        Raises:
            ModelError: It is absent, holds no numbers, is packed by an unknown filter, or lies in
                another file, or not at all.
        """
        import h5py

        with _one_error():
            found = self._found(path)
            if not isinstance(found, h5py.Dataset):
                raise ModelError(f"array '{path}' is missing; {WAY_OUT}")
            self._check(found, path)
            if found.chunks is None:
                return np.asarray(found[()])
            try:
                return self._joined(found)
            except ModelError as error:
                raise ModelError(f"array '{path}' {error}; {WAY_OUT}") from None

    def _check(self, dataset: h5py.Dataset, path: str) -> None:
        import h5py

        kind, shape = dataset.dtype, dataset.shape
        if kind.kind not in "fiu" or shape is None:
            raise ModelError(f"array '{path}' holds {kind}, not numbers; {WAY_OUT}")
        size_bytes = math.prod(shape) * kind.itemsize
        if size_bytes > self.left:
            raise ModelError(
                f"array '{path}' claims {math.prod(shape):,} values; at most {MOST_BYTES:,} B are "
                "read of a file"
            )
        self.left -= size_bytes
        plan = dataset.id.get_create_plist()
        layout = plan.get_layout()
        if plan.get_external_count() or layout == h5py.h5d.VIRTUAL:
            raise ModelError(f"array '{path}' lies in another file, which is not opened; {WAY_OUT}")
        if layout == h5py.h5d.CHUNKED:
            return
        place = dataset.id.get_offset() or 0
        if dataset.id.get_storage_size() != size_bytes or place + size_bytes > self._size_bytes:
            raise ModelError(f"array '{path}' claims more values than the file holds; {WAY_OUT}")

    def _joined(self, dataset: h5py.Dataset) -> NDArray[Any]:
        """The numbers of a dataset in pieces, of which the library reads the description alone."""
        import h5py

        plan, kind = dataset.id.get_create_plist(), dataset.dtype
        if not dataset.id.get_type().equal(h5py.h5t.py_create(kind)):
            raise ModelError("lies in pieces, and holds numbers of no usual type")
        filters = tuple(plan.get_filter(k)[0] for k in range(plan.get_nfilters()))
        packed = pieces.Packed(kind, dataset.shape, dataset.chunks, filters)
        size_bytes = pieces.check(packed)
        if size_bytes > self.left:
            raise ModelError(f"claims {size_bytes:,} B; at most {MOST_BYTES:,} are read of a file")
        self.left -= size_bytes
        content = memoryview(self._content)
        layout = layout_of(content, _address(dataset))
        if layout is None:
            raise ModelError("says nowhere where it lies")
        return pieces.joined(content, layout, packed)

    def texts(self, path: str, attribute: str) -> list[str] | None:
        """The texts of an attribute, which Keras splits by number where it is long; or None."""
        with _one_error():
            found = self._found(path)
            if found is None or attribute in found.attrs:
                return None if found is None else self._texts(found, attribute)
            pieces: list[str] = []
            while f"{attribute}{len(pieces)}" in found.attrs and len(pieces) < MOST_MEMBERS:
                pieces.append(f"{attribute}{len(pieces)}")
            return [t for piece in pieces for t in self._texts(found, piece)] if pieces else None

    def _texts(self, found: h5py.Group, attribute: str) -> list[str]:
        import h5py

        about = found.attrs.get_id(attribute)
        n = math.prod(about.shape or ())
        if h5py.check_string_dtype(about.dtype) is None and n:
            raise ModelError(f"attribute '{attribute}' is no text; {WAY_OUT}")
        size_bytes = n * max(self._longest_text, about.dtype.itemsize)
        if size_bytes > self.left:
            raise ModelError(f"attribute '{attribute}' claims {n:,} texts; {WAY_OUT}")
        text = h5py.check_string_dtype(about.dtype)
        if n and text is not None and text.length is None:
            longest = max(text_sizes(self._content, _address(found), attribute, n))
            if longest > self._longest_text:
                raise ModelError(f"attribute '{attribute}' claims {longest:,} B; {WAY_OUT}")
        value = found.attrs[attribute]
        texts = [value] if isinstance(value, str | bytes) else np.asarray(value).ravel().tolist()
        self.left -= len(texts) * BYTES_OF_A_TEXT
        raw = [t if isinstance(t, bytes) else str(t).encode("utf-8", "replace") for t in texts]
        return [text.decode("utf-8", "replace") for text in raw] if n else []

    def _found(self, path: str) -> Any:
        """A group or an array, through links that stay in the file and have names."""
        import h5py

        with _one_error():
            found: Any = self._file
            for name in _steps(path):
                if not isinstance(found, h5py.Group):
                    return None
                link = found.get(name, getlink=True)
                if link is None:
                    return None
                if not isinstance(link, h5py.HardLink):
                    raise ModelError(f"'{path}' is a link to elsewhere; {WAY_OUT}")
                found = found[name]
            return found


def _steps(path: str) -> Sequence[str]:
    names = [name for name in path.split("/") if name]
    if {".", ".."} & set(names) or "\0" in path or len(path) > LONGEST_PATH:
        raise ModelError(f"{path!r:.80} is no path in the file; {WAY_OUT}")
    return names


def _address(found: Any) -> int:
    """Where the header of a group or an array lies; `h5o.get_info` would walk all of its trees."""
    import h5py

    low, high = h5py.h5g.get_objinfo(found.id, b".").objno
    return int(low) + (int(high) << 32)


@contextlib.contextmanager
def _one_error() -> Iterator[None]:
    """Whatever the library raises at broken bytes, as a `ModelError`."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"is a broken HDF5 file: {one_line(error)}; {WAY_OUT}") from None
