"""A layer in both directions, as two stages of one chain that write halves of the same rows."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.execution.stages import Stage, States


class BidirectionalStage:
    """Both directions of a layer; the reverse one begins anew in each call. See `stages.Stage`.

    Args:
        parts: The directions, forward first.
        new_stage: (direction, its `kernels.links.Place`) -> its stage.
    """

    n_links = 2

    def __init__(self, parts: tuple[Any, Any], new_stage: Callable[[Any, Any], Stage]) -> None:
        from edgelstm.kernels.links import Place

        there, back = parts
        self.output_size: int = there.output_size + back.output_size
        forward = Place(self.output_size, is_beside=True)
        reverse = Place(self.output_size, there.output_size, is_reversed=True, begins_anew=True)
        self._forward, self._reverse = new_stage(there, forward), new_stage(back, reverse)
        self.type: np.dtype[Any] = self._forward.type
        self.macs = self._forward.macs + self._reverse.macs
        self.packed = self._forward.packed + self._reverse.packed
        self.road = self._forward.road

    def links(
        self, worker: int, first: int, count: int, *, is_step: bool, member: int = 0
    ) -> list[Any]:
        """See `stages.Stage`; there are no steps."""
        return [
            link
            for stage in (self._forward, self._reverse)
            for link in stage.links(worker, first, count, is_step=is_step, member=member)
        ]

    def states(self) -> States:
        """Those of the forward direction: copies."""
        return self._forward.states()

    def set_states(self, new: States) -> None:
        """Takes the states of its layer."""
        self._forward.set_states(new)

    def reset(self) -> None:
        """Every state back to its start."""
        self._forward.reset()
