"""The steps from the last to the first: a layer without numbers."""

import dataclasses
from typing import Any, ClassVar

from numpy.typing import NDArray

from edgelstm.layers.without_numbers import WithoutNumbers

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class ReverseSteps(WithoutNumbers):
    """The steps from the last to the first: what stands around a layer that reads backwards alone.

    A recurrent layer that sees the steps so begins anew in each call, as the reverse direction of a
    bidirectional one.

    Attributes:
        size: Values per time step.
    """

    size: int
    kind: ClassVar[str] = "reverse_steps"
    needs_all_steps: ClassVar[str] = "it begins at the last step"

    def read(self, y: Array, known: Any = None) -> Array:
        """(batch, steps, size) in the other order; `known`, see `ReadSteps`, has no part in it."""
        return y[:, ::-1]
