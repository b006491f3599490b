"""Random sequences that written files are checked on: how many, and of what."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cost.count_ops import count
from edgelstm.layers.embedding import Embedding
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

AnyNetwork = Network | QuantizedNetwork
Array = NDArray[Any]

AFFORDABLE_MACS = 2 * 10**9
AFFORDABLE_STEPS = 2**20
MOST_VALUES = 2**24  # of one layer, 8 bytes each, a few times over


def random_sequences(network: AnyNetwork, n: int, steps: int) -> Array:
    """(n, steps, input_size): the first half inside the calibrated range, the rest far outside.

    Integers for an integer network: over their whole range, then mostly at its two ends. Real
    values for others: normal, then several times as large. Before an embedding indices, (n, steps).
    """
    rng = np.random.default_rng(0)
    first = network.layers[0]
    if isinstance(first, Embedding):
        rows = len(first.weight)
        lowest = 0 if network.mask_value is None else min(1, rows - 1)  # 0 is masked
        return rng.integers(lowest, rows, size=(n, steps))
    x = rng.normal(size=(n, steps, network.input_size))
    scale = network.input
    if scale is None:
        # A hybrid network rounds to shares of the largest input: at ten times the size, one step
        # more or less of one value would exceed the tolerance.
        x[n // 2 :] *= 10 if isinstance(network, Network) else 3
        return x.astype(np.float32)
    low, high = scale.limits
    middle, width = (low + high) / 2, high - low
    x[: n // 2] = rng.uniform(low, high, x[: n // 2].shape)
    x[n // 2 :] = middle + x[n // 2 :] * width
    return np.clip(np.rint(x), low, high).astype(scale.type)


def affordable_sequences(network: AnyNetwork, steps: int) -> int:
    """1 to 128 sequences: as many as stay within a few seconds of the slowest runtime."""
    macs = count(network, precision=None if isinstance(network, QuantizedNetwork) else "float32")
    in_time = AFFORDABLE_MACS // max(macs.total.macs * steps, 1)
    wanted = max(min(in_time, AFFORDABLE_STEPS // steps, 128), 2)
    return max(min(wanted, MOST_VALUES // (steps * widest(network))), 1)


def widest(network: AnyNetwork) -> int:
    """Values of one step that go into or come out of a layer, at most."""
    return max(max(layer.input_size, layer.output_size) for layer in network.layers)
