"""A trained network in float32: layers in a row, checked here to fit each other."""

import dataclasses
from collections.abc import Iterable

from edgelstm.errors import ModelError
from edgelstm.layers import LAYERS
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import agreed_precision, check_names, parts
from edgelstm.layers.read_steps import ReadSteps, check_reading, reads_last
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.text import counted, network_text

Part = Direction | Dense
Layer = Recurrent[Direction] | Dense | ReadSteps


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Network:
    """Layers in the order in which they run.

    Attributes:
        layers: Of the kinds in `LAYERS`.
        assumed: What the file did not say and `read` assumed, one sentence each.
    """

    layers: tuple[Layer, ...]
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not parts(self.layers):
            raise ModelError("the network has no layers; at least one is needed")
        for layer in self.layers:
            if layer.kind not in LAYERS:
                raise ModelError(
                    f"layer '{layer.name}' is of the kind '{layer.kind}'; known are: "
                    f"{', '.join(LAYERS)}"
                )
        check_names(self.layers)
        for before, layer in zip(self.layers, self.layers[1:], strict=False):
            if layer.input_size != before.output_size:
                raise ModelError(
                    f"layer '{layer.name}' takes {counted(layer.input_size, 'value')}, "
                    f"but '{before.name}' before it gives {before.output_size}"
                )
        check_reading(self.layers)

    def __repr__(self) -> str:
        return network_text(self)

    @property
    def last_step(self) -> bool:
        """Whether the result is that of the last step alone, without a time axis."""
        return reads_last(self.layers)

    @property
    def precision(self) -> str:
        """What the layers agree on, or `mixed`."""
        return agreed_precision(self.layers)

    @property
    def form(self) -> None:
        """What the integers inside are: None, as all values are real."""
        return None

    @property
    def input(self) -> None:
        """Scale of the input's integers: None, as it is real."""
        return None

    @property
    def output(self) -> None:
        """Scale of the result's integers: None, as it is real."""
        return None

    @property
    def steps(self) -> None:
        """Longest calibration sequence: None, as nothing is calibrated."""
        return None

    @property
    def dropped_softmax(self) -> bool:
        """Whether the network's final softmax was left off: never in float32."""
        return False

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return self.layers[0].input_size

    @property
    def output_size(self) -> int:
        """Values that go out, per time step or once."""
        return self.layers[-1].output_size

    @property
    def n_parameters(self) -> int:
        """Stored weights and biases."""
        return sum(array.size for layer in self.layers for array in layer.arrays.values())


def layer_names(kinds: Iterable[str]) -> list[str]:
    """Names of layers from their cells' names or 'dense', counted per kind in order.

    >>> layer_names(["lstm", "gru_reset_before", "lstm", "dense"])
    ['lstm1', 'gru1', 'lstm2', 'dense1']
    """
    seen: dict[str, int] = {}
    names = []
    for kind in (k.split("_")[0] for k in kinds):
        seen[kind] = seen.get(kind, 0) + 1
        names.append(f"{kind}{seen[kind]}")
    return names
