"""Where a layer's weights lie: groups of one vector of units or of two, all gates in one lane."""

from typing import Any

import numpy as np
import pytest

from edgelstm.execution.fused import packed_layer
from edgelstm.kernels import layer, packing
from edgelstm.kernels.simd.target import LANES, NEON
from edgelstm.layers.dense import Dense
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network, random_recurrent


@pytest.mark.parametrize("order", [packing.natural, packing.single], ids=lambda o: o.__name__)
def test_a_group_is_a_stream_of_inputs_halves_gates_and_lanes(order: Any) -> None:
    """By hand: two gates of three units, of two inputs, in vectors of two lanes."""
    w = np.array([[u + 0.1 * k + 10 * gate for k in range(2)] for gate in (1, 2) for u in range(3)])
    got = packing.pack(w, 3, 2, per_word=1, order=order(2))
    first: list[list[float]] = [[10, 11, 20, 21], [12, 0, 22, 0]]
    second: list[list[float]] = [[10.1, 11.1, 20.1, 21.1], [12.1, 0, 22.1, 0]]
    expected = (
        [first[0], first[1], second[0], second[1]]
        if order is packing.natural
        else [first[0], second[0], first[1], second[1]]
    )
    assert got.tolist() == pytest.approx([v for row in expected for v in row])


@pytest.mark.skipif(NEON, reason="NEON's kernels take two vectors at a time")
@pytest.mark.parametrize("cell_name", ["lstm", "gru"])
@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 5])
def test_no_vector_is_padded_whole(cell_name: str, vectors: int) -> None:
    units = vectors * LANES - 1
    layer = random_recurrent(cell_name, 3, units, np.random.default_rng(0))
    assert packed_layer(layer.parts[0]).units == vectors * LANES


@pytest.mark.parametrize("cell_name, gates", [("lstm", 4), ("gru", 3)])
@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 5])
def test_no_vector_of_int8_weights_is_padded_whole(
    cell_name: str, gates: int, vectors: int
) -> None:
    units = vectors * LANES - 1
    network = random_network(cell_name, (3, units))
    layers: Any = quantize(network, random_input(network, 2, 5)).layers
    weights, rows = packed_layer(layers[0].parts[0]).arrays, gates * vectors * LANES
    assert weights[layer.W_IH].size == rows * 4
    assert weights[layer.W_HH].size == rows * packing.padded(units, 4)


@pytest.mark.parametrize("vectors", [1, 2, 3, 8, 9, 11])
def test_no_vector_of_a_dense_layer_is_padded_whole(vectors: int) -> None:
    outputs = vectors * LANES - 1
    head = Dense("dense1", np.ones((outputs, 5), np.float32), np.zeros(outputs, np.float32), None)
    weights = packed_layer(head).arrays[layer.W_IH]
    assert weights.size == 5 * vectors * LANES
    assert np.count_nonzero(weights) == 5 * outputs
