"""What `export` was asked for, and what that means: the network, its precision, its data."""

import dataclasses
import pathlib
import re

import numpy as np
from numpy.typing import NDArray

from edgelstm import bundled
from edgelstm.arguments import float32
from edgelstm.comparison import costs, tflm_folder
from edgelstm.comparison.measuring import Data
from edgelstm.cost.energy import check_kernels
from edgelstm.devices.device import Device, check_exportable, read_device
from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents, read_contents
from edgelstm.formats import AnyNetwork, facts, read
from edgelstm.formats.asked import Asked
from edgelstm.formats.steps import calibrated_steps, check_steps, default_steps
from edgelstm.formats.table import FORMATS, check_suffix, suffix_of, target_suffix
from edgelstm.formats.tensors import at
from edgelstm.layers.directions import check_whole_sequence, parts
from edgelstm.layers.recurrent import Direction
from edgelstm.model.forms import precision_for, refusal
from edgelstm.model.network import Network
from edgelstm.model.precision import COMPOSED, FUSED, find_precision
from edgelstm.quantization.calibration import calibration_sequences
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.tools import inputs
from edgelstm.verification.fidelity import check_labels
from edgelstm.verification.nodes import node_inputs
from edgelstm.verification.sampling import random_sequences

RANDOM_SHAPE = (16, 100)  # sequences, steps
DEFAULT_DEVICE = "stm32u575"
HYBRID_DEVICE = "rpi-4b"
IO = "_io"  # in the name of a .tflite file whose states are inputs and outputs


@dataclasses.dataclass(frozen=True)
class Request:
    """The options of the command; None where not given.

    Attributes:
        streaming: False, True, or "io": with the states as inputs and outputs.
        node: Of a larger graph: what is read, and put back into it.
    """

    model: pathlib.Path | None = None
    device: str | None = None
    out: pathlib.Path = pathlib.Path("edgelstm-out")
    precision: str | None = None
    formats: tuple[str, ...] | None = None
    target: str | None = None
    calibration: pathlib.Path | None = None
    labels: pathlib.Path | None = None
    steps: int | None = None
    streaming: bool | str = False
    form: str | None = None
    kernels: str | None = None
    head: str | None = None
    activation: str | None = None
    order: tuple[str, ...] | None = None
    node: tuple[str, ...] | None = None
    explain: bool = False

    @property
    def as_array(self) -> bool:
        """Whether the `.tflite` file is also written as C++."""
        return tflm_folder.FORMAT in (self.formats or ())

    @property
    def files(self) -> tuple[str, ...] | None:
        """Formats that a network is written in."""
        if self.formats is None:
            return None
        names = tuple(name for name in self.formats if name != tflm_folder.FORMAT)
        return (*names, "tflite") if self.as_array and "tflite" not in names else names


def check_options(request: Request) -> None:
    """What is wrong whatever the network is: said before anything is read."""
    if request.device:
        check_exportable(read_device(request.device))
    Asked(request.head, request.activation, request.order)
    if request.precision:
        find_precision(request.precision)
    if request.form and request.form not in (FUSED, COMPOSED):
        raise ModelError(f"form '{request.form}' is unknown; known: {FUSED}, {COMPOSED}")
    check_kernels(request.kernels)
    Asked(request.head, request.activation, request.order)
    if request.target:
        target_suffix(request.target)
    for format_name in request.files or ():
        check_suffix(suffix_named(format_name), "writer")
        if request.target and target_suffix(request.target) != suffix_named(format_name):
            raise ModelError(
                f"--formats {format_name} does not go with --target {request.target}, which reads "
                f"{target_suffix(request.target)}; leave one of them out"
            )
    if request.node and (request.labels or request.streaming):
        raise ModelError("--labels and --streaming do not go with --node, a part of a graph")
    if request.labels and not request.calibration:
        raise ModelError("--labels needs --calibration: a class for each of its sequences")
    if request.steps is not None:
        check_steps(request.steps, request.streaming)


def suffix_named(name: str) -> str:
    """The suffix of a format by its name on the command line.

    >>> suffix_named("onnx"), suffix_named("c"), suffix_named("h5")
    ('.onnx', '_c', '.h5')
    """
    return next((suffix for suffix in FORMATS if suffix.lstrip("._") == name), f".{name}")


def read_network(request: Request) -> tuple[AnyNetwork, str]:
    """The network and its name; what the options cannot have is an error."""
    if request.model is None:
        if request.head or request.activation or request.order or request.node:
            raise ModelError("--head, --activation, --order and --node are for files; give MODEL")
        return bundled.demo(), bundled.NAME
    asked = request.head, request.activation, request.order, request.node
    network = read(request.model, *asked)
    if request.streaming:
        with at(str(request.model)):
            check_whole_sequence(network.layers)
    own = network.precision if isinstance(network, QuantizedNetwork) else None
    if own and request.precision not in (None, own):
        raise ModelError(
            f"{request.model}: the file is in {own} already, and --precision is "
            f"{request.precision}; give the float32 network"
        )
    if request.node:
        return network, part_name(request.model.stem, request.node)
    return network, request.model.stem


def part_name(stem: str, node: tuple[str, ...]) -> str:
    """What files of a part of a graph begin with.

    >>> part_name("big", ("/encoder/LSTM_3",))
    'big_encoder_LSTM_3'
    """
    return "_".join([stem, *(re.sub(r"\W+", "_", name).strip("_")[:80] for name in node)])


