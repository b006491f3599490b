"""Files of calibration data and labels, as users have them."""

import pathlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.files import obstacle
from edgelstm.formats.npz import read_array, read_arrays

Array = NDArray[Any]
LARGEST_CSV_BYTES = 2**25


def read_sequences(path: pathlib.Path, input_size: int) -> list[Array]:
    """Sequences or batches of them: an `.npy`, every array of an `.npz`, or one in a `.csv`.

    Raises:
        ModelError: Another suffix, a broken file, an array whose last axis is not input_size.
    """
    readers = {".npy": _npy, ".npz": read_arrays, ".csv": _csv}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ModelError(f"{path}: calibration is read from {', '.join(readers)}, not '{suffix}'")
    _check_readable(path, "typical input sequences")
    arrays = readers[suffix](path)
    for key, array in arrays.items():
        if array.ndim not in (2, 3) or array.shape[-1] != input_size:
            which = f" array '{key}'" if suffix == ".npz" else ""
            raise ModelError(
                f"{path}:{which} has shape {array.shape}; (steps, {input_size}) or "
                f"(sequences, steps, {input_size}) is needed"
            )
    return list(arrays.values())


def _check_readable(path: pathlib.Path, needed: str) -> None:
    refused = obstacle(path)
    if refused:
        raise ModelError(f"{path} {refused}; give a file of {needed}")


def _npy(path: pathlib.Path) -> dict[str, Array]:
    return {path.name: read_array(path)}


def _csv(path: pathlib.Path) -> dict[str, Array]:
    if path.stat().st_size > LARGEST_CSV_BYTES:
        raise ModelError(f"{path} is above {LARGEST_CSV_BYTES:,} B; give the sequences as .npy")
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        if not lines:
            raise ModelError(f"{path} is empty; one time step a line is needed")
        rows = np.loadtxt(lines, delimiter=",", ndmin=2, dtype=np.float32)
    except ModelError:
        raise
    except (ValueError, OSError, UnicodeDecodeError) as error:
        text = str(error).splitlines()[0]
        raise ModelError(
            f"{path}: not a table of numbers, one time step a line, values split by commas: {text}"
        ) from error
    return {path.name: rows}


def read_labels(path: pathlib.Path) -> Array:
    """A class per sequence, from an `.npy`."""
    if path.suffix.lower() != ".npy":
        raise ModelError(f"{path}: labels are read from an .npy file, not '{path.suffix}'")
    _check_readable(path, "labels, a class for each sequence")
    return read_array(path)
