"""`.npz`: state dicts of others, and files of our own, which say everything about the network."""

import io
import json
import math
import pathlib
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.asked import Asked, check_stated
from edgelstm.formats.description import describe, named_arrays, restore
from edgelstm.formats.tensors import at
from edgelstm.network import Network
from edgelstm.quantized import QuantizedNetwork

DESCRIPTION = "edgelstm"
LARGEST_BYTES = 512 * 2**20  # unpacked


def encode(
    network: Network | QuantizedNetwork, *, steps: int, streaming: bool, target: str | None
) -> bytes:
    """The file's content; steps, streaming and target say nothing here."""
    text = json.dumps(describe(network)).encode()
    file = io.BytesIO()
    arrays: dict[str, Any] = {**named_arrays(network), DESCRIPTION: np.frombuffer(text, np.uint8)}
    np.savez(file, **arrays)
    return file.getvalue()


def read(path: pathlib.Path, asked: Asked) -> Network | QuantizedNetwork:
    """A file of our own without assumptions, any other as weights alone."""
    from edgelstm.formats.state_dict import to_network

    arrays = read_arrays(path)
    if DESCRIPTION not in arrays:
        return to_network(arrays, path.name, asked)
    try:
        described = json.loads(arrays.pop(DESCRIPTION).tobytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path.name}: the array 'edgelstm' is not JSON: {error}") from error
    with at(path.name):
        network = restore(described, arrays)
        check_stated(network, asked)
    return network


def read_arrays(path: pathlib.Path) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz`, without unpickling; sizes are checked before anything is unpacked.

    Raises:
        ModelError: Not a zip file, arrays that are not plain numbers, more than 512 MiB unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
            if total > LARGEST_BYTES:
                raise ModelError(
                    f"{path.name} unpacks to {total:,} B; at most {LARGEST_BYTES:,} B are read"
                )
            return {
                entry.filename.removesuffix(".npy"): _array(archive.read(entry), entry.filename)
                for entry in archive.infolist()
            }
    except ModelError as error:
        raise ModelError(f"{path.name}: {error}") from error
    except Exception as error:  # zipfile and numpy raise many kinds for a broken file
        raise ModelError(f"{path.name}: not a readable .npz file: {_first_line(error)}") from error


def read_array(path: pathlib.Path) -> NDArray[Any]:
    """The array of an `.npy` file, without unpickling; a broken one is a `ModelError`."""
    try:
        return _array(path.read_bytes(), path.name)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except Exception as error:  # numpy raises many kinds for a broken header
        raise ModelError(f"{path}: not a readable .npy file: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _array(content: bytes, name: str) -> NDArray[Any]:
    """One `.npy`, if its header and its length say the same."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version](file)
    shape, fortran, kind = header
    if kind.kind not in "fiub":
        raise ModelError(f"array '{name}' holds {kind}, not numbers")
    if math.prod(shape) * kind.itemsize != len(content) - file.tell():
        raise ModelError(f"array '{name}' is not as long as its shape {shape} says")
    flat = np.frombuffer(content, kind, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C").astype(kind.newbyteorder("="))
