"""What is read of all steps, or repeated, between two compiled calls."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.stages import States
from edgelstm.layers.read_steps import READ
from edgelstm.quantization.reading import INTEGERS


class ReadStage:
    """A layer without numbers, in NumPy.

    Args:
        layer: Without numbers.
        batch: Sequences.
        start: What the max of the steps begins with, where it goes on from call to call.
    """

    type = None  # that of what comes in

    def __init__(self, layer: Any, batch: int, start: NDArray[Any] | None) -> None:
        self._layer, self._batch = layer, batch
        self._start = None if start is None else np.tile(start, (batch, 1))
        self.output_size: int = layer.output_size
        self._largest: NDArray[Any] | None = None
        self.reset()

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """(batch, steps, input_size), or (batch, input_size) -> (batch, steps, output_size)."""
        rows = x.reshape(self._batch, -1, self._layer.input_size)
        known = READ if rows.dtype.kind == "f" else INTEGERS
        y: NDArray[Any]
        if self._largest is None:
            y = self._layer.read(rows, known)
        else:
            y, self._largest = self._layer.read_on(rows, self._largest, known)
        return y.reshape(self._batch, -1, self.output_size)

    def step(self, x: NDArray[Any]) -> NDArray[Any]:
        """(batch, input_size) -> (batch, output_size)."""
        return self(x).reshape(self._batch, self.output_size)

    def kernels(self, *, is_step: bool) -> list[Any]:
        """Every `kernels.cache.Kernel` that it takes: none."""
        return []

    def states(self) -> States:
        """The max of the steps so far, or none."""
        kept = self._largest
        return {} if kept is None else {self._layer.name: {"max": kept.copy()}}

    def set_states(self, new: States) -> None:
        """Takes what `states` gives."""
        if self._largest is not None:
            self._largest = np.array(new[self._layer.name]["max"], self._largest.dtype)

    def reset(self) -> None:
        """The max back to its start."""
        self._largest = None if self._start is None else self._start.copy()
