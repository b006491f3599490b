"""Instructions of a step in closed form, for the kernels of C that are assembly, or mostly.

They hang on sizes, not on data, scales or the compiler; `bench --core` puts what was counted beside
them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

Sizes = Sequence[tuple[int, int]]  # (inputs, units) of each layer

# Of the fused int8 LSTM on Armv7E-M (`kernels/c/edgelstm_dsp_lstm.inc`), a unit: requantizing both
# sums, activations, cell and output, and what surrounds the products.
DSP_UNIT = 98
DSP_EIGHT, DSP_FOUR, DSP_TWO = 28, 15, 10  # columns of four gates
DSP_EIGHT_COUNTED, DSP_COUNTED = 31, 1  # above 256 columns, in a loop
DSP_SPREAD = 2.1  # of an input or a unit: made into words
DSP_LEAVE = 4.6  # of an output
DSP_STEP = 60


class Products(NamedTuple):
    """Of sixteen rows on aarch64 (`kernels/c/edgelstm_a64_products.h`).

    Attributes:
        sixteen, four: Columns.
        around: Once.
    """

    sixteen: int
    four: int
    around: int


SDOT, SMULL = Products(23, 11, 8), Products(55, 23, 21)
# Of the fused int8 LSTM there (`edgelstm_a64_lstm.c`), four units: all but the products. What
# stands around them is compiled C, a twentieth of the whole.
A64_UNITS = 181
A64_STEP, A64_VALUE, A64_ODD, A64_TAIL = 225, 0.95, 3.5, 150


def dsp_products(columns: int) -> int:
    """Of one unit and one side.

    >>> dsp_products(40), dsp_products(12), dsp_products(5)
    (140, 43, 25)
    """
    eights, rest = divmod(columns, 8)
    total = eights * DSP_EIGHT
    if columns > 256:
        total = eights * DSP_EIGHT_COUNTED + DSP_COUNTED
    total += DSP_FOUR * (rest // 4)
    return total + {0: 0, 1: DSP_TWO, 2: DSP_TWO, 3: DSP_FOUR}[rest % 4]


def dsp_lstm(inputs: int, units: int) -> int:
    """Of a step of one layer, without what takes the result out.

    >>> dsp_lstm(40, 64)
    29786
    """
    per_unit = DSP_UNIT + dsp_products(inputs) + dsp_products(units)
    return round(units * per_unit + DSP_SPREAD * (inputs + units))


# The same with Helium (`kernels/c/edgelstm_helium_lstm.c`), where what follows the products is C:
# of a unit, of a block of 16 columns, of 16 units that are computed together, of four of them.
HELIUM_UNIT, HELIUM_BLOCK, HELIUM_CHUNK, HELIUM_FOUR = 29, 10, 38, 113
HELIUM_BYTES_X, HELIUM_BYTES_H = 3, 4  # of 16 inputs, of 8 units: made into bytes
HELIUM_LAYER, HELIUM_LEAVE, HELIUM_STEP = 60, 0.5, 34


def helium_lstm(inputs: int, units: int) -> int:
    """Of a step of one layer, without what takes the result out.

    >>> helium_lstm(40, 64)
    8397
    """
    blocks = -(-inputs // 16) - (-units // 16)
    total = units * (HELIUM_UNIT + HELIUM_BLOCK * blocks) + HELIUM_LAYER
    total += HELIUM_CHUNK * -(-units // 16) + HELIUM_FOUR * -(-units // 4)
    return total + HELIUM_BYTES_X * -(-inputs // 16) + HELIUM_BYTES_H * -(-units // 8)


def helium_network(layers: Sizes) -> int:
    """As `dsp_network`."""
    total = sum(helium_lstm(*sizes) for sizes in layers)
    return round(total + HELIUM_LEAVE * layers[-1][1] + HELIUM_STEP)


def dsp_network(layers: Sizes) -> int:
    """Of a step of LSTMs one behind the other, (inputs, units) each, whose last h goes out."""
    outputs = layers[-1][1]
    return round(sum(dsp_lstm(*sizes) for sizes in layers) + DSP_LEAVE * outputs + DSP_STEP)


def a64_products(columns: int, by: Products) -> int:
    """Of four units and one side.

    >>> a64_products(40, SDOT), a64_products(40, SMULL)
    (76, 177)
    """
    sixteens, fours = divmod(-(-columns // 4), 4)
    return by.around + by.sixteen * sixteens + by.four * fours


def a64_network(layers: Sizes, by: Products) -> int:
    """Of a step of LSTMs one behind the other, whose last h goes out.

    >>> a64_network([(40, 64)], SDOT), a64_network([(40, 64)], SMULL)
    (6036, 9908)
    """
    total = 0.0
    for inputs, units in layers:
        blocks = -(-units // 4)
        total += blocks * (A64_UNITS + a64_products(inputs, by) + a64_products(units, by))
        total += A64_VALUE * (inputs + units) + A64_ODD * (inputs % 8 + units % 8)
        total += A64_STEP + A64_TAIL * (units % 4 > 0)
    return round(total)


def closed_form(layout: str, *, dot_product: bool) -> Callable[[Sizes], int] | None:
    """Instructions of a step from sizes, of a layout that is assembly, or mostly; None of others.

    Args:
        layout: A key of `LAYOUTS` in formats/c/layouts.py.
        dot_product: Whether the core has SDOT.
    """
    if layout == "a64":
        by = SDOT if dot_product else SMULL
        return lambda layers: a64_network(layers, by)
    return {"dsp": dsp_network, "helium": helium_network}.get(layout)
