"""How calibration input is spread, and what a few far values of it cost in int8."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.fidelity import GateSaturation, measure_fidelity

FAR = 2.0  # times the 99.99th percentile: there a clipped range saves one bit, 6 dB, of each input
CUT_SHARE = 0.25  # of a gate's sums; of trained networks on their own input it was below 0.01

Batches = Sequence[NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class InputSpread:
    """Magnitudes in calibration input.

    Attributes:
        largest: Of all.
        p99_99: The 99.99th percentile, one of the magnitudes; of less than 10,000 values the second
            largest.
        values_beyond: How many lie beyond it.
        snr_db_if_clipped: Signal-to-noise ratio of the result if no input went beyond it; None
            where nothing was clipped, or the results are equal.
    """

    largest: float
    p99_99: float
    values_beyond: int
    snr_db_if_clipped: float | None = None

    @property
    def has_far_values(self) -> bool:
        """Whether the largest is far beyond all but one in 10,000."""
        return self.largest > FAR * self.p99_99 > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as JSON takes them."""
        return dataclasses.asdict(self)


def input_spread(batches: Batches) -> InputSpread:
    """The spread of all values of batches, which hold at least one.

    >>> input_spread([np.array([[[1.0, -2.0, 30.0]]], np.float32)])
    InputSpread(largest=30.0, p99_99=2.0, values_beyond=1, snr_db_if_clipped=None)
    """
    magnitudes = np.concatenate([np.abs(x).ravel() for x in batches])
    at = int(0.9999 * (magnitudes.size - 1))
    p99_99 = float(np.partition(magnitudes, at)[at])
    beyond = int(np.count_nonzero(magnitudes > p99_99))
    return InputSpread(float(magnitudes.max()), p99_99, beyond)


def clipped_spread(
    network: Network, qnetwork: QuantizedNetwork, calibration: Batches, x: NDArray[np.float32]
) -> InputSpread:
    """The spread of calibration, and where values lie far off, the result without them.

    Args:
        network: The float original.
        qnetwork: What `quantize` made of it with `calibration`.
        calibration: Arrays (batch, steps, input_size).
        x: (batch, steps, input_size), clipped as well: what float and integers are compared on.
    """
    spread = input_spread(calibration)
    if qnetwork.input is None or not spread.has_far_values:
        return spread
    limit = spread.p99_99
    near = [np.clip(batch, -limit, limit) for batch in calibration]
    without = quantize(network, near, qnetwork.precision)
    snr = measure_fidelity(network, without, np.clip(x, -limit, limit)).snr_db
    return dataclasses.replace(spread, snr_db_if_clipped=snr)


def is_beyond_training(gate: GateSaturation) -> bool:
    """Whether so many of a gate's sums left +-8 that its input cannot be what it was trained on."""
    return gate.sums_cut > CUT_SHARE
