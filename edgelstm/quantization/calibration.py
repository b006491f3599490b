"""Calibration data in its four forms, and the ranges that a network's values take on it."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm import arguments
from edgelstm.errors import ModelError
from edgelstm.layers.directions import parts
from edgelstm.layers.read_steps import check_steps
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.forward import advance, zero_states
from edgelstm.model.front import entered
from edgelstm.model.network import Network

TOGETHER = 2**14  # values that are looked at in one go: each look takes longer than a step
Tell = Callable[[int, int], None]


@dataclasses.dataclass
class Range:
    """Smallest and largest value seen, 0 included; how many values, and how many beyond `limit`."""

    limit: float
    low: float = 0.0
    high: float = 0.0
    values: int = 0
    beyond: int = 0

    @property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest."""
        return self.low, self.high

    @property
    def largest(self) -> float:
        """Largest magnitude."""
        return max(-self.low, self.high)

    def widen(self, seen: NDArray[np.floating]) -> None:
        """Takes further values in."""
        low, high = float(seen.min()), float(seen.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.values += seen.size
        if max(-low, high) > self.limit:
            self.beyond += int(np.count_nonzero(np.abs(seen) > self.limit))


Ranges = dict[tuple[str, str], Range]  # (layer, value) -> range


def observe(
    network: Network,
    sequences: Sequence[NDArray[np.float32]],
    limits: Mapping[tuple[str, str], float],
    tell: Tell | None = None,
) -> Ranges:
    """Runs the network in float over all sequences and notes the range of every value.

    The outputs of the two directions of a layer get one range, as they lie side by side.

    Args:
        network: Float weights.
        sequences: Batches (batch, steps, input_size), as from `calibration_sequences`.
        limits: (layer, value) to the magnitude from which on it counts as beyond; none: never.
        tell: Called now and then with how many steps of layers are done, and of how many.
    """
    recurrent = [layer for layer in network.layers if isinstance(layer, Recurrent)]
    n_steps = sum(x.shape[1] for x in sequences)
    names = {part.name for part in parts(recurrent)}
    observer = _Observer(limits, names, len(names) * n_steps, tell)
    for x in sequences:
        advance(network, x, zero_states(network, len(x)), observer.see)
        observer.look_at_all()
    for layer in recurrent:
        _join_outputs(layer, observer.ranges)
    return observer.ranges


class _Observer:
    """Gathers what comes up step by step, and looks at it when there is enough."""

    def __init__(
        self,
        limits: Mapping[tuple[str, str], float],
        told: set[str],
        steps: int,
        tell: Tell | None,
    ) -> None:
        self.ranges: Ranges = {}
        self._limits, self._told, self._steps, self._tell = limits, told, steps, tell
        self._done = 0
        self._waiting: dict[str, list[Mapping[str, NDArray[np.float64]]]] = {}

    def see(self, layer: str, values: Mapping[str, NDArray[np.float64]]) -> None:
        waiting = self._waiting.setdefault(layer, [])
        waiting.append(values)
        if len(waiting) * max(v.size for v in values.values()) >= TOGETHER:
            self._look(layer)

    def look_at_all(self) -> None:
        for layer in list(self._waiting):
            self._look(layer)

    def _look(self, layer: str) -> None:
        steps = self._waiting.pop(layer)
        for value, first in steps[0].items():
            if first.size:
                limit = self._limits.get((layer, value), math.inf)
                seen = self.ranges.setdefault((layer, value), Range(limit))
                seen.widen(np.concatenate([values[value] for values in steps]))
        if self._tell and layer in self._told:
            self._done += len(steps)
            self._tell(self._done, self._steps)


def _join_outputs(layer: Recurrent[Direction], ranges: Ranges) -> None:
    new = layer.forward.sizes.operations.new_states[0]
    keys = [(direction.name, new) for direction in layer.directions]
    if all(key in ranges for key in keys):
        low, high = min(ranges[k].low for k in keys), max(ranges[k].high for k in keys)
        ranges |= {k: dataclasses.replace(ranges[k], low=low, high=high) for k in keys}


def calibration_sequences(calibration: Any, network: Any) -> list[NDArray[np.float32]]:
    """The four forms of calibration data as batches of sequences of equal length.

    Args:
        calibration: An array (steps, input_size) or (batch, steps, input_size); a list of such
            arrays, of different lengths; a callable without arguments that yields ``[array]``
            (TFLite's representative_dataset); or an object whose `get_next()` returns a dictionary
            with one array, and None at the end (ONNX Runtime's reader).
        network: What they are for: before an embedding they are indices, (steps,) or
            (batch, steps), or a list of such arrays.

    Returns:
        float32 arrays (batch, steps, input_size), one per length, as what stands in front of the
        network leaves them.

    Raises:
        ModelError: No values, not numbers, not finite, all zero, or another width.
    """
    input_size = network.input_size
    by_length: dict[int, list[NDArray[np.float32]]] = {}
    for k, item in enumerate(_items(calibration)):
        array = _batch(item, network, f"calibration sequence {k}")
        if array.shape[1] or network.fixed_steps:
            check_steps(network.layers, array.shape[1])
        by_length.setdefault(array.shape[1], []).append(array)
    batches = [np.concatenate(arrays) for arrays in by_length.values()]
    if not any(b.size for b in batches):
        raise ModelError(
            f"calibration holds no values; sequences of shape (steps, {input_size}) are needed"
        )
    if not any(b.any() for b in batches):
        raise ModelError(
            "calibration is zero everywhere, so no range can be read off it; give real input"
        )
    return batches


def _items(calibration: Any) -> Iterator[Any]:
    if isinstance(calibration, np.ndarray):
        yield calibration
    elif isinstance(calibration, list | tuple):
        yield from calibration
    elif hasattr(calibration, "get_next"):
        while (item := calibration.get_next()) is not None:
            arguments.check_type(item, Mapping, "what get_next() gives", "{name: array} is needed")
            yield _only(list(item.values()), "get_next()")
    elif callable(calibration):
        yield from (_only(item, "the calibration callable") for item in _called(calibration))
    else:
        raise ModelError(
            f"calibration is a {type(calibration).__name__}; an array, a list of arrays, a "
            "callable that yields [array], or an object with get_next() is needed"
        )


def _called(calibration: Callable[[], Iterable[Any]]) -> Iterable[Any]:
    items = calibration()
    if not isinstance(items, Iterable):
        raise ModelError(
            "the calibration callable returned nothing to iterate; it must yield [array]"
        )
    return items


def _only(item: Any, source: str) -> Any:
    """The single array of [array]; an array itself passes."""
    if not isinstance(item, list | tuple):
        return item
    if len(item) != 1:
        raise ModelError(f"{source} gave {len(item)} arrays at once; the network has one input")
    return item[0]


def _batch(item: Any, network: Any, where: str) -> NDArray[np.float32]:
    array, input_size = arguments.array(item, where), network.input_size
    if network.indices:
        if array.ndim not in (1, 2):
            raise ModelError(
                f"{where} has shape {array.shape}; (steps,) or (batch, steps) is needed"
            )
        rows: NDArray[np.float32] = entered(network, array)
        return rows if rows.ndim == 3 else rows[None]
    if array.ndim not in (2, 3) or array.shape[-1] != input_size:
        raise ModelError(
            f"{where} has shape {array.shape}; (steps, {input_size}) or "
            f"(batch, steps, {input_size}) is needed"
        )
    array = entered(network, arguments.float32(array))
    if not np.isfinite(array).all():
        raise ModelError(
            f"{where} holds values that are not finite in float32; remove or repair them"
        )
    return array if array.ndim == 3 else array[None]
