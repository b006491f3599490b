"""Weights for Winograd's inner product, as `kernels/c/edgelstm_dsp_products.h` reads them."""

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
GROUP = 4  # columns of a word


def padded(columns: int) -> int:
    """Halfwords of spread inputs."""
    return -(-columns // GROUP) * GROUP


def less_correction(weights: Int64s, bias: Int64s) -> Int64s:
    """The bias less sum w0 w1, which the inner product adds: (blocks, rows)."""
    even = np.pad(weights, ((0, 0), (0, weights.shape[1] % 2), (0, 0)))
    return np.asarray(bias - (even[:, 0::2] * even[:, 1::2]).sum(1), np.int64)


def wide_words(weights: Int64s) -> Int64s:
    """[block][column / 4][row], bytes w0 w2 w1 w3, of inputs of 16 bits."""
    blocks, columns, rows = weights.shape
    full = np.pad(weights, ((0, 0), (0, padded(columns) - columns), (0, 0)))
    groups = full.reshape(blocks, -1, GROUP, rows).transpose(0, 1, 3, 2)
    ordered = np.ascontiguousarray(groups[..., [0, 2, 1, 3]].reshape(blocks, -1), np.int8)
    return ordered.view("<i4").astype(np.int64)


def words(weights: Int64s) -> Int64s:
    """[block][column / 4][row], bytes w1 w0 w3 w2; a tail of two columns has two rows in a word.

    Of weights (blocks, columns, rows).
    """
    blocks, columns, rows = weights.shape
    rest = columns % GROUP
    tail = 0 < rest < GROUP - 1
    whole = columns - rest if tail else padded(columns)
    full = np.pad(weights, ((0, 0), (0, padded(columns) - columns), (0, 0)))
    groups = full[:, :whole].reshape(blocks, -1, GROUP, rows).transpose(0, 1, 3, 2)
    swapped = groups[..., [1, 0, 3, 2]].reshape(blocks, -1)
    if tail:
        ends = np.pad(full[:, whole : whole + 2], ((0, 0), (0, 0), (0, rows % 2)))
        pairs = ends.transpose(0, 2, 1)[..., ::-1].reshape(blocks, -1)
        swapped = np.concatenate([swapped, pairs], 1)
    return np.ascontiguousarray(swapped, np.int8).view("<i4").astype(np.int64)
