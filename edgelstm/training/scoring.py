"""How good a network is on series: share of right classes, or root mean square error.

Computed as the device does it: `run` gives the integers' own results.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from edgelstm.execution.session import run
from edgelstm.formats import AnyNetwork
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.training.data import CLASSES, Series, TrainingData
from edgelstm.verification.fidelity import saturation, soonest

Z95 = 1.959964  # of the normal distribution: 95 % lie within


@dataclasses.dataclass(frozen=True)
class Score:
    """A measured value and where it may lie.

    Attributes:
        value: Share of right classes, or root mean square error.
        low, high: Of its interval of 95 %: Wilson's of a share; of an error the normal one of mean
            squares per series. Steps of one series count as one.
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers."""
        return dataclasses.asdict(self)


def wilson(share: float, n: int) -> Score:
    """A share of n with its interval (Wilson 1927).

    >>> found = wilson(361 / 370, 370)
    >>> round(found.low, 3), round(found.high, 3)
    (0.954, 0.987)
    """
    z2 = Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Score(share, max(0.0, middle - half), min(1.0, middle + half))


def in_precision(network: Network, precision: str, data: TrainingData) -> AnyNetwork:
    """The network as it is stored at a precision, calibrated on training series."""
    if precision == "float32":
        return network
    return quantize(network, data.train.x, precision)


def score(network: AnyNetwork, series: Series, kind: str) -> Score:
    """How good a network, float or quantized, is on series."""
    result = run(network, series.x, engine=soonest(network, series.x))
    if kind == CLASSES:
        right = result.argmax(-1) == series.y
        return wilson(float(right.mean()), len(series))
    squares = (result.astype(np.float64) - series.y.reshape(result.shape)) ** 2
    each = squares.reshape(len(series), -1).mean(1)
    mean = float(each.mean())
    half = Z95 * float(each.std()) / math.sqrt(len(each))
    return Score(math.sqrt(mean), math.sqrt(max(0.0, mean - half)), math.sqrt(mean + half))


def saturated(network: AnyNetwork) -> float:
    """The largest share of a gate's sums that left their integers' range on training series."""
    if isinstance(network, Network):
        return 0.0
    found: Any = [max(gate.sums_cut, gate.recurrent_cut) for gate in saturation(network)]
    return float(max(found, default=0.0))
