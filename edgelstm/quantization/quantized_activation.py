"""An activation by itself, in integers."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.layers.activation import StatelessSizes
from edgelstm.model.precision import Precision
from edgelstm.quantization.scales import Scale
from edgelstm.quantization.stateless import Stateless
from edgelstm.text import layer_text


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuantizedActivation(Stateless):
    """A function of each integer.

    Attributes:
        name: Of the layer.
        input_size: Values that come in, and go out.
        function: Of `layers.activation.FUNCTIONS`.
        given: Its numbers, as the integers stand for them: limits are whole steps of the input.
        input, activated: Scales of what comes in, and of the result as it is computed.
        numbers: Its precision, in its form.
        narrowed: Scale of the result where that is stored in a narrower type than it is computed
            in: at the end of a composed int8 network; else None.
    """

    name: str
    input_size: int
    function: str
    given: tuple[float, ...]
    input: Scale
    activated: Scale
    numbers: Precision
    narrowed: Scale | None = None
    kind: ClassVar[str] = "activation"
    biases: ClassVar[dict[str, Any]] = {}
    arrays: ClassVar[dict[str, Any]] = {}

    def __repr__(self) -> str:
        said = f" ({', '.join(f'{n:g}' for n in self.given)})" if self.given else ""
        return layer_text(self.name, f"{self.function}{said}", self)

    @property
    def sizes(self) -> StatelessSizes:
        """What its operations hang on."""
        return StatelessSizes(self.kind, self.function, self.input_size)

    @property
    def constants(self) -> NDArray[np.float32]:
        """What its operation reads beside x."""
        return np.array(self.given, np.float32)

    @property
    def scales(self) -> dict[str, Scale]:
        """Of every value of its plan as it is computed."""
        return {"x": self.input, self.plan.result: self.activated}

    @property
    def output_size(self) -> int:
        """Values that go out."""
        return self.input_size

    @property
    def output(self) -> Scale:
        """Scale of what goes out."""
        return self.activated if self.narrowed is None else self.narrowed
