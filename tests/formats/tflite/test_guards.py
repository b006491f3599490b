"""What is refused when a .tflite file is written, since a runtime would compute it wrongly."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats import encode
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.scales import Scale
from tests.networks import golden_lstm, random_network


def refusal(network: Network | QuantizedNetwork, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        encode(network, ".tflite", steps=1, **options)
    return str(caught.value)


def with_scale(qnetwork: QuantizedNetwork, value: str, scale: Scale) -> QuantizedNetwork:
    """With another scale of a value, and of all that play its role."""
    layer = parts(qnetwork.layers)[0]
    roles = layer.plan.roles
    scales = {v: scale if roles[v] == roles[value] else s for v, s in layer.scales.items()}
    layer = dataclasses.replace(layer, scales=scales)
    return dataclasses.replace(qnetwork, layers=(Recurrent((layer,)),))


@pytest.mark.parametrize("target", ["tflm", "cmsis-nn"])
def test_hybrid_is_refused_for_microcontrollers(target: str) -> None:
    told = refusal(quantize(random_network(), None, "hybrid"), target=target)
    assert told == (
        f"target '{target}' loads a hybrid LSTM and returns NaN without an error; "
        "use precision int8 or float32"
    )


def test_streaming_int8_is_refused_for_cmsis_nn() -> None:
    told = refusal(golden_lstm(), target="cmsis-nn", streaming=True)
    assert "passes no state to CMSIS-NN, so every call starts from zero" in told
    assert "not streaming" in told and "float32" in told and "'tflm'" in told
    assert encode(golden_lstm(), ".tflite", steps=4, target="cmsis-nn")
    assert encode(random_network(), ".tflite", steps=1, streaming=True, target="cmsis-nn")
    assert encode(golden_lstm(), ".tflite", steps=1, streaming=True, target="tflm")


@pytest.mark.parametrize("scale", [2.0**-8, 2.0**-16, 0.0003], ids=["2^-8", "2^-16", "not a power"])
def test_cell_scale_that_litert_computes_wrongly_is_refused(scale: float) -> None:
    told = refusal(with_scale(golden_lstm(), "c", Scale(scale, 0, "int16")))
    assert told.startswith(f"layer 'lstm1': the cell state has scale {scale:.6g} and zero point 0;")
    assert "a power of two from 2**-15 to 2**-9" in told


def test_cell_clip_below_one_step_is_refused() -> None:
    qnetwork = golden_lstm()
    layer = parts(qnetwork.layers)[0]
    clipped = Recurrent((dataclasses.replace(layer, cell_clip=1e-5),))
    told = refusal(dataclasses.replace(qnetwork, layers=(clipped,)))
    assert told == (
        "layer 'lstm1': cell_clip 1e-05 is below one step of the cell state (0.000244141), "
        "which would make it zero; use a larger clip"
    )


def test_sums_beyond_int32_are_refused() -> None:
    network = with_scale(golden_lstm(), "x", Scale(2.0**14, 0, "int8"))
    told = refusal(network)
    assert told.startswith("layer 'lstm1': weight_ih, gate i: its sums, rescaled by ")
    assert "more than int32 holds" in told
    dense = quantized_dense(np.full((1, 70_000), 127, np.int8))
    told = refusal(QuantizedNetwork((dense,)))
    assert told.startswith("layer 'dense1': weight: its sums, rescaled by 0.5, can be")


def test_output_scale_that_needs_a_left_shift_is_refused() -> None:
    told = refusal(with_scale(golden_lstm(), "h", Scale(2.0**-31, 0, "int8")))
    assert told == "layer 'lstm1': the output has scale 4.66e-10; at least 9.31e-10 is needed"


def test_int8_softmax_is_refused() -> None:
    dense = dataclasses.replace(quantized_dense(np.ones((2, 3), np.int8)), activation="softmax")
    told = refusal(QuantizedNetwork((dense,)))
    assert told.startswith("layer 'dense1': runtimes differ on a softmax of integers")


def quantized_dense(weight: NDArray[np.int8]) -> QuantizedDense:
    scale = Scale(0.5, 0, "int8")
    return QuantizedDense("dense1", weight, np.zeros(len(weight), np.int32), 0.5, scale, scale)
