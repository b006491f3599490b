"""Numbers of integer operations as C expressions: rescaling, limits, tables."""

import numpy as np

from edgelstm.formats.c.calls import Constants
from edgelstm.quantization.fixedpoint import SIGMOID_TABLE, multiplier16
from edgelstm.quantization.operations import Rescale

INT16, INT32 = (-(2**15), 2**15 - 1), (-(2**31), 2**31 - 1)
HALF = 2**30  # the multiplier of a power of two
MOST_RIGHT = 28  # bits that `edgelstm_by_power` shifts within 32 bits


def rescale_fields(by: Rescale) -> str:
    """The initializer of an `edgelstm_rescale`."""
    q, shift = by.numbers
    if by.rounding == "requantize64":
        q = multiplier16(q)
    low, high = limits_of(by) or INT32
    return f"{{{q}, {shift}, {_int32(low)}, {_int32(high)}}}"


def limits_of(by: Rescale) -> tuple[int, int] | None:
    """Of what is stored, less its zero point."""
    if by.limits is None:
        return None
    return by.limits[0] - by.zero_point, by.limits[1] - by.zero_point


def rescaled(value: str, by: Rescale) -> str:
    """A sum or product, rescaled and cut."""
    return cut(multiplied(value, by), limits_of(by))


def multiplied(value: str, by: Rescale) -> str:
    """The same before it is cut; shifted where the ratio is a power of two."""
    q, shift = by.numbers
    if q == HALF and -MOST_RIGHT <= shift < 0:
        return f"edgelstm_by_power({value}, {-shift})"
    return f"edgelstm_requantize({value}, {q}, {shift})"


def cut(value: str, limits: tuple[int, int] | None) -> str:
    """A value within limits."""
    if limits == INT16:
        return f"edgelstm_clamp16({value})"
    return f"edgelstm_clamp({value}, {limits[0]}, {limits[1]})" if limits else value


def times(value: str, power: int) -> str:
    """A value times a power of two that is 1 or more."""
    return value if power == 0 else f"{value} * {1 << power}"


def halved(value: str, right: int) -> str:
    """A value times 2**-right, half away from zero; times a power of two where that is above 1."""
    if right <= 0:
        return times(f"({value})", -right) if right else value
    return f"edgelstm_shifted({value}, {right}, {1 << (right - 1)})"


def sigmoid_table(constants: Constants) -> str:
    """The table that sigmoid and tanh share in plain C: its name."""
    return constants.array("sigmoid_table", SIGMOID_TABLE[:256].astype(np.uint16), is_table=True)


def small_table(constants: Constants, kind: str, value: str, shift: int) -> str:
    """Sigmoid or tanh of a value in 2**(shift - 12), from 256 entries."""
    return f"edgelstm_{kind}({sigmoid_table(constants)}, {value}, {shift})"


def _int32(value: int) -> str:
    return "INT32_MIN" if value == INT32[0] else str(value)
