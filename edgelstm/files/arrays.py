"""Files of arrays, `.npy` and `.npz`: plain numbers, never unpickled, and no larger than said."""

import io
import math
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.files.archives import unpack
from edgelstm.files.disk import read_bytes

LARGEST_BYTES = 512 * 2**20  # unpacked


def read_arrays(path: pathlib.Path, needed: str) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz`, by name.

    Args:
        path: Of the file.
        needed: Ends the error, as in `disk.read_bytes`.

    Raises:
        ModelError: Not a readable file, arrays that are not plain numbers, more than 512 MiB
            unpacked.
    """
    content = read_bytes(path, needed)
    try:
        arrays: dict[str, NDArray[Any]] = {}
        for entry, packed in unpack(content, LARGEST_BYTES).items():
            name = entry.removesuffix(".npy")
            if name in arrays:
                raise ModelError(f"has two arrays called '{name}'")
            arrays[name] = _array(packed, entry)
        return arrays
    except ModelError as error:
        raise ModelError(f"{path.name}: {error}; {needed}") from None


def read_array(path: pathlib.Path, needed: str) -> NDArray[Any]:
    """The array of an `.npy`, arguments and errors as of `read_arrays`."""
    content = read_bytes(path, needed)
    try:
        return _array(memoryview(content), path.name)
    except ModelError as error:
        raise ModelError(f"{path}: {error}; {needed}") from None


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of an `.npz`; `ModelError` for a name that no file can hold."""
    file = io.BytesIO()
    try:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    except ValueError as error:  # half of a character
        raise ModelError(f"an array's name cannot be written: {error}") from None
    return file.getvalue()


def _array(content: memoryview, name: str) -> NDArray[Any]:
    """One `.npy`, if its header and its length say the same."""
    try:
        (shape, fortran, kind), begin = _header(content)
    except Exception as error:  # numpy raises many kinds for a broken header
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"'{name}' is not a readable .npy file: {reason}") from None
    if kind.kind not in "fiub":
        raise ModelError(f"array '{name}' holds {kind}, not numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(content) - begin:
        raise ModelError(f"array '{name}' is not as long as its shape {shape} says")
    try:
        shaped = np.frombuffer(content, kind, offset=begin).reshape(
            shape, order="F" if fortran else "C"
        )
    except ValueError as error:  # more axes than numpy has
        raise ModelError(f"array '{name}' has a shape that is not read: {error}") from None
    return np.require(shaped, kind.newbyteorder("="), "A")  # a stored one lies anywhere


def _header(content: memoryview) -> tuple[tuple[tuple[int, ...], bool, np.dtype[Any]], int]:
    """(shape, whether in Fortran's order, type), and where the numbers begin."""
    file = io.BytesIO(content[: 2**16])
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
        (3, 0): np.lib.format.read_array_header_2_0,  # differs in names of fields alone
    }[version]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of files of Python 2, with 12L for 12
        return read(file), file.tell()
