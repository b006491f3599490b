"""The stage of a bidirectional layer: each direction in a stage of its own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.stages import Stage, States, Step


class BidirectionalStage:
    """A layer in both directions; the reverse one begins anew in each call.

    See `stages.Stage`. Its sequences are spread over the cores as those of its two stages.
    """

    def __init__(self, forward: Stage, backward: Stage) -> None:
        self._forward, self._backward = forward, backward
        self.type: np.dtype[Any] = forward.type
        self.output_size: int = forward.output_size + backward.output_size

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Stage`."""
        self._backward.reset()
        y = np.empty((*x.shape[:2], self.output_size), self.type)
        y[..., : self._forward.output_size] = self._forward.advance(x)
        back = self._backward.advance(np.ascontiguousarray(x[:, ::-1]))
        y[..., self._forward.output_size :] = back[:, ::-1]
        return y

    def kernels(self) -> list[Any]:
        """See `Stage`."""
        return [*self._forward.kernels(), *self._backward.kernels()]

    def step_kernels(self) -> list[Any]:
        """See `Stage`."""
        return []

    def step_call(self) -> Step:
        """See `Stage`; it takes no step."""
        return lambda x, y: False

    def states(self) -> States:
        """See `Stage`: those of the forward direction."""
        return self._forward.states()

    def set_states(self, new: States) -> None:
        """See `Stage`."""
        self._forward.set_states(new)

    def reset(self) -> None:
        """See `Stage`."""
        self._forward.reset()
