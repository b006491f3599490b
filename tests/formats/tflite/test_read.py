"""Reading .tflite files of this toolkit: what was written comes back."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.tflite import facts
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from tests.tflite_files import (
    NETWORKS,
    STEPS,
    AnyNetwork,
    content_of,
    hybrid,
    int8,
    read_bytes,
    refusal,
    same,
)


@pytest.mark.parametrize("name", NETWORKS)
def test_float_file_gives_the_weights_back(name: str, tmp_path: pathlib.Path) -> None:
    expected = NETWORKS[name]
    got = read_bytes(content_of(expected), tmp_path)
    assert isinstance(got, Network)
    assert got.last_step == expected.last_step and not got.assumed
    for layer, wanted in zip(got.layers, expected.layers, strict=True):
        values = wanted.arrays
        if isinstance(wanted, Recurrent):
            assert isinstance(layer, Recurrent)
            assert layer.forward.cell_clip == np.float32(wanted.forward.cell_clip)
            values["bias_ih"] = values["bias_ih"] + values["bias_hh"]
            values["bias_hh"] = np.zeros_like(values["bias_hh"])
        elif isinstance(wanted, Dense):
            assert isinstance(layer, Dense)
            assert layer.activation == wanted.activation
        assert layer.name == wanted.name
        for key, array in layer.arrays.items():
            np.testing.assert_array_equal(array, values[key])


@pytest.mark.parametrize("precision", [int8, hybrid])
@pytest.mark.parametrize("name", NETWORKS)
def test_quantized_file_gives_integers_and_scales_back(
    name: str, precision: Callable[[Network], QuantizedNetwork], tmp_path: pathlib.Path
) -> None:
    expected = precision(NETWORKS[name])
    got = read_bytes(content_of(expected), tmp_path)
    assert isinstance(got, QuantizedNetwork)
    assert (got.precision, got.last_step) == (expected.precision, expected.last_step)
    assert got.steps is None and not got.dropped_softmax
    assert [layer.kind for layer in got.layers] == [layer.kind for layer in expected.layers]
    for layer, wanted in zip(parts(got.layers), parts(expected.layers), strict=True):
        assert type(layer) is type(wanted)
        for field in dataclasses.fields(wanted):
            if field.name != "saturation":
                _assert_equal(getattr(layer, field.name), getattr(wanted, field.name), field.name)


def _assert_equal(value: Any, wanted: Any, field: str) -> None:
    if isinstance(wanted, np.ndarray):
        assert value.dtype == wanted.dtype and value.flags.c_contiguous and value.flags.writeable
        np.testing.assert_array_equal(value, wanted)
    elif field == "cell_clip":
        assert value == np.float32(wanted)
    else:
        assert value == wanted


@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize("precision", [same, hybrid, int8])
@pytest.mark.parametrize("name", NETWORKS)
def test_file_that_was_read_is_written_with_equal_bytes(
    name: str, precision: Callable[[Network], AnyNetwork], steps: int, tmp_path: pathlib.Path
) -> None:
    content = content_of(precision(NETWORKS[name]), steps)
    assert content_of(read_bytes(content, tmp_path), steps) == content


def test_facts_of_a_file_are_its_steps_and_the_types_of_its_ends(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(content_of(NETWORKS["relu"]))
    assert facts(path) == FileFacts(
        STEPS,
        "float32",
        "float32",
        streaming=False,
        operators=("UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "FULLY_CONNECTED"),
    )
    assert not facts(path).streaming
    path.write_bytes(content_of(int8(NETWORKS["relu"]), 1))
    assert facts(path) == FileFacts(
        1,
        "int8",
        "int8",
        streaming=True,
        operators=("UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "FULLY_CONNECTED"),
    )
    assert facts(path).streaming
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match="net.tflite: bytes 4 to 8 are b'odel'"):
        facts(path)


def test_what_the_caller_states_must_not_contradict_the_file(tmp_path: pathlib.Path) -> None:
    content = content_of(NETWORKS["softmax"])
    assert isinstance(read_bytes(content, tmp_path, "last", "softmax"), Network)
    way_out = "which is for files of weights alone"
    told = refusal(content, tmp_path, head="each")
    assert told == f"the file gives the last step; leave head out, {way_out}"
    told = refusal(content, tmp_path, activation="relu")
    assert told == f"the file ends with softmax, not relu; leave activation out, {way_out}"
    told = refusal(content_of(NETWORKS["one layer"]), tmp_path, activation="relu")
    assert "the file ends with no activation, not relu" in told
