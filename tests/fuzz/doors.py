"""DOORS: every kind of file that edgelstm takes, its good files, and what is done with one.

A new door is an entry in this table.
"""

import dataclasses
import io
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import edgelstm
from edgelstm.formats import encode
from edgelstm.layers.activation import Activation
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from edgelstm.model.network import Network
from tests.fuzz import mutations, using
from tests.fuzz.mutations import Mutate
from tests.networks import bidirectional_network, random_input, random_network

STEPS = 4
SIZE = 5  # values per step of every network here: few kernels are compiled


@dataclasses.dataclass(frozen=True)
class Door:
    """Where files enter.

    Attributes:
        suffixes: Of the files.
        good: Makes valid files of a suffix.
        mutate: Breaks one.
        use: Takes a file and does all that can be done with it; `ModelError` or `DeviceError` is a
            refusal, any other exception a fault.
    """

    suffixes: tuple[str, ...]
    good: Callable[[str], Iterator[bytes]]
    mutate: Mutate
    use: Callable[[pathlib.Path], None]


def float_networks() -> Iterator[Any]:
    """One of each kind of layer and head."""
    yield random_network("lstm", (SIZE, 4), outputs=3, last_step=True)
    yield random_network("gru", (SIZE, 3, 4))
    yield random_network("gru_reset_before", (SIZE, 3))
    yield random_network("lstm", (SIZE, 4), outputs=2, activation="softmax")
    yield bidirectional_network("lstm", (SIZE, 3), outputs=2, activation="sigmoid")


def quantized_networks() -> Iterator[Any]:
    """LSTMs at int8 and hybrid; a GRU's hybrid kernels would take longer than all their files."""
    for network in float_networks():
        if parts(network.layers)[0].cell_name != "lstm":
            continue
        for precision in ("int8", "hybrid"):
            try:
                yield edgelstm.quantize(network, random_input(network, 4, 9), precision)
            except edgelstm.ModelError:
                continue
    yield from activated_networks()


def activated_networks() -> Iterator[Any]:
    """Activations by themselves at int8, in both forms; of the composed one dense layers alone."""
    lstm, dense = random_network("lstm", (SIZE, 4), outputs=SIZE).layers
    clamp = Activation("activation1", 4, "clamp", (-0.1, 0.2))
    leaky = Activation("activation1", SIZE, "leaky_relu", (0.1,))
    elu = Activation("activation2", SIZE, "elu", (1.0,))
    weight = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
    front = Dense("dense1", weight, weight[0])
    layers: Any
    for layers in ((lstm, clamp, dense, elu), (front, leaky)):
        network = Network(layers)
        yield edgelstm.quantize(network, random_input(network, 4, 9), "int8")


def written(suffix: str) -> Iterator[bytes]:
    """Every network in a format, as a whole sequence and streaming."""
    for network in (*float_networks(), *quantized_networks()):
        for options in ({"steps": STEPS}, {"streaming": True}):
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / f"net{suffix}"
                try:
                    edgelstm.write(network, path, **options)
                except edgelstm.ModelError:
                    continue
                yield path.read_bytes()


def tflite_files(suffix: str) -> Iterator[bytes]:
    """Of our own, and loops that TensorFlow's converter left."""
    from tests.while_graphs import content_of

    yield from written(suffix)
    for name in ("lstm", "gru_reset_before", "rnn", "two_lstms_each_step", "bidirectional_finals"):
        yield content_of(name)
    yield content_of("quantized_weights")


def onnx_files(suffix: str) -> Iterator[bytes]:
    """Of our own, and as other programs write them."""
    from tests.foreign_onnx import lstm, node, save

    yield from written(suffix)
    yield from (encode(network, suffix)[""] for network in looped())
    squeezed = node("Squeeze", "Y_h zero", "last")
    graphs = {
        "y": [lstm(), squeezed, node("Gemm", "last M C")],
        "last": [lstm(), squeezed],
        "Y": [lstm()],
        "z": [lstm(), node("Squeeze", "Y one", "each"), node("MatMul", "each M", "z")],
    }
    with tempfile.TemporaryDirectory() as folder:
        for output, nodes in graphs.items():
            path = save(pathlib.Path(folder) / "net.onnx", nodes, output=output)
            yield path.read_bytes()


def larger_graphs(suffix: str) -> Iterator[bytes]:
    """Of others, around one recurrent node."""
    from tests.foreign_onnx import stateful

    for operator in ("LSTM", "GRU", "RNN"):
        for directions in (1, 2):
            yield stateful(operator, directions).SerializeToString()
    yield stateful("LSTM", opset=11, ir=3).SerializeToString()


def looped() -> Iterator[Any]:
    """What .onnx says with a loop and a description, and with operators that have P or are one."""
    for cell_name in ("mgu", "lstm_coupled_peephole", "rnn"):
        yield random_network(cell_name, (SIZE, 3), outputs=2)
    network = random_network("lstm_peephole", (SIZE, 3), cell_clip=0.5)
    for precision in ("int8", "int16x8"):
        yield edgelstm.quantize(network, random_input(network, 4, 9), precision)


def folders(suffix: str) -> Iterator[bytes]:
    """What is read of a folder of C: network.json and plan.json."""
    operations = random_network("gru", (SIZE, 3))
    x = random_input(operations, 4, 9)
    composed = edgelstm.quantize(operations, x, "int8"), edgelstm.quantize(operations, x, "int16x8")
    for network in (*float_networks(), *quantized_networks(), *composed):
        try:
            made = encode(network, "_c", name="net_c", target="cortex-m4")
        except edgelstm.ModelError:
            continue
        yield mutations.BETWEEN.join(made[name] for name in using.OF_A_FOLDER)


