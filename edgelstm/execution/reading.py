"""What is read of the steps of a sequence, or repeated, or turned round, as stages of a chain."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.stages import States
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.quantization.reading import LIMITS, mean_numbers


class ReadingStage:
    """A layer without numbers. See `stages.Stage`.

    Args:
        layer: A `ReadSteps`, `Repeat` or `ReverseSteps`.
        kind: Type of its values.
        batch: Sequences.
        start: What the max of the steps begins with, where it goes on from call to call.
    """

    macs, packed, road = 0, (), ""

    def __init__(
        self, layer: Any, kind: np.dtype[Any], batch: int, start: NDArray[Any] | None
    ) -> None:
        self._layer, self.type = layer, kind
        self.output_size: int = layer.output_size
        self._reads = layer.reads if isinstance(layer, ReadSteps) else (layer.kind,)
        self.n_links = len(self._reads)
        self._start = start
        self._largest = None if start is None else np.tile(start, (batch, 1))
        self._sums: dict[int, NDArray[np.int64]] = {}  # scratch, one per worker

    def links(
        self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0
    ) -> list[Any]:
        """See `stages.Stage`."""
        self._sums.setdefault(worker, np.zeros(self._layer.size, np.int64))
        made, at = [], 0
        for k, name in enumerate(self._reads):
            is_beside = k + 1 < len(self._reads)
            made.append(self._link(name, at, (worker, first, count), is_beside=is_beside))
            at += self._layer.size * (self._layer.steps if name == "flatten" else 1)
        return made

    def _link(self, name: str, at: int, given: tuple[int, int, int], *, is_beside: bool) -> Any:
        """What reads one thing, whose values begin at number `at` of the row."""
        from edgelstm.kernels import readings
        from edgelstm.kernels.links import Link, Place

        (worker, first, count), layer = given, self._layer
        p = np.zeros((count, readings.N_SLOTS), np.int64)
        p[:, readings.SIZE], p[:, readings.SUMS] = layer.size, self._sums[worker].ctypes.data
        p[:, readings.LOW], p[:, readings.HIGH] = LIMITS
        if name == "max" and self._largest is not None:
            rows, row_bytes = np.arange(first, first + count), self._largest.strides[0]
            p[:, readings.KEPT] = self._largest.ctypes.data + rows * row_bytes
        out_steps = 0 if name == "reverse_steps" else 1
        if isinstance(layer, Repeat):
            out_steps = layer.steps
            p[:, readings.OUT_STEPS] = out_steps
        is_rounded = name == "mean" and self.type.kind == "i"

        def for_steps(steps: int) -> None:
            p[:, readings.FACTOR], p[:, readings.RIGHT] = mean_numbers(steps)

        return Link(
            readings.kernel("integer_mean" if is_rounded else name, self.type.name),
            p,
            self,
            self.type,
            Place(self.output_size, at, is_beside=is_beside),
            out_steps=out_steps,
            is_whole=not isinstance(layer, Repeat),
            for_steps=for_steps if is_rounded else None,
        )

    def states(self) -> States:
        """The max of the steps so far, or none."""
        kept = self._largest
        return {} if kept is None else {self._layer.name: {"max": kept.copy()}}

    def set_states(self, new: States) -> None:
        """Takes what `states` gives."""
        if self._largest is not None:
            self._largest[:] = new[self._layer.name]["max"]

    def reset(self) -> None:
        """The max back to its start."""
        if self._largest is not None:
            self._largest[:] = self._start
