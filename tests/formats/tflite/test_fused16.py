"""Fused 16x8 files: TensorFlow Lite Micro's bits, and read back as they were written."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats import encode, read, write
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.networks import random_input, random_network

CASES: dict[str, dict[str, Any]] = {
    "one layer": {"sizes": (5, 16)},
    "saturating": {"sizes": (5, 16), "gain": 6.0},
    "two layers and a head": {"sizes": (5, 9, 7), "outputs": 3},
    "relu over the last step": {
        **{"sizes": (4, 8), "outputs": 3},
        **{"last_step": True, "activation": "relu"},
    },
}


def wide(case: str) -> tuple[QuantizedNetwork, Any]:
    network = random_network("lstm", **CASES[case])
    x = random_input(network, 4, 20)
    return quantize(network, x, "int16x8", "fused"), x


@pytest.mark.parametrize("case", CASES)
def test_tflm_computes_the_same_integers(case: str, tmp_path: Path) -> None:
    qnetwork, _ = wide(case)
    path = write(qnetwork, tmp_path / "net.tflite")
    (found,) = verify(path, qnetwork, n_sequences=20).verified
    if found.status == "skipped":
        pytest.skip(str(found.reason))
    assert (found.runtime, found.status, found.mismatches) == ("tflm", "ok", 0)


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_read_back_as_the_same_integers(case: str, tmp_path: Path) -> None:
    qnetwork, x = wide(case)
    got = read(write(qnetwork, tmp_path / "net.tflite"))
    assert isinstance(got, QuantizedNetwork)
    assert (got.precision, got.form, got.input) == ("int16x8", "fused", qnetwork.input)
    assert np.array_equal(run(got, x, engine="reference"), run(qnetwork, x, engine="reference"))
    assert encode(got, ".tflite", steps=20) == encode(qnetwork, ".tflite", steps=20)


@pytest.mark.parametrize("target", ["litert", "tflite-runtime"])
def test_runtimes_without_it_are_refused(target: str) -> None:
    with pytest.raises(ModelError, match=f"target '{target}' refuses a fused int16x8 LSTM"):
        encode(wide("one layer")[0], ".tflite", steps=20, target=target)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_heads_whose_tables_differ_are_refused(activation: str) -> None:
    network = random_network("lstm", outputs=2, activation=activation)
    with pytest.raises(ModelError, match=f"no {activation} of free int16 scales"):
        quantize(network, random_input(network, 2, 9), "int16x8", "fused")


def test_an_onnx_file_of_it_is_for_onnx_runtime(tmp_path: Path) -> None:
    qnetwork, _ = wide("one layer")
    path = write(qnetwork, tmp_path / "net.onnx")
    (found,) = verify(path, qnetwork, n_sequences=8).verified
    if found.status == "skipped":
        pytest.skip(str(found.reason))
    assert (found.runtime, found.status, found.mismatches) == ("onnxruntime", "ok", 0)


@pytest.mark.parametrize("precision", ["int8", "int16x8"])
def test_a_fused_relu_cell_is_refused(precision: str) -> None:
    network = random_network("rnn")
    (layer,) = network.layers[0].parts
    assert isinstance(layer, Direction)
    relu = Network((Recurrent((dataclasses.replace(layer, nonlinearity="relu"),)),))
    with pytest.raises(ModelError, match=f"a rnn has no fused {precision} form"):
        quantize(relu, random_input(network, 2, 9), precision, "fused")