def state_dicts() -> Iterator[dict[str, Any]]:
    """Weights alone, under PyTorch's names."""
    for network in float_networks():
        from edgelstm.formats.description import named_arrays

        yield named_arrays(network)


def torch_files(suffix: str) -> Iterator[bytes]:
    """What `torch.save` and safetensors write."""
    import safetensors.numpy
    import torch

    for arrays in state_dicts():
        if suffix == ".safetensors":
            yield safetensors.numpy.save(arrays)
            continue
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        for saved in (tensors, {"epoch": 3, "state_dict": tensors}):
            file = io.BytesIO()
            torch.save(saved, file)
            yield file.getvalue()


def npz_files(suffix: str) -> Iterator[bytes]:
    """Files of our own, and weights alone."""
    yield from written(suffix)
    for arrays in state_dicts():
        yield saved(np.savez, **arrays)


def keras_files(suffix: str) -> Iterator[bytes]:
    """What Keras writes, of the layers whose kernels other doors compile too."""
    from tests.keras_files import layers, repacked, saved, sequential

    for made in (
        [layers.LSTM(4), layers.Dense(3)],
        [layers.Masking(), layers.GRU(3, return_sequences=True), layers.GRU(4)],
        [layers.Bidirectional(layers.LSTM(3)), layers.Dropout(0.5), layers.Dense(2, "sigmoid")],
    ):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / f"net{suffix}"
            content = saved(sequential(*made, shape=(None, SIZE)), path).read_bytes()
        yield content
        if suffix == ".h5":
            yield repacked(content, chunks=True, compression="gzip", shuffle=True)
            yield repacked(content, "latest", chunks=True, compression="gzip")


def saved(function: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    """What a function of NumPy's writes."""
    file = io.BytesIO()
    function(file, *arrays, **named)
    return file.getvalue()


def data_files(suffix: str) -> Iterator[bytes]:
    """Sequences for calibration."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6, SIZE)).astype(np.float32)
    if suffix == ".npy":
        yield from (saved(np.save, array) for array in (x, x[0], x.astype(np.float64), x > 0))
    elif suffix == ".npz":
        yield saved(np.savez, a=x, b=x[0])
        yield saved(np.savez_compressed, a=x, b=x[0])
    else:
        text = "\n".join(",".join(f"{v:.4g}" for v in row) for row in x[0])
        yield from (text.encode(), text.replace(",", ", ").encode() + b"\r\n")


def label_files(suffix: str) -> Iterator[bytes]:
    """A class per sequence."""
    yield saved(np.save, np.array([0, 1, 2]))
    yield saved(np.save, np.array([2, 2, 0], np.uint8))


def state_files(suffix: str) -> Iterator[bytes]:
    """Of `Session.save`."""
    with tempfile.TemporaryDirectory() as folder:
        for network in using.state_networks():
            path = pathlib.Path(folder) / "state.npz"
            edgelstm.Session(network, engine="reference").save(path)
            yield path.read_bytes()


def device_files(suffix: str) -> Iterator[bytes]:
    """Those that come along."""
    folder = pathlib.Path(edgelstm.__path__[0]) / "devices"
    for name in ("stm32u575", "rpi-5", "esp32", "gap9-065v"):
        yield (folder / f"{name}.toml").read_bytes()


def series_files(suffix: str) -> Iterator[bytes]:
    """Series to train on, with classes, and with real values."""
    x, y = np.random.default_rng(0).normal(size=(12, STEPS, 2)), np.arange(12) % 2
    yield saved(np.savez, x=x, y=y, lengths=np.full(12, STEPS))
    yield saved(np.savez, x=x, y=x[:, 0, 0], x_valid=x, y_valid=x[:, 0, 0])


def log_files(suffix: str) -> Iterator[bytes]:
    """Of a search."""
    from edgelstm.searching.log import NAME
    from edgelstm.searching.searching import search
    from tests.searching import trainers

    with tempfile.TemporaryDirectory() as folder:
        asked: Any = {"budget": 2, "epochs": 1, "train": trainers.quick, "folder": folder}
        search(trainers.SMALL, trainers.data(), **asked)
        yield (pathlib.Path(folder) / NAME).read_bytes()


DOORS = {
    "pt": Door((".pt",), torch_files, mutations.archive, using.network),
    "safetensors": Door((".safetensors",), torch_files, mutations.headed, using.network),
    "npz": Door((".npz",), npz_files, mutations.archive, using.network),
    "keras": Door((".keras",), keras_files, mutations.archive, using.network),
    "h5": Door((".h5",), keras_files, mutations.hdf5, using.network),
    "onnx": Door((".onnx",), onnx_files, mutations.protobuf, using.network),
    "node": Door((".onnx",), larger_graphs, mutations.protobuf, using.node),
    "tflite": Door((".tflite",), tflite_files, mutations.aligned, using.network),
    "folder": Door((".folder",), folders, mutations.texts, using.folder),
    "calibration": Door((".npy", ".npz", ".csv"), data_files, mutations.data, using.calibration),
    "labels": Door((".npy",), label_files, mutations.data, using.labels),
    "state": Door((".npz",), state_files, mutations.archive, using.state),
    "series": Door((".npz",), series_files, mutations.archive, using.series),
    "log": Door((".jsonl",), log_files, mutations.text, using.log),
    "device": Door((".toml",), device_files, mutations.text, using.device),
}
