"""Sigmoid and tanh as 512 intervals: a slope and an offset in each, which one product takes."""

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.calls import Constants
from edgelstm.quantization.fixedpoint import SIGMOID_TABLE


def pairs(constants: Constants, kind: str, value: str, shift: int) -> str:
    """Sigmoid or tanh of a value in 2**(shift - 12)."""
    table, bits = pair_table(constants, kind), PAIRS[kind][1]
    return f"edgelstm_by_pairs({table}, edgelstm_tripled({value}, {shift}), {bits})"


def pair_table(constants: Constants, kind: str) -> str:
    """The name of the table by d, of sigmoid or tanh."""
    return constants.array(f"{kind}_512", PAIRS[kind][0](), is_table=True)


def sigmoid_pairs() -> NDArray[np.int32]:
    """(384, 2) slope and offset by (3 z) >> 9, of z in 2**-12; the upper halfword is Q0.15."""
    return _pairs(9, 384, factor=3, up=6)


def sigmoid_pairs_of_d() -> NDArray[np.int32]:
    """(512, 2) slope and offset by d >> 9, of d = 3 z with z in 2**-12: of any scale."""
    return _pairs(9, 512, factor=1, up=6)


def tanh_pairs() -> NDArray[np.int32]:
    """(512, 2) slope and offset by d >> 8, of d = 3 z."""
    return _pairs(8, 512, factor=1, up=8)


def _pairs(bits: int, intervals: int, *, factor: int, up: int) -> NDArray[np.int32]:
    """So that ``slope * v + offset`` is what `fixedpoint` interpolates, with its rounding, << up.

    Interval k holds the d = factor * v with d >> bits == k.
    """
    k = np.arange(-intervals // 2, intervals // 2)
    u = np.where(k >= 0, k, -k - 1)
    saturated = u >= 255
    low = np.where(saturated, 65535, SIGMOID_TABLE[np.minimum(u, 254)])
    high = np.where(saturated, 65535, SIGMOID_TABLE[np.minimum(u + 1, 255)])
    if bits == 9:
        above, below = low * 512 + 512, (65536 - high) * 512 + 511 + (u == 254)
        above = np.where(saturated, (0x7FFF << 10) + 512, above)
        below = np.where(saturated, (1 << 25) - (0x7FFF << 10) + 511, below)
    else:
        above, below = low * 256 - (1 << 23) + 128, (1 << 23) - high * 256 + 127
    offset = np.where(k >= 0, above, below) - (high - low) * (k << bits)
    entries = np.stack([(high - low) * factor, offset], 1) << up
    return ((entries + 2**31) % 2**32 - 2**31).astype(np.int32)


PAIRS = {"sigmoid": (sigmoid_pairs_of_d, 9), "tanh": (tanh_pairs, 8)}
