"""A matrix as it is stored: what it costs, and what its values stand for."""

from typing import Any

import numpy as np
import pytest

from edgelstm.layers.matrix import Matrix, real
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_network


def test_a_matrix_of_integers_costs_a_byte_a_weight_and_stands_for_its_scale() -> None:
    matrix = Matrix(np.array([[1, -2, 3], [0, 127, -127]], np.int8), 0.5, "int8")
    assert (matrix.macs, matrix.stored_bytes) == (6, 6)
    assert matrix.dense().tolist() == [[0.5, -1, 1.5], [0, 63.5, -63.5]]


def test_a_real_matrix_costs_four_bytes_a_weight() -> None:
    matrix = real(np.array([[0.25, -2]], np.float32))
    assert (matrix.macs, matrix.stored_bytes, matrix.storage) == (2, 8, "float32")
    assert matrix.dense().tolist() == [[0.25, -2]] and matrix.dense().dtype == np.float64


@pytest.mark.parametrize("precision", ["float32", "hybrid"])
def test_a_gates_matrix_is_a_view_of_its_rows(precision: str) -> None:
    network = random_network("lstm", (3, 5))
    ready = network if precision == "float32" else quantize(network, None, precision)
    direction: Any = ready.layers[0].parts[0]
    for k, gate in enumerate("ifgo"):
        values = direction.matrix("hh", gate).values
        assert np.shares_memory(values, direction.weight_hh)
        assert np.array_equal(values, direction.weight_hh[5 * k : 5 * k + 5])
