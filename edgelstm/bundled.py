"""demo, demo_data: the trained network that comes with the package, and its real data.

Japanese Vowels (Kudo, Toyama and Shimbo, UCI, CC BY 4.0); data/README.md says how both were made.
"""

import dataclasses
import importlib.resources

import numpy as np
from numpy.typing import NDArray

from edgelstm.files.arrays import read_arrays
from edgelstm.formats import read
from edgelstm.model.network import Network

NAME = "japanese_vowels"


@dataclasses.dataclass(frozen=True, eq=False)
class DemoData:
    """Recordings of nine speakers; shorter ones are padded with zeros in front.

    Attributes:
        calibration: float32 (90, 29, 12), ten train series of each speaker.
        train_inputs: float32 (270, 29, 12), all train series.
        train_labels: int64 (270,), speakers 0 to 8.
        test_inputs: float32 (370, 29, 12).
        test_labels: int64 (370,), speakers 0 to 8.
        test_lengths: int64 (370,), steps before padding.
    """

    calibration: NDArray[np.float32]
    train_inputs: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_inputs: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    test_lengths: NDArray[np.int64]


def demo() -> Network:
    """The bundled network: which of nine speakers said two vowels.

    >>> [layer.name for layer in demo().layers], demo().input_size, demo().output_size
    (['lstm1', 'last_step', 'dense1'], 12, 9)
    """
    resource = importlib.resources.files("edgelstm") / "data" / f"{NAME}.safetensors"
    with importlib.resources.as_file(resource) as path:
        network = read(path, head="last")
    assert isinstance(network, Network)
    return dataclasses.replace(network, assumed=())


def demo_data() -> DemoData:
    """The bundled network's calibration and test data.

    >>> demo_data().test_inputs.shape
    (370, 29, 12)
    """
    resource = importlib.resources.files("edgelstm") / "data" / f"{NAME}.npz"
    with importlib.resources.as_file(resource) as path:
        arrays = read_arrays(path, "install edgelstm again")
    return DemoData(**{field.name: arrays[field.name] for field in dataclasses.fields(DemoData)})
