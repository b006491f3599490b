"""What stands between products: tables of pairs, powers of two, which loop has an operation."""

import numpy as np
import pytest
from numpy.typing import NDArray

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.formats.c.loops import schedule
from edgelstm.formats.c.pairs import sigmoid_pairs_of_d, tanh_pairs
from edgelstm.quantization import fixedpoint
from edgelstm.quantization.fixedpoint import INT16, Int64s
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import Product
from tests.networks import random_input, random_network


def by_pairs(pairs: NDArray[np.int32], log2: int, bits: int) -> Int64s:
    """As edgelstm_by_pairs and edgelstm_tripled of kernels/c compute it, for every int16."""
    shift = log2 + 12
    d = 3 * INT16 << shift if shift >= 0 else (3 * INT16 + (1 << (-shift - 1))) >> -shift
    slope, offset = pairs.astype(np.int64)[np.clip(d >> bits, -256, 255) + 256].T
    return fixedpoint.wrap32(slope * d + offset) >> 16


@pytest.mark.parametrize("log2", range(-15, -8))
def test_pairs_are_the_table_for_every_int16(log2: int) -> None:
    expected = fixedpoint.table_tanh(INT16, log2)
    np.testing.assert_array_equal(by_pairs(tanh_pairs(), log2, 8), expected)
    expected = fixedpoint.table_sigmoid(INT16, log2)
    np.testing.assert_array_equal(by_pairs(sigmoid_pairs_of_d(), log2, 9), expected)


@pytest.mark.parametrize("right", [1, 2, 6, 14, 18])
def test_a_power_of_two_is_both_roundings(right: int) -> None:
    v = np.concatenate([np.arange(-70_000, 70_000), [-(2**30), 2**30]])
    expected = fixedpoint.requantize(v, 2**30, -right)
    got = (v + (1 << right) + 1 + 2 * (v >> 31)) >> (right + 1)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_every_operation_runs_once_and_behind_what_it_reads(cell: str, at_once: bool) -> None:
    network = random_network(cell, (3, 4))
    q = edgelstm.quantize(network, random_input(network, 2, 9), "int16x8")
    lowered = lower(q.layers[0].parts[0])
    plan = schedule(lowered, at_once=at_once)
    known = {"x", *(state.name for state in lowered.states), *plan.constants}
    for stage in plan.stages:
        (ops,) = stage.loops.values() or [[]]
        for op in ops:
            assert {plan.same.get(arg, arg) for arg in op.args} <= known
            known.add(op.result)
        for product in stage.products:
            assert {plan.same.get(arg, arg) for arg in product.args} <= known
        known |= {product.result for product in stage.products}
    ran = [op for stage in plan.stages for ops in stage.loops.values() for op in ops]
    ran += [op for stage in plan.stages for op in stage.products]
    assert len(ran) == len({op.result for op in ran}) == len(known & {o.result for o in ran})
    if at_once:
        assert sum(bool(stage.products) for stage in plan.stages) <= 2
    assert all(isinstance(op, Product) for stage in plan.stages for op in stage.products)
