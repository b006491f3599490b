"""float32 to int8 and back in vectors: the bits of `quantize_reals` and of `Scale.reals`."""

import sys
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.kernels import conversion, ends
from edgelstm.kernels.simd.options import OPTIONS
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.scales import Scale
from tests.kernels.guarded import guarded

Floats = NDArray[np.float32]
SHORT = 0.0123291015625  # 12 significant bits
SCALES = [SHORT, 2.0**-7, float(np.float32(0.1)), 0.1, 1.0, 1e-39, 2.0**-149, 3e38]


def _to_integers(x: int, y: int, n: int, scale: float, zero: int) -> int:
    bad: int = conversion.quantize_at(x, y, n, scale, zero)
    return bad


def _to_reals(x: int, y: int, n: int, scale: float, zero: int) -> None:
    conversion.dequantize_at(x, y, n, scale, zero)


# By addresses, as the stages of a chain call them.
TO_INTEGERS, TO_REALS = (numba.njit(**OPTIONS)(f) for f in (_to_integers, _to_reals))


def every_exponent() -> Floats:
    """Both signs, all exponents (zero, subnormal and not finite too), 300 mantissas each."""
    rng = np.random.default_rng(4)
    mantissas = np.concatenate([[0, 1, 2**22, 2**23 - 1], rng.integers(0, 2**23, 296)])
    bits = np.arange(512)[:, None] << 23 | mantissas
    values: Floats = bits.astype(np.uint32).view(np.float32).ravel()
    return values


def around_halves(scale: float) -> Floats:
    """Where the rounding turns, and some float32 on each side; integers and the ends likewise."""
    quotients = np.arange(-600, 601) / 2
    with np.errstate(over="ignore"):
        middle = (quotients * scale).astype(np.float32)
        below, above = np.nextafter(middle, -np.inf), np.nextafter(middle, np.inf)
        return np.concatenate([middle, below, above, np.nextafter(above, np.inf)])


def quantized(x: Floats, scale: float, zero: int) -> tuple[NDArray[np.int8], int]:
    out = np.full(x.shape, 77, np.int8)
    return out, TO_INTEGERS(x.ctypes.data, out.ctypes.data, x.size, scale, zero)


def expected_of(x: Floats, scale: float, zero: int) -> Any:
    return quantize_reals(np.where(np.isfinite(x), x, 0), scale, zero, (-128, 127))


@pytest.mark.parametrize("zero", [-128, 3, 127])
@pytest.mark.parametrize("scale", SCALES)
def test_two_million_values_are_rounded_as_float64_rounds_them(scale: float, zero: int) -> None:
    for x in (every_exponent(), around_halves(scale)):
        got, bad = quantized(x, scale, zero)
        assert np.array_equal(got, expected_of(x, scale, zero))
        assert bad == np.count_nonzero(~np.isfinite(x))


@pytest.mark.parametrize("scale", SCALES)
def test_every_quotient_of_a_network_is_rounded_as_float64_rounds_it(scale: float) -> None:
    quotients = np.random.default_rng(7).uniform(-140, 140, 200_003)
    with np.errstate(over="ignore"):
        x = (quotients * scale).astype(np.float32)
    assert np.array_equal(quantized(x, scale, -9)[0], expected_of(x, scale, -9))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("zero", [-128, 0, 127])
def test_every_integer_becomes_the_float32_nearest_to_its_real_value(
    scale: float, zero: int
) -> None:
    q = np.tile(np.arange(-128, 128, dtype=np.int8), 2)[:-3]
    got = np.empty(q.shape, np.float32)
    with np.errstate(over="ignore"):
        TO_REALS(q.ctypes.data, got.ctypes.data, q.size, scale, zero)
        assert np.array_equal(got, Scale(scale, zero, "int8").reals(q))


@pytest.mark.parametrize("n", range(70))
def test_any_number_of_values_is_converted(n: int) -> None:
    x = np.linspace(-3, 3, n, dtype=np.float32)
    out = np.full(n + 40, 77, np.int8)
    assert TO_INTEGERS(x.ctypes.data, out.ctypes.data, n, SHORT, 3) == 0
    assert np.array_equal(out[:n], expected_of(x, SHORT, 3)) and (out[n:] == 77).all()
    back = np.full(n + 40, 7, np.float32)
    TO_REALS(out.ctypes.data, back.ctypes.data, n, SHORT, 3)
    assert np.array_equal(back[:n], Scale(SHORT, 3, "int8").reals(out[:n]))
    assert (back[n:] == 7).all()


@pytest.mark.parametrize("n", [1, 16, 37])
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_counted_wherever_it_lies(n: int, bad: float) -> None:
    for k in range(n):
        x = np.linspace(-1, 1, n, dtype=np.float32)
        x[k] = bad
        assert quantized(x, SHORT, 0)[1] == 1
    assert quantized(np.full(n, bad, np.float32), SHORT, 0)[1] == n
    assert quantized(np.full(n, np.finfo(np.float32).max, np.float32), 1e-30, 0)[1] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pages are guarded by mprotect")
@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("n", [1, 7, 16, 29, 64])
def test_by_address_nothing_beyond_the_values_is_touched(n: int, at_end: bool) -> None:
    x = guarded(np.linspace(-1, 1, n, dtype=np.float32), at_end=at_end)
    q, y = guarded(np.zeros(n, np.int8), at_end=at_end), guarded(x, at_end=at_end)
    at_x, at_q, at_y = (v.ctypes.data for v in (x, q, y))
    assert TO_INTEGERS(at_x, at_q, n, SHORT, 5) == 0
    TO_REALS(at_q, at_y, n, SHORT, 5)
    assert np.array_equal(q, expected_of(x, SHORT, 5))
    assert np.array_equal(y, Scale(SHORT, 5, "int8").reals(q))


@pytest.mark.parametrize("zero", [0, -77])
@pytest.mark.parametrize("scale", [2.0**-15, 2.0**-11, float(np.float32(0.1)), 3e38])
def test_sixteen_bits_are_rounded_as_float64_rounds_them_and_come_back(
    scale: float, zero: int
) -> None:
    x = np.concatenate([every_exponent(), around_halves(scale)])
    got, back = np.empty(x.size, np.int16), np.empty(x.size, np.float32)
    parameters = ends.row(x.size, zero, held := ends.scale_array(scale))
    to_integers, to_reals = (
        numba.njit(**OPTIONS)(ends.TEMPLATES[name]) for name in ("quantize16", "dequantize16")
    )
    to_integers(parameters[0], x.ctypes.data, got.ctypes.data, 1, 0, 0)
    finite = np.where(np.isfinite(x), x, 0)
    assert np.array_equal(got, quantize_reals(finite, scale, zero, (-32768, 32767)))
    with np.errstate(over="ignore"):
        to_reals(parameters[0], got.ctypes.data, back.ctypes.data, 1, 0, 0)
        assert np.array_equal(back, Scale(held[0], zero, "int16").reals(got))
