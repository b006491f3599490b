"""Laws of time, fitted to calls: what a MAC, an activation, a missed byte and a call take."""

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgelstm.cost.boards import LAYERS, SEQUENCE, layer_key

STEPS = 60  # of a sequence
LEAST_WIDTH, WIDER = 0.05, 1.25  # than what was missed on the networks that made the law
LEAST_CALL_US = 0.05
LEAST_MAC_US = 1e-7


@dataclasses.dataclass(frozen=True)
class Point:
    """A network in a key of `CALIBRATED`, called in one way: microseconds of CPU time a call."""

    precision: str
    mode: str
    macs: float
    activations: float
    missed_bytes: int  # of weights, by the first cache
    further: int  # layers behind the first
    us: float

    @property
    def steps(self) -> int:
        """Of a call."""
        return STEPS if self.mode == SEQUENCE else 1


@dataclasses.dataclass(frozen=True)
class Laws:
    """What points tell: rates by precision, microseconds of a call by mode, of a further layer.

    Activations and misses of the first cache that take no time that can be told have no rate.
    """

    macs_per_us: Mapping[str, float]
    activations_per_us: Mapping[str, float]
    call_us: Mapping[str, float]
    layer_us: Mapping[str, float]
    missed_bytes_per_us: float
    half_width: float

    def predicted_us(self, point: Point) -> float:
        """Of a call of a point."""
        call = self.call_us[point.mode] + point.further * self.layer_us[layer_key(point.precision)]
        return call + point.steps * self.step_us(point)

    def step_us(self, point: Point) -> float:
        """Of a step, without its call."""
        rate = self.activations_per_us.get(point.precision, float("inf"))
        computing = point.macs / self.macs_per_us[point.precision] + point.activations / rate
        return computing + point.missed_bytes / self.missed_bytes_per_us


def fit(points: list[Point]) -> Laws:
    """The laws that miss the points by least; shares of each point's time count alike."""
    precisions = list(dict.fromkeys(point.precision for point in points))
    modes = list(dict.fromkeys(point.mode for point in points))
    macs, activations, calls = (
        [[scale * (key == own) for key in keys] for scale, own in zip(scales, owns, strict=True)]
        for keys, scales, owns in (
            (precisions, [p.steps * p.macs for p in points], [p.precision for p in points]),
            (precisions, [p.steps * p.activations for p in points], [p.precision for p in points]),
            (modes, [1] * len(points), [p.mode for p in points]),
        )
    )
    others = [
        [p.steps * p.missed_bytes, *(p.further * (layer_key(p.precision) == k) for k in LAYERS)]
        for p in points
    ]
    columns = np.hstack([macs, activations, others, calls])
    n = len(precisions)
    found = _positive(columns / np.array([[p.us] for p in points]), n)
    per_mac, per_activation = found[:n], found[n : 2 * n]
    per_byte, *layer_us = found[2 * n :][: 1 + len(LAYERS)]
    call_us = found[2 * n + 1 + len(LAYERS) :]
    told = zip(precisions, per_activation, strict=True)
    laws = Laws(
        {p: 1 / max(us, LEAST_MAC_US) for p, us in zip(precisions, per_mac, strict=True)},
        {p: 1 / us for p, us in told if us > 0},
        {mode: max(us, LEAST_CALL_US) for mode, us in zip(modes, call_us, strict=True)},
        dict(zip(LAYERS, layer_us, strict=True)),
        1 / per_byte if per_byte > 0 else float("inf"),
        0.0,
    )
    wrong = max(max(q := laws.predicted_us(p) / p.us, 1 / q) - 1 for p in points)
    return dataclasses.replace(laws, half_width=max(LEAST_WIDTH, WIDER * wrong))


def _positive(rows: NDArray[np.float64], needed: int) -> list[float]:
    """Columns' shares of 1 in every row, none below 0: of all least squares, what misses least.

    The first `needed` columns have a share wherever that is possible.
    """
    best, least = np.zeros(rows.shape[1]), (True, np.inf)
    for chosen in itertools.product((False, True), repeat=rows.shape[1]):
        kept = np.array(chosen)
        if not kept.any():
            continue
        found = np.zeros(rows.shape[1])
        found[kept] = np.linalg.lstsq(rows[:, kept], np.ones(len(rows)))[0]
        made = rows @ found
        if (found < 0).any() or (made <= 0).any():
            continue
        lacks = bool((found[:needed] == 0).any())
        missed = float(np.maximum(made, 1 / made).max())
        if (lacks, missed) < least:
            best, least = found, (lacks, missed)
    return [float(share) for share in best]
