"""Reading a `.keras` or `.h5` file: its layers by their description, their weights by its rules."""

import pathlib

from edgelstm.files.disk import read_bytes
from edgelstm.formats.asked import Asked, check_stated
from edgelstm.formats.keras.archive import take_apart
from edgelstm.formats.keras.chain import to_network
from edgelstm.formats.keras.config import described
from edgelstm.formats.keras.hdf5 import LARGEST_BYTES
from edgelstm.formats.tensors import NEEDED, at
from edgelstm.installed import check_installed
from edgelstm.model.network import Network


def read(path: pathlib.Path, asked: Asked) -> Network:
    """The network of a file that `model.save` wrote.

    Raises:
        ModelError: h5py is missing, a broken file, or a layer or option that is not supported, with
            its name. Nothing in the file is executed or imported.
    """
    check_installed("h5py", f"reading {path.name}")
    content = read_bytes(path, NEEDED, LARGEST_BYTES)
    with at(path.name):
        stored = take_apart(content)
        del content
        try:
            model = described(stored.model, stored.version)
            network = to_network(model, stored.weights, is_archive=stored.is_archive)
        finally:
            stored.weights.close()
        check_stated(network, asked)
        return network
