"""The steps from the last to the first: a layer without numbers."""

import dataclasses
from typing import Any, ClassVar

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class ReverseSteps:
    """The steps from the last to the first: what stands around a layer that reads backwards alone.

    A recurrent layer that sees the steps so begins anew in each call, as the reverse direction of a
    bidirectional one.

    Attributes:
        size: Values per time step.
    """

    size: int
    kind: ClassVar[str] = "reverse_steps"
    name: ClassVar[str] = "reverse_steps"
    needs_all_steps: ClassVar[str] = "it begins at the last step"

    def read(self, y: Array, known: Any = None) -> Array:
        """(batch, steps, size) in the other order; `known`, see `ReadSteps`, has no part in it."""
        return y[:, ::-1]

    @property
    def parts(self) -> tuple[Any, ...]:
        """What holds numbers: nothing."""
        return ()

    @property
    def arrays(self) -> dict[str, Any]:
        """Weights and biases by their names: none."""
        return {}

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return self.size

    @property
    def output_size(self) -> int:
        """Values per time step that go out."""
        return self.size
