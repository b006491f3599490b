"""The integer primitives against hand-worked numbers, exact fractions and the real functions."""

from fractions import Fraction

import numpy as np
import pytest

from edgelstm.quantization import fixedpoint as fx

CORNERS = [0, 1, -1, 2, -2, 2**30, -(2**30), 2**31 - 1, -(2**31)]


def corners_and_random(n: int = 2000) -> list[int]:
    rng = np.random.default_rng(0)
    return [*CORNERS, *rng.integers(-(2**31), 2**31, n).tolist()]


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (0.0123, (1690499128, -6)),
        (2.0**-15, (2**30, -14)),
        (1 - 2.0**-33, (2**30, 1)),
        (1e-11, (0, 0)),
    ],
)
def test_quantize_multiplier_gives_the_worked_values(
    real: float, expected: tuple[int, int]
) -> None:
    assert fx.quantize_multiplier(real) == expected


@pytest.mark.parametrize(
    ("x", "two", "one", "sixteen"),
    [(16383, 1, 0, 0), (-16384, -1, 0, 0), (-16385, -1, -1, -1), (49151, 2, 1, 1)],
)
def test_three_requantizations_differ_at_ties(x: int, two: int, one: int, sixteen: int) -> None:
    multiplier = fx.quantize_multiplier(2.0**-15)
    got = [f(x, *multiplier) for f in (fx.requantize, fx.requantize_single, fx.requantize64)]
    assert got == [two, one, sixteen]


def test_requantize_of_the_largest_int32_gives_the_worked_values() -> None:
    multiplier = fx.quantize_multiplier(0.0123)
    assert fx.requantize(2**31 - 1, *multiplier) == 26414049
    assert fx.requantize_single(2**31 - 1, *multiplier) == 26414049
    assert fx.requantize64(2**31 - 1, *multiplier) == 26414080


@pytest.mark.parametrize("shift", [-12, -1, 0, 1])
def test_requantize_rounds_half_up_then_half_away_from_zero(shift: int) -> None:
    q = 1690499128
    x = [v >> 2 for v in corners_and_random()]
    expected = []
    for v in x:
        high = (Fraction(v * 2 ** max(shift, 0) * q, 2**31) + Fraction(1, 2)).__floor__()
        exact = Fraction(abs(high), 2 ** max(-shift, 0))
        away = (exact + Fraction(1, 2)).__floor__()
        expected.append(away if high >= 0 else -away)
    assert fx.requantize(x, q, shift).tolist() == expected


def test_requantize_float_takes_ties_to_even() -> None:
    assert fx.requantize_float([2, -2, 6, -6, 5], 0.25).tolist() == [0, 0, 2, -2, 1]


def test_requantize_float_rounds_the_product_to_float32() -> None:
    # 0.1 is a little more in float32, and 5 * 0.1 is 0.5 there: even, where float64 has a tie up.
    assert fx.requantize_float([5, -5, 15, 25], 0.1).tolist() == [0, 0, 2, 2]


def test_requantize_ties_up_differs_from_requantize_at_negative_ties_alone() -> None:
    x = np.arange(-3000, 3000)
    q, shift = 2**30, -3
    got, expected = fx.requantize_ties_up(x, q, shift), fx.requantize(x, q, shift)
    ties = (x < 0) & (fx.high_multiply(x, q) % 8 == 4)
    assert np.array_equal(got != expected, ties)


def test_wraps_are_twos_complement() -> None:
    x = np.array([2**31, -(2**31) - 1, 2**15, -(2**15) - 1], np.int64)
    assert fx.wrap32(x)[:2].tolist() == [-(2**31), 2**31 - 1]
    assert fx.wrap16(x)[2:].tolist() == [-(2**15), 2**15 - 1]


def test_short_scales_multiply_exactly_in_float32() -> None:
    rng = np.random.default_rng(0)
    for a, b in np.exp(rng.uniform(-12, 3, (500, 2))):
        one, two = fx.short_scale(a), fx.short_scale(b)
        assert float(np.float32(one) * np.float32(two)) == one * two
        assert a <= one <= a * (1 + 2**-11)


def test_sigmoid_table_is_tflms() -> None:
    assert fx.SIGMOID_TABLE.sum() == 15670629
    assert fx.SIGMOID_TABLE[[0, 1, 128, 254, 255]].tolist() == [32768, 33451, 65221, 65534, 65535]


TANH_SUMS = {
    "table": (931529354, 1422702885, 1775528708, 1961400577, 2054409483, 2100913881, 2124166059),
    "fixed": (931515756, 1422691780, 1775487120, 1961386291, 2054401825, 2100910133, 2124164267),
}


@pytest.mark.parametrize("kind", TANH_SUMS)
def test_tanh_sums_over_all_inputs_and_scales(kind: str) -> None:
    function = {"table": fx.table_tanh, "fixed": fx.fixed_tanh}[kind]
    got = tuple(int(np.abs(function(fx.INT16, p)).sum()) for p in range(-15, -8))
    assert got == TANH_SUMS[kind]


def test_sigmoid_sums_over_all_inputs() -> None:
    assert fx.table_sigmoid(fx.INT16).sum() == 1073725451
    assert fx.fixed_sigmoid(fx.INT16).sum() == 1073692684


# Largest error in steps of 2**-15 that the table (1.02, 1.5) and the fixed point (6.4, 11.8) have.
@pytest.mark.parametrize(
    ("function", "real", "bound"),
    [
        (fx.table_sigmoid, lambda v: 1 / (1 + np.exp(-v)), 1.03),
        (fx.table_tanh, np.tanh, 1.51),
        (fx.fixed_sigmoid, lambda v: 1 / (1 + np.exp(-v)), 6.5),
        (fx.fixed_tanh, np.tanh, 11.9),
    ],
)
def test_activations_follow_the_real_functions(function, real, bound) -> None:  # type: ignore[no-untyped-def]
    error = function(fx.INT16) - 32768 * real(fx.INT16 / 4096)
    assert np.abs(error).max() < bound


def test_quantize_reals_rounds_half_to_even_and_saturates() -> None:
    got = fx.quantize_reals([0.5, 1.5, -0.5, 1000, -1000], 1.0, 3, (-128, 127))
    assert got.tolist() == [3, 5, 3, 127, -128]
