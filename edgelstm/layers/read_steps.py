"""What is read of the steps: a layer without numbers, behind which the last step alone goes on."""

import dataclasses
from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.layers.recurrent import Recurrent

N = TypeVar("N", bound=Any)


@dataclasses.dataclass(frozen=True)
class ReadSteps:
    """The layers behind it see the last time step alone, and the result has no time axis.

    Attributes:
        size: Values per time step that come in, and that go out once.
    """

    size: int
    kind: ClassVar[str] = "read_steps"

    def read(self, y: NDArray[Any]) -> NDArray[Any]:
        """(batch, steps, size) to what goes on, (batch, size)."""
        return y[:, -1]

    @property
    def parts(self) -> tuple[Any, ...]:
        """What holds numbers: nothing."""
        return ()

    @property
    def arrays(self) -> dict[str, Any]:
        """Weights and biases by their names: none."""
        return {}

    @property
    def name(self) -> str:
        """How errors call it; it has no row in tables."""
        return "last_step"

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return self.size

    @property
    def output_size(self) -> int:
        """Values that go out."""
        return self.size


def reads_last(layers: Iterable[Any]) -> bool:
    """Whether the result of these layers is that of the last step."""
    return any(isinstance(layer, ReadSteps) for layer in layers)


def reading(layers: Iterable[Any], *, last_step: bool) -> tuple[Any, ...]:
    """The layers, read at each step, or at the last one behind the last recurrent layer.

    Raises:
        ModelError: The last step is wanted, and no layer is recurrent.
    """
    every = [layer for layer in layers if not isinstance(layer, ReadSteps)]
    if not last_step or not every:
        return tuple(every)
    split = max((k + 1 for k, layer in enumerate(every) if isinstance(layer, Recurrent)), default=0)
    if not split:
        raise ModelError(
            "a network of dense layers alone has no last step to select; "
            "use --head each (last_step=False)"
        )
    return (*every[:split], ReadSteps(every[split - 1].output_size), *every[split:])


def at_each_step(network: N) -> N:
    """The same network, which gives the result of each step."""
    layers = reading(network.layers, last_step=False)
    return dataclasses.replace(network, layers=layers)


def check_reading(layers: Iterable[Any]) -> None:
    """`ModelError` unless the steps are read once at most, behind all recurrent layers."""
    every = list(layers)
    if reads_last(every) and every != list(reading(every, last_step=True)):
        raise ModelError(
            "the last step is read in front of a recurrent layer, or twice; it is read once, "
            "directly behind the last recurrent layer"
        )
