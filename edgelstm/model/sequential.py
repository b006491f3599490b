"""What a network is, whatever its numbers are: layers in a row."""

import functools
from typing import Any, Self

from edgelstm.layers.directions import agreed_precision
from edgelstm.layers.read_steps import fixed_steps, reads_last
from edgelstm.model.front import has_front, takes_indices, without_front
from edgelstm.text import network_text


class Sequential:
    """Layers in the order in which they run, and what stands in front of them.

    Attributes:
        layers: Of the kinds in `LAYERS`.
    """

    layers: tuple[Any, ...]

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
    def fixed_steps(self) -> int | None:
        """How many steps x must have, where all of them are read; None: any number."""
        return fixed_steps(self.layers)

    @property
    def indices(self) -> bool:
        """Whether x is indices: the first layer is an embedding."""
        return takes_indices(self)

    @property
    def behind(self) -> Self:
        """The network behind the embedding, the normalisation or the mask in front of it."""
        return self._behind if has_front(self) else self

    @functools.cached_property
    def _behind(self) -> Self:
        return without_front(self)

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return int(self.layers[0].input_size)

    @property
    def output_size(self) -> int:
        """Values that go out, per time step or once."""
        return int(self.layers[-1].output_size)
