"""Int8 .onnx files against the reference, in ONNX Runtime and in ONNX's own evaluator."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from edgelstm.formats.onnx.write import encode
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.reference import run_integers
from tests.networks import golden_lstm, random_input, random_network
from tests.onnx_files import (
    around,
    dense_only,
    int8,
    integers,
    model,
    run,
    session,
    snr_db,
    stream,
)


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((1, 1), {}),
        ((5, 16), {}),
        ((5, 3), {"cell_clip": 0.5}),
        ((13, 33), {"gain": 40}),
        ((40, 64), {}),
        ((40, 64), {"gain": 40, "cell_clip": 1.0}),
        ((13, 33, 16), {"gain": 6}),
        ((5, 16), {"outputs": 3}),
        ((5, 16), {"outputs": 3, "activation": "relu", "last_step": True}),
        ((5, 16, 7), {"outputs": 5, "activation": "sigmoid"}),
        ((5, 16), {"last_step": True}),
    ],
)
def test_int8_files_equal_the_reference_at_any_batch_and_steps(
    sizes: tuple[int, ...], options: dict[str, Any]
) -> None:
    quantized = int8(random_network("lstm", sizes, **options))
    opened = session(model(quantized))
    for n, steps in ((1, 1), (3, 40), (40, 150 if sizes == (40, 64) else 30)):
        x = integers(quantized, n, steps)
        [got] = opened.run(["y"], {"x": x})
        assert got.dtype == np.int8
        np.testing.assert_array_equal(got, run_integers(quantized, x))


def test_int8_files_equal_the_runtimes_golden_vector() -> None:
    x = np.array([[[60, -90], [-128, 127], [12, 40], [127, -5]]], np.int8)
    expected = [[[76, -6], [0, 10], [18, 77], [58, 83]]]  # TFLM's own
    np.testing.assert_array_equal(run(golden_lstm(), x), expected)
    np.testing.assert_array_equal(stream(golden_lstm(), x), expected)


@pytest.mark.parametrize("zero_point", [-128, 127])
def test_zero_points_at_the_ends_equal_the_reference(zero_point: int) -> None:
    network = golden_lstm()
    [layer] = parts(network.layers)
    scales = {
        value: dataclasses.replace(s, zero_point=zero_point) if s.type == "int8" else s
        for value, s in layer.scales.items()
    }
    layer = dataclasses.replace(layer, scales=scales)
    network = dataclasses.replace(network, layers=(Recurrent((layer,)),))
    x = np.random.default_rng(0).integers(-128, 128, (20, 30, 2)).astype(np.int8)
    np.testing.assert_array_equal(run(network, x), run_integers(network, x))


@pytest.mark.parametrize("last_step", [False, True])
def test_int8_streaming_equals_the_whole_sequence(last_step: bool) -> None:
    network = random_network(
        "lstm", (6, 16, 5), outputs=3, activation="relu", last_step=last_step, cell_clip=1.0
    )
    quantized = int8(around((4, 6, "relu"), network))
    x = integers(quantized, 3, 25)
    whole = [run_integers(quantized, x[:, : t + 1]) for t in range(25)]
    expected = np.stack([y if last_step else y[:, -1] for y in whole], 1)
    np.testing.assert_array_equal(stream(quantized, x), expected)


def test_int8_files_equal_the_reference_in_onnx_own_evaluator() -> None:
    quantized = int8(random_network("lstm", (5, 16, 3), outputs=2, gain=6, cell_clip=1.0))
    x = integers(quantized, 4, 30)
    [got] = ReferenceEvaluator(model(quantized)).run(None, {"x": x})
    np.testing.assert_array_equal(got, run_integers(quantized, x))


@pytest.mark.parametrize("streaming", [False, True])
def test_dense_layers_alone_are_a_file_too(streaming: bool) -> None:
    network = dense_only()
    quantized, hybrid = int8(network), quantize(network, None, "hybrid")
    compute = stream if streaming else run
    x, q = random_input(network, 3, 10), integers(quantized, 3, 10)
    np.testing.assert_array_equal(compute(quantized, q), run_integers(quantized, q))
    np.testing.assert_allclose(compute(network, x), forward(network, x), atol=1e-6)  # float32
    assert snr_db(forward(network, x), compute(hybrid, x)) > 25


def test_int8_file_of_40_64_stays_small() -> None:
    network = int8(random_network("lstm", (40, 64)))
    content = encode(network, steps=1, streaming=False, target=None)[""]
    weights, tables = 4 * 64 * (40 + 64), 3 * 2**17
    assert len(content) - weights - tables < 12_500
