"""Files of calibration data and labels, as users have them."""

import io
import pathlib
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.files.arrays import read_array, read_arrays
from edgelstm.files.disk import read_bytes

Array = NDArray[Any]
LARGEST_CSV_BYTES = 2**25
SEQUENCES_NEEDED = "give a file of typical input sequences"


def read_sequences(path: pathlib.Path, input_size: int) -> list[Array]:
    """Sequences or batches of them: an `.npy`, every array of an `.npz`, or one in a `.csv`.

    Raises:
        ModelError: Another suffix, a broken file, an array whose last axis is not input_size.
    """
    readers = {".npy": _npy, ".npz": _npz, ".csv": _csv}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ModelError(f"{path}: calibration is read from {', '.join(readers)}, not '{suffix}'")
    arrays = readers[suffix](path)
    for key, array in arrays.items():
        if array.ndim not in (2, 3) or array.shape[-1] != input_size:
            which = f" array '{key}'" if suffix == ".npz" else ""
            raise ModelError(
                f"{path}:{which} has shape {array.shape}; (steps, {input_size}) or "
                f"(sequences, steps, {input_size}) is needed"
            )
    return list(arrays.values())


def _npy(path: pathlib.Path) -> dict[str, Array]:
    return {path.name: read_array(path, SEQUENCES_NEEDED)}


def _npz(path: pathlib.Path) -> dict[str, Array]:
    return read_arrays(path, SEQUENCES_NEEDED)


def _csv(path: pathlib.Path) -> dict[str, Array]:
    needed = f"{SEQUENCES_NEEDED}, as .npy if they are larger"
    content = read_bytes(path, needed, LARGEST_CSV_BYTES)
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline=None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of a file without rows
            lines = (line for line in text if line.strip())
            rows = np.loadtxt(lines, delimiter=",", ndmin=2, dtype=np.float32)
    except ValueError as error:  # UnicodeDecodeError is one
        raise ModelError(
            f"{path}: not a table of numbers, one time step a line, values split by commas: "
            f"{_csv_refused(content, error)}"
        ) from error
    if not rows.size:
        raise ModelError(f"{path} is empty; one time step a line is needed")
    return {path.name: rows}


def _csv_refused(content: bytes, error: ValueError) -> str:
    """What is wrong with a table, and what to do, by its first two lines; else what NumPy says."""
    try:
        lines = [line for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        return "it is not UTF-8 text; save it as UTF-8"
    first, second = (lines * 2)[:2]
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), (" ", "spaces")):
        if separator in second.strip() and not (separator == " " and "," in second):
            points = ", with commas inside of numbers" if "," in second else ""
            return f"its values are split by {name}{points}; save it with commas and points"
    names = [value.strip() for value in first.split(",") if _is_word(value)]
    if names and not any(map(_is_word, second.split(","))):
        return f"line 1 holds names ({names[0]!r}); remove that line"
    return f"{str(error).split(';')[0].rstrip('.')}; remove or repair it"


def _is_word(text: str) -> bool:
    try:
        float(text.strip() or 0)
    except ValueError:
        return True
    return False


def read_labels(path: pathlib.Path) -> Array:
    """A class per sequence, from an `.npy`."""
    if path.suffix.lower() != ".npy":
        raise ModelError(f"{path}: labels are read from an .npy file, not '{path.suffix}'")
    return read_array(path, "give a file of labels, a class for each sequence")
