"""`.npz`: weights alone, or a network that edgelstm wrote with all that describes it."""

import json
import pathlib

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.files.arrays import pack, read_arrays
from edgelstm.files.disk import Contents
from edgelstm.formats.asked import Asked, check_stated
from edgelstm.formats.description import KINDS, describe, named_arrays
from edgelstm.formats.restored import restore
from edgelstm.formats.tensors import NEEDED, at
from edgelstm.layers.recurrent import AnyDirection
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

DESCRIPTION = "edgelstm"
__all__ = ["KINDS", "encode", "read", "refusal"]


def refusal(direction: AnyDirection, precision: str) -> None:
    """Nothing: every array of a direction has a name in the file."""


def encode(
    network: Network | QuantizedNetwork, *, steps: int, streaming: bool, target: str | None
) -> Contents:
    """The file's content; steps, streaming and target have no effect."""
    text = json.dumps(describe(network)).encode()
    return {"": pack({**named_arrays(network), DESCRIPTION: np.frombuffer(text, np.uint8)})}


def read(path: pathlib.Path, asked: Asked) -> Network | QuantizedNetwork:
    """A file that edgelstm wrote, without assumptions; any other as weights alone."""
    from edgelstm.formats.state_dict import to_network

    arrays = read_arrays(path, NEEDED)
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