def read_to_write(request: Request) -> tuple[AnyNetwork, str, Request]:
    """The network, the name that its files get, and the request with what a written file fixes.

    `model_int8.tflite` of 29 steps, or streaming, becomes `model_int8.tflite` of the same again.
    """
    network, name = read_network(request)
    if request.model is None:
        return network, name, request
    is_quantized = isinstance(network, QuantizedNetwork)
    is_tflite = request.model.suffix.lower() == ".tflite"
    name = name.removesuffix(IO).removesuffix(f"_{network.form}")
    name = name.removesuffix(f"_{network.precision}") or request.model.stem
    if request.steps is not None or request.streaming or request.node:
        return network, name, request
    if is_tflite or (is_quantized and _runs(request.model)):
        fixed = facts(request.model)
        if fixed.streaming:
            form = "io" if is_tflite and fixed.initial_states else True
            return network, name, dataclasses.replace(request, streaming=form)
        if is_quantized or not request.calibration:
            return network, name, dataclasses.replace(request, steps=fixed.steps)
    return network, name, request


def _runs(path: pathlib.Path) -> bool:
    return FORMATS[suffix_of(path)].facts is not None


def check_source(request: Request, path: pathlib.Path, contents: Contents) -> None:
    """`ModelError` if writing would change the file that was read."""
    model = request.model
    if model is None or not path.exists() or not path.samefile(model):
        return
    if read_contents(path) != contents:
        raise ModelError(
            f"{path} is the file that was read, and would be overwritten by another; "
            "give another output folder with -o"
        )


def choose_precision(
    network: AnyNetwork, request: Request, device: Device
) -> tuple[str, list[str]]:
    """The precision, and what was left out because a cell does not have it."""
    if isinstance(network, QuantizedNetwork):
        return network.precision, []
    if request.precision is not None:
        return find_precision(request.precision).name, []
    default = costs.default_precision(network, device)
    wanted = "hybrid" if request.device and device.kind == "sbc" else "int8"
    layers = [layer for layer in parts(network.layers) if isinstance(layer, Direction)]
    missing = [
        layer.cell_name + " with a projection" * bool(layer.projection_size)
        for layer in layers
        if refusal(layer, precision_for((layer,), "int8"))
    ]
    if not missing or default == "hybrid":
        return default, []
    what = "has no integers yet"
    if wanted == "hybrid":
        has_file = costs.written_for(network, "hybrid", device)
        slower = "is slower in hybrid .onnx below some 512 units"
        what = slower if has_file else "has no hybrid file yet"
    return "float32", [f"{wanted}: a {missing[0]} {what}; float32 is written instead"]


def default_device(network: AnyNetwork, request: Request) -> str:
    """A microcontroller, or a Raspberry Pi where no microcontroller has a file of it."""
    device = read_device(DEFAULT_DEVICE)
    precision = request.precision or costs.default_precision(network, device)
    return DEFAULT_DEVICE if costs.written_for(network, precision, device) else HYBRID_DEVICE


def file_steps(network: AnyNetwork, request: Request, data: Data, skipped: list[str]) -> int:
    """Those asked for; else those of the calibration, unless it is a long recording."""
    longest = None if request.streaming else data.steps
    if request.steps is not None:
        return request.steps
    if longest is None:
        return default_steps(network, request.streaming)
    steps = calibrated_steps(longest)
    if steps < longest:
        skipped.append(
            f"steps: a call takes {steps}, not the {longest:,} of the longest calibration "
            "sequence; --steps says how many"
        )
    return steps


def read_data(network: AnyNetwork, request: Request, precision: str) -> Data:
    """Calibration and test data, from the command's files or the bundled ones."""
    if request.calibration:
        batches = _calibration(request.calibration, network, request)
        labels = None
        if request.labels:
            labels = inputs.read_labels(request.labels)
            with at(str(request.labels)):
                check_labels(network, batches, labels)
        return Data("file", batches, batches, labels)
    if request.model is None:
        data = bundled.demo_data()
        return Data("bundled", (data.calibration,), (data.test_inputs,), data.test_labels)
    if isinstance(network, QuantizedNetwork) or precision == "float32":
        return Data("none")
    rng = np.random.default_rng(0)
    shape = RANDOM_SHAPE[0], network.fixed_steps or RANDOM_SHAPE[1]
    x = rng.normal(size=(*shape, network.input_size)).astype(np.float32)
    if network.indices:
        x = random_sequences(network, *shape)
    if precision == "hybrid":  # which has nothing to calibrate
        return Data("none", tested=(x,))
    return Data("random", (x,), (x,))


def _calibration(
    path: pathlib.Path, network: AnyNetwork, request: Request
) -> tuple[NDArray[np.float32], ...]:
    """Batches for the network; of a node what it sees when the graph is given the file."""
    if request.node is None or request.model is None:
        return _from_file(path, network)
    return tuple(node_inputs(request.model, request.node, path))


def _from_file(path: pathlib.Path, network: AnyNetwork) -> tuple[NDArray[np.float32], ...]:
    """The arrays of a file in its order, each a batch."""
    arrays = inputs.read_sequences(path, network.input_size)
    with at(str(path)):
        calibration_sequences(arrays, network)  # for what it refuses
    return tuple(float32(array if array.ndim == 3 else array[None]) for array in arrays)


def quantizable(network: AnyNetwork, precision: str) -> Network | None:
    """The float network if it is still to be quantized."""
    return network if isinstance(network, Network) and precision != "float32" else None
