"""RELU6 and RELU_N1_TO_1 behind products, fused or by themselves: as LiteRT computes them."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from edgelstm.execution.session import run
from edgelstm.formats.tflite.model import Operator
from edgelstm.formats.tflite.schema import ACTIVATIONS
from edgelstm.layers.dense import Dense
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.reference import run_integers
from edgelstm.quantization.rounding import LITERT
from tests.formats.tflite.test_foreign import run_litert
from tests.networks import random_input, random_network
from tests.tflite_files import (
    STEPS,
    chain,
    constant,
    edited,
    graph_of,
    hybrid,
    int8,
    read_bytes,
    refusal,
    result_of,
    same,
)

LIMITS = {"RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}


def network_of() -> Network:
    """Its results reach beyond all limits."""
    lstm, dense = random_network(sizes=(3, 5), outputs=4, seed=3).layers
    assert isinstance(dense, Dense)
    spread = np.array([9, 3, -3, 0], np.float32)
    return Network((lstm, Dense("dense1", dense.weight * 6, spread)))


def with_clamp(network: Any, name: str, *, fused: bool, **quantized: Any) -> bytes:
    """The network's file with a clamp at its end, whose integers have this scale."""
    *before, dense = graph_of(network).operators
    y = dataclasses.replace(result_of(dense), **quantized)
    dense = dataclasses.replace(dense, outputs=(y,))
    if fused:
        options = dict(dense.options) | {"activation": ACTIVATIONS.index(name)}
        return chain(*before, dataclasses.replace(dense, options=options))
    return chain(*before, dense, Operator(name, (y,), (dataclasses.replace(y, name="cut"),)))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("made", [same, hybrid])
def test_real_values_are_clamped(made: Any, name: str, fused: bool, tmp_path: pathlib.Path) -> None:
    content = with_clamp(made(network_of()), name, fused=fused)
    network = read_bytes(content, tmp_path)
    x = random_input(network, 1, STEPS)
    expected = run_litert(content, x)
    assert (expected.min(), expected.max()) == LIMITS[name]
    # of int8 weights: LiteRT rounds x by another norm than the equations do not at all
    tolerance = 1e-5 if made is same else 0.05
    got = run(network, x, engine="reference")
    np.testing.assert_allclose(got.ravel(), expected.ravel(), atol=tolerance)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("name", "scale", "zero_point"),
    [("RELU6", 6 / 255, -128), ("RELU6", 6 / 300, -100), ("RELU6", 0.05, -128)]
    + [("RELU_N1_TO_1", 2 / 255, 0), ("RELU_N1_TO_1", 0.03, 7)],
)
def test_integers_are_clamped_to_the_bit(
    name: str, scale: float, zero_point: int, fused: bool, tmp_path: pathlib.Path
) -> None:
    quantized = {"scale": float(np.float32(scale)), "zero_point": zero_point}
    content = with_clamp(int8(network_of()), name, fused=fused, **quantized)
    network = read_bytes(content, tmp_path)
    assert isinstance(network, QuantizedNetwork)
    x = np.random.default_rng(0).integers(-128, 128, (1, STEPS, 3)).astype(np.int8)
    expected = run_litert(content, x)
    assert len(np.unique(expected)) > 3
    assert np.array_equal(run_integers(network, x, LITERT).ravel(), expected.ravel())


def test_a_limit_that_runtimes_round_otherwise_is_refused(tmp_path: pathlib.Path) -> None:
    # the float32 ratio is 59.5, the real one below
    found = np.float32(6 / 59.5)
    while float(np.float32(6) / found) != 59.5 or 6 / float(found) >= 59.5:
        found = np.nextafter(found, np.float32(1))
    content = with_clamp(int8(network_of()), "RELU6", fused=True, scale=float(found), zero_point=0)
    assert "RELU6: 6 lies between two integers of scale" in refusal(content, tmp_path)


def test_other_fused_activations_are_refused(tmp_path: pathlib.Path) -> None:
    *_, dense = graph_of(network_of()).operators
    for number, name in ((4, "TANH"), (9, "number 9")):
        other = dataclasses.replace(dense, options={**dense.options, "activation": number})
        told = refusal(chain(edited(other, 0, constant(np.ones((1, 7, 5)), "float32"))), tmp_path)
        assert f"its fused activation is {name}; read are NONE, RELU, RELU6" in told
