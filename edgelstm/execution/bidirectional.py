"""Stages between compiled calls: a bidirectional layer, and what is read of all steps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.chained import Chained
from edgelstm.execution.stages import Stage, States
from edgelstm.layers.read_steps import READ
from edgelstm.quantization.reading import INTEGERS


class BidirectionalStage:
    """A layer in both directions; the reverse one begins anew in each call.

    It takes whole sequences, in Python between two compiled calls.
    """

    road = "each direction in a call of its own"

    def __init__(
        self, forward: Stage, backward: Stage, input_size: int, batch: int, workers: int
    ) -> None:
        self._onward, self._anew = forward, backward  # what their states do in the next call
        self.type: np.dtype[Any] = forward.type
        self.output_size: int = forward.output_size + backward.output_size
        x = input_size, forward.input_type
        self._forward = Chained([forward], x, batch, workers=workers)
        self._backward = Chained([backward], x, batch, workers=workers)

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """(batch, steps, input_size) -> (batch, steps, output_size)."""
        self._anew.reset()
        y = np.empty((*x.shape[:2], self.output_size), self.type)
        y[..., : self._forward.output_size] = self._forward(x)
        y[..., self._forward.output_size :] = self._backward(x[:, ::-1])[:, ::-1]
        return y

    def kernels(self, *, is_step: bool) -> list[Any]:
        """Every `kernels.cache.Kernel` of sequences; it takes no step."""
        if is_step:
            return []
        return [k for part in (self._forward, self._backward) for k in part.kernels(is_step=False)]

    def states(self) -> States:
        """Those of the forward direction: copies."""
        return self._onward.states()

    def set_states(self, new: States) -> None:
        """Takes the states of its layer."""
        self._onward.set_states(new)

    def reset(self) -> None:
        """Every state back to its start."""
        self._onward.reset()


class ReadStage:
    """What is read of the steps, or repeated, in NumPy between two compiled calls.

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
        """See `BidirectionalStage`: none."""
        return []

    def states(self) -> States:
        """The max of the steps so far, or none."""
        kept = self._largest
        return {} if kept is None else {self._layer.name: {"max": kept.copy()}}

    def set_states(self, new: States) -> None:
        """See `BidirectionalStage`."""
        if self._largest is not None:
            self._largest = np.array(new[self._layer.name]["max"], self._largest.dtype)

    def reset(self) -> None:
        """See `BidirectionalStage`."""
        self._largest = None if self._start is None else self._start.copy()
