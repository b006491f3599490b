"""Quantized .onnx files of our own, whole and damaged, read back."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.numpy_helper import from_array

from edgelstm.errors import ModelError
from edgelstm.formats.description import describe, named_arrays
from edgelstm.formats.onnx.read_described import read
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network
from tests.onnx_files import Array, around, int8, model


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("precision", ["hybrid", "int8"])
def test_quantized_files_read_back_whole(precision: str, streaming: bool) -> None:
    floats = random_network("lstm", (6, 16, 3), outputs=2, activation="relu", last_step=True)
    if precision == "int8":
        floats = random_network("lstm", (6, 16, 3), outputs=2, activation="relu", cell_clip=1.5)
    network = around((4, 6, "sigmoid"), floats)
    quantized = quantize(network, random_input(network, 10, 12), precision)
    got = read(model(quantized, streaming=streaming))
    assert describe(got) == describe(quantized)
    for name, expected in named_arrays(quantized).items():
        np.testing.assert_array_equal(named_arrays(got)[name], expected, strict=True)


def without(name: str) -> Callable[[onnx.ModelProto], None]:
    def remove(parsed: onnx.ModelProto) -> None:
        [tensor] = [t for t in parsed.graph.initializer if t.name == name]
        parsed.graph.initializer.remove(tensor)

    return remove


def replaced(name: str, values: Array) -> Callable[[onnx.ModelProto], None]:
    def replace(parsed: onnx.ModelProto) -> None:
        without(name)(parsed)
        parsed.graph.initializer.append(from_array(values, name))

    return replace


def elsewhere(parsed: onnx.ModelProto) -> None:
    [tensor] = [t for t in parsed.graph.initializer if t.name == "lstm1/W_ifgo"]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def described(change: Callable[[Any], Any]) -> Callable[[onnx.ModelProto], None]:
    def edit(parsed: onnx.ModelProto) -> None:
        [entry] = [e for e in parsed.metadata_props if e.key == "edgelstm"]
        entry.value = json.dumps(change(json.loads(entry.value)))

    return edit


def layer_with(**fields: Any) -> Callable[[onnx.ModelProto], None]:
    return described(lambda d: {**d, "layers": [{**d["layers"][0], **fields}]})


@pytest.mark.parametrize(
    "damage",
    [
        without("lstm1/W_ifgo"),
        without("lstm1/Wb_ifgo"),
        replaced("lstm1/W_ifgo", np.zeros((5, 12), np.int8)),
        replaced("lstm1/W_ifgo", np.zeros((5, 13), np.uint8)),
        replaced("lstm1/W_ifgo", np.zeros((), np.uint8)),
        replaced("lstm1/R_ifgo", np.zeros((4, 12), np.uint8)),
        replaced("lstm1/Wb_ifgo", np.zeros(12, np.float32)),
        elsewhere,
        described(lambda d: []),
        described(lambda d: {**d, "layers": 3}),
        described(lambda d: {**d, "precision": "float32"}),
        described(lambda d: {**d, "precision": []}),
        layer_with(cell="mystery"),
        layer_with(cell=["lstm"]),
        layer_with(name={}),
        layer_with(weight_scales={"ih i": "x"}),
        layer_with(scales={}),
    ],
)
def test_damaged_files_are_model_errors(damage: Callable[[onnx.ModelProto], None]) -> None:
    parsed = model(int8(random_network("lstm", (5, 3))))
    damage(parsed)
    with pytest.raises(ModelError):
        read(parsed)
