"""Weights, biases and tables in the order in which the kernels read them, made once at load.

A group is the units of one vector or of two, its halves. Its weights are one stream,
[k][halves][gates][lanes][per word], so that all gates of a unit end in the same lane. Sizes are
padded with zeros.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CACHE_LINE = 64
# Weights that neither stay in the innermost cache nor are too many to be asked for ahead.
PREFETCH_BYTES = (40_000, 12_000_000)


def padded(n: int, multiple: int) -> int:
    """The next multiple."""
    return -(-n // multiple) * multiple


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """A zeroed array that begins on a cache line."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    part: Array = buffer[start : start + n_bytes].view(dtype)
    return part.reshape(shape)


def natural(lanes: int) -> NDArray[np.int64]:
    """Units of a group as they lie in its two vectors, in order."""
    return np.arange(2 * lanes)


def single(lanes: int) -> NDArray[np.int64]:
    """Units of a group of one vector."""
    return np.arange(lanes)


def narrowed(lanes: int) -> NDArray[np.int64]:
    """Units of a group as they must lie so that narrowing two vectors to one puts them in order.

    Narrowing takes four lanes of the first, four of the second, and so on.
    """
    return np.arange(2 * lanes).reshape(-1, 2, 4).transpose(1, 0, 2).ravel()


def pack(w: Array, hidden_size: int, lanes: int, *, per_word: int, order: Array) -> Array:
    """(n_gates * hidden_size, k) -> [group][k / per_word][halves][n_gates][lanes][per_word], flat.

    Args:
        w: Weights, or biases as one column.
        hidden_size: Units.
        lanes: Of one vector.
        per_word: Inputs in one word: 1 float32, 4 int8.
        order: `natural`, `single` or `narrowed`, of these lanes.
    """
    n_gates, k = len(w) // hidden_size, w.shape[1]
    units, words = padded(hidden_size, len(order)), padded(k, per_word) // per_word
    full = np.zeros((n_gates, units, words * per_word), w.dtype)
    full[:, :hidden_size, :k] = w.reshape(n_gates, hidden_size, k)
    groups = full.reshape(n_gates, -1, len(order), words, per_word)[:, :, order]
    groups = groups.reshape(n_gates, units // len(order), -1, lanes, words, per_word)
    out = aligned((full.size,), w.dtype)
    out[:] = groups.transpose(1, 4, 2, 0, 3, 5).ravel()
    return out


def wants_single(units: int, gates: int, lanes: int) -> bool:
    """Whether groups of one vector, not of two, suit a layer in float32 or hybrid.

    An odd number of vectors wastes none of them then: measured on Zen 4, an LSTM of 48 units takes
    0.60 to 0.69 of the time at float32, 0.77 at hybrid. For an even number it depends: four gates
    in 32 registers take 0.93 to 1.05, three gates up to 1.06, and in 16 registers 1.0 to 1.2 of the
    time.
    """
    return padded(units, lanes) // lanes % 2 == 1 or (lanes == 16 and gates == 4)


def wants_prefetch(*weights: Array) -> bool:
    """Whether kernels that can ask for weights ahead of their use should do so."""
    low, high = PREFETCH_BYTES
    return low < sum(w.nbytes for w in weights) < high


def activation_tables(sigmoid_table: Array, *, apart: bool) -> Array:
    """int16: T[u] - 32768 and T[u + 1] - T[u]; entry 255 is the saturated value.

    Args:
        sigmoid_table: uint16 values, 256 entries.
        apart: (2, 256) instead of (256, 2): first all values, then all differences.
    """
    values = sigmoid_table.astype(np.int64)
    both = np.append(values[:255] - 32768, 32767), np.append(np.diff(values), 0)
    out = aligned((512,), np.int16)
    out[:] = np.stack(both, 0 if apart else 1).ravel()
    return out
