"""The integer oracles against numbers that the runtimes themselves computed."""

import dataclasses

import numpy as np
import pytest

from edgelstm.quantization import reference
from edgelstm.quantization.fixedpoint import quantize_multiplier, requantize64
from edgelstm.quantization.rounding import LITERT, ROUNDINGS, TFLM, Arithmetic, Rounding
from tests.networks import GOLDEN_WEIGHT_SCALES, GOLDEN_X, golden_lstm

X = np.array([GOLDEN_X])
H = [[76, -6], [0, 10], [18, 77], [58, 83]]
H_WIDE = [[19573, -1074], [478, 3193], [5037, 20454], [14663, 21501]]
TFLM_WIDE = dataclasses.replace(TFLM, affine="requantize64")


@pytest.mark.parametrize(
    ("arithmetic", "c"), [(TFLM, [3829, 3271]), (LITERT, [3828, 3273])], ids=["tflm", "litert"]
)
def test_golden_vector_is_what_the_runtime_computes(arithmetic: Arithmetic, c: list[int]) -> None:
    network = golden_lstm()
    h, states = reference.advance(network, X, reference.initial_states(network, 1), arithmetic)
    assert h[0].tolist() == H
    assert states["lstm1"]["c"][0].tolist() == c


def test_golden_vector_with_16_bit_activations_is_what_tflm_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = Rounding(quantize_multiplier, requantize64)
    monkeypatch.setitem(ROUNDINGS, "requantize64", row)
    network = golden_lstm(wide=True)
    start = reference.initial_states(network, 1)
    h, states = reference.advance(network, X * 250, start, TFLM_WIDE)
    assert h[0].tolist() == H_WIDE
    assert states["lstm1"]["c"][0].tolist() == [3847, 3301]


@pytest.mark.parametrize(
    ("arithmetic", "expected"),
    [
        (TFLM, [(1209462802, 1), (1979120874, 0), (1429365167, 1), (1759218714, 0)]),
        (LITERT, [(1209462784, 1), (1979120896, 0), (1429365120, 1), (1759218688, 0)]),
    ],
    ids=["tflm", "litert"],
)
def test_multipliers_are_formed_in_the_precision_of_the_runtime(
    arithmetic: Arithmetic, expected: list[tuple[int, int]]
) -> None:
    x = float(np.float32(0.025))
    ratios = [arithmetic.ratio(x, GOLDEN_WEIGHT_SCALES[f"ih {g}"], 2.0**-12) for g in "ifgo"]
    assert [quantize_multiplier(r) for r in ratios] == expected
