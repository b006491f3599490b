"""Instructions of a step in closed form, for the kernels of C that are assembly, or mostly.

They hang on sizes, not on data, scales or the compiler; `bench --core` puts what was counted beside
them.
"""

# Of the fused int8 LSTM on Armv7E-M (`kernels/c/edgelstm_dsp_lstm.inc`), a unit: requantizing both
# sums, activations, cell and output, and what surrounds the products.
DSP_UNIT = 98
DSP_EIGHT, DSP_FOUR, DSP_TWO = 28, 15, 10  # columns of four gates
DSP_EIGHT_COUNTED, DSP_COUNTED = 31, 1  # above 256 columns, in a loop
DSP_SPREAD = 2.1  # of an input or a unit: made into words
DSP_LEAVE = 4.6  # of an output
DSP_STEP = 60


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


def helium_network(layers: list[tuple[int, int]]) -> int:
    """As `dsp_network`."""
    total = sum(helium_lstm(*sizes) for sizes in layers)
    return round(total + HELIUM_LEAVE * layers[-1][1] + HELIUM_STEP)


def dsp_network(layers: list[tuple[int, int]]) -> int:
    """Of a step of LSTMs one behind the other, (inputs, units) each, whose last h goes out."""
    outputs = layers[-1][1]
    return round(sum(dsp_lstm(*sizes) for sizes in layers) + DSP_LEAVE * outputs + DSP_STEP)
