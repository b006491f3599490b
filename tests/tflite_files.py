"""Makes, edits and reads .tflite files for several tests."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.asked import Asked
from edgelstm.formats.tflite.model import Graph, Operator, Tensor, one_graph
from edgelstm.formats.tflite.pack import pack
from edgelstm.formats.tflite.read import read
from edgelstm.formats.tflite.unpack import unpack
from edgelstm.formats.tflite.write import encode
from edgelstm.layers.dense import Dense
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network
from tests.present import imported

AnyNetwork = Network | QuantizedNetwork
STEPS = 7

NETWORKS = {
    "one layer": random_network(sizes=(3, 5), seed=1),
    "one unit": random_network(sizes=(1, 1), seed=2),
    "two layers and a head per step": random_network(sizes=(3, 5, 4), outputs=2, seed=3),
    "relu": random_network(outputs=4, activation="relu", last_step=True, seed=4),
    "sigmoid": random_network(outputs=4, activation="sigmoid", seed=5),
    "softmax": random_network(outputs=4, activation="softmax", last_step=True, seed=6),
    "cell clip": random_network(last_step=True, seed=7, gain=3.0, cell_clip=0.7),
    "dense alone": Network(
        (Dense("dense1", np.eye(2, 3, dtype=np.float32), np.zeros(2, np.float32), "relu"),)
    ),
}


def int8(network: Network) -> QuantizedNetwork:
    return quantize(network, random_input(network, 20, 20))


def hybrid(network: Network) -> QuantizedNetwork:
    return quantize(network, None, "hybrid")


def same(network: Network) -> Network:
    return network


def content_of(network: AnyNetwork, steps: int = STEPS) -> bytes:
    return encode(network, steps=steps, streaming=False, target=None)[""]


def read_bytes(
    content: bytes, folder: pathlib.Path, head: str | None = None, activation: str | None = None
) -> AnyNetwork:
    path = folder / "net.tflite"
    path.write_bytes(content)
    return read(path, Asked(head, activation))


def refusal(content: bytes, folder: pathlib.Path, **stated: Any) -> str:
    with pytest.raises(ModelError) as caught:
        read_bytes(content, folder, **stated)
    told = str(caught.value)
    assert told.startswith("net.tflite: ")
    return told.removeprefix("net.tflite: ")


def constant(data: Any, kind: str = "int32", scale: float | None = None) -> Tensor:
    array = np.array(data, kind)
    return Tensor("arith.constant", array.shape, kind, scale, data=array)


def chain(*operators: Operator) -> bytes:
    first, last = operators[0].inputs[0], operators[-1].outputs[0]
    assert first is not None and last is not None
    return pack(one_graph(first, last, operators, "MLIR Converted."))


def graph_of(network: AnyNetwork, steps: int = STEPS) -> Graph:
    return unpack(content_of(network, steps)).graphs[0]


def edited(op: Operator, place: int, tensor: Tensor | None) -> Operator:
    """The operator with another input."""
    inputs = list(op.inputs)
    inputs[place] = tensor
    return dataclasses.replace(op, inputs=tuple(inputs))


def fed(op: Operator, x: Tensor, shape: Sequence[int]) -> Operator:
    """The operator with another first input, and a result of this shape."""
    (y,) = op.outputs
    assert y is not None
    result = dataclasses.replace(y, shape=tuple(shape))
    return dataclasses.replace(edited(op, 0, x), outputs=(result,))


def result_of(op: Operator) -> Tensor:
    (y,) = op.outputs
    assert y is not None
    return y


def sliced(
    network: Network, begin: list[int], end: list[int], masks: tuple[int, int, int]
) -> bytes:
    lstm, cut = graph_of(network).operators
    inputs = (cut.inputs[0], constant(begin), constant(end), constant([1, 1, 1]))
    options = dict(zip(("begin_mask", "end_mask", "shrink_axis_mask"), masks, strict=True))
    shape = (1, 5) if masks[2] else (1, 1, 5)
    y = dataclasses.replace(result_of(cut), shape=shape)
    return chain(lstm, Operator("STRIDED_SLICE", inputs, (y,), options))


class Litert:
    """A file in LiteRT, with its default delegate."""

    def __init__(self, content: bytes) -> None:
        litert = imported("litert", "ai_edge_litert.interpreter")
        self.interpreter = litert.Interpreter(model_content=content)
        self.interpreter.allocate_tensors()

    def run(self, x: NDArray[Any]) -> NDArray[Any]:
        return np.array(self.interpreter.get_signature_runner("serving_default")(x=x)["y"])

    def reset(self) -> None:
        self.interpreter.reset_all_variables()


class Tflm:
    """A file in TensorFlow Lite Micro, with its reference kernels."""

    def __init__(self, content: bytes) -> None:
        runtime = imported("tflm", "tflite_micro.python.tflite_micro.runtime")
        self.interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 20)

    def run(self, x: NDArray[Any]) -> NDArray[Any]:
        self.interpreter.set_input(x, 0)
        self.interpreter.invoke()
        return np.array(self.interpreter.get_output(0))

    def reset(self) -> None:
        self.interpreter.reset()
