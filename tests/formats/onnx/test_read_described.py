"""Files of our own that describe their network, whole and damaged, read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.numpy_helper import from_array

from edgelstm import formats
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


def with_text(text: str) -> Callable[[onnx.ModelProto], None]:
    def edit(parsed: onnx.ModelProto) -> None:
        [entry] = [e for e in parsed.metadata_props if e.key == "edgelstm"]
        entry.value = text

    return edit


FLOATS = np.zeros((5, 6), np.float32)
OF_A_LOOP = [
    without("mgu1/W_fn"),
    without("mgu1/Rb_n"),  # its biases would be none
    without("mgu1/R_n"),
    replaced("mgu1/W_fn", FLOATS.astype(np.uint8)),
    replaced("mgu1/W_fn", FLOATS.astype(np.float64)),
    replaced("mgu1/W_fn", FLOATS[:, :5]),
    replaced("mgu1/W_fn", FLOATS[0, 0]),
    replaced("mgu1/R_f", np.full((3, 3), np.nan, np.float32)),
    replaced("mgu1/Wb_fn", np.zeros(7, np.float32)),
    layer_with(cell="gru"),
    layer_with(cell="lstm_peephole"),
    layer_with(cell="rnn"),
    layer_with(cell=None),
    layer_with(cell=["mgu"]),
    layer_with(name="mgu2"),
    layer_with(name=5),
    layer_with(cell_clip=1.0),
    layer_with(cell_clip="x"),
    layer_with(reverse=True),
    described(lambda d: {**d, "precision": "hybrid"}),
    described(lambda d: {**d, "precision": "int8"}),
    described(lambda d: {**d, "precision": ["float32"]}),
    described(lambda d: {**d, "version": 10**12}),
    described(lambda d: {**d, "layers": {}}),
    described(lambda d: {**d, "layers": []}),
    described(lambda d: {**d, "layers": 2 * d["layers"]}),
    described(lambda d: {**d, "assumed": 3}),
    described(lambda d: {k: v for k, v in d.items() if k != "last_step"}),
    with_text(""),
    with_text("[" * 100_000),
    with_text('{"version": 1, "precision": "float32", "layers": [1e999]}'),
]


@pytest.mark.parametrize("damage", OF_A_LOOP)
def test_damaged_files_of_a_loop_are_one_model_error(
    damage: Callable[[onnx.ModelProto], None], tmp_path: Path
) -> None:
    parsed = model(random_network("mgu", (5, 3)))
    damage(parsed)
    path = tmp_path / "net.onnx"
    path.write_bytes(parsed.SerializeToString())
    with pytest.raises(ModelError, match="^net.onnx: ") as caught:
        formats.read(path)
    assert "\n" not in str(caught.value)
