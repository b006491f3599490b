"""What computes without products: an activation by itself, and a layer norm; float weights alone.

A dense layer holds its own `relu`, `sigmoid`, `tanh` or `softmax`; all else stands here.
"""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.layers.operations import Operations
from edgelstm.layers.weights import check_values
from edgelstm.text import layer_text

Floats = NDArray[np.float32]

# Function to how many numbers it takes: a slope, limits, what is added under a root.
FUNCTIONS = {
    "relu": 0,
    "sigmoid": 0,
    "tanh": 0,
    "softmax": 0,
    "log_softmax": 0,
    "leaky_relu": 1,
    "elu": 1,
    "clamp": 2,
    "hard_sigmoid": 2,
    "l2_norm": 1,
}
LEFT_OFF = ("softmax", "log_softmax", "l2_norm")  # at integers, at the end of a network


@dataclasses.dataclass(frozen=True)
class StatelessSizes:
    """What the operations of a layer of one elementwise operation hang on."""

    kind: str
    function: str
    size: int
    cell_name: ClassVar[None] = None

    @property
    def operations(self) -> Operations:
        """The one operation."""
        sizes = {"x": self.size, "activated": self.size}
        return Operations((Op("activated", self.function, ("x",)),), "activated", sizes)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Activation:
    """A function of each value, or of all values of a step.

    Attributes:
        name: `activation1`, ...
        input_size: Values that come in, and go out.
        function: Of `FUNCTIONS`.
        numbers: The function's own: the slope of `leaky_relu` and `elu` below zero, the limits of
            `clamp`, slope and middle of `hard_sigmoid`, the least norm of `l2_norm`.
    """

    name: str
    input_size: int
    function: str
    numbers: tuple[float, ...] = ()
    kind: ClassVar[str] = "activation"
    precision: ClassVar[str] = "float32"
    form: ClassVar[None] = None
    input: ClassVar[None] = None
    scales: ClassVar[dict[str, Any]] = {}
    biases: ClassVar[dict[str, Any]] = {}
    arrays: ClassVar[dict[str, Any]] = {}

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS or len(self.numbers) != FUNCTIONS[self.function]:
            raise ModelError(
                f"layer '{self.name}': {self.function!r:.40} of {len(self.numbers)} numbers is not "
                f"supported; known: {', '.join(FUNCTIONS)}"
            )
        with np.errstate(over="ignore"):
            if np.isnan(np.array(self.numbers, np.float32)).any():
                raise ModelError(f"layer '{self.name}': its numbers are {self.numbers}")

    def __repr__(self) -> str:
        said = f" ({', '.join(f'{n:g}' for n in self.numbers)})" if self.numbers else ""
        return layer_text(self.name, f"{self.function}{said}", self)

    @property
    def parts(self) -> tuple[Any, ...]:
        """What has a row in tables: itself."""
        return (self,)

    @property
    def constants(self) -> Floats:
        """What its operation reads beside x."""
        return np.array(self.numbers, np.float32)

    @property
    def sizes(self) -> StatelessSizes:
        """What its operations hang on."""
        return StatelessSizes(self.kind, self.function, self.input_size)

    @property
    def output_size(self) -> int:
        """Values that go out."""
        return self.input_size


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LayerNorm:
    """``weight * (x - mean) / sqrt(variance + eps) + bias``, over the values of a step.

    Attributes:
        name: `norm1`, ...
        weight, bias: (size,).
        eps: Added to the variance.
    """

    name: str
    weight: Floats
    bias: Floats
    eps: float
    kind: ClassVar[str] = "layer_norm"
    precision: ClassVar[str] = "float32"
    form: ClassVar[None] = None
    input: ClassVar[None] = None
    scales: ClassVar[dict[str, Any]] = {}
    biases: ClassVar[dict[str, Any]] = {}

    def __post_init__(self) -> None:
        if self.weight.ndim != 1 or not self.weight.size or self.bias.shape != self.weight.shape:
            raise ModelError(
                f"layer '{self.name}': weight and bias of shape {self.weight.shape} and "
                f"{self.bias.shape}; one value each per value of a step is needed"
            )
        check_values(self.name, "weight", self.weight)
        check_values(self.name, "bias", self.bias)
        if not 0 <= self.eps < 1e30:
            raise ModelError(f"layer '{self.name}': eps is {self.eps}; 0 or more is needed")

    def __repr__(self) -> str:
        return layer_text(self.name, "layer norm", self)

    @property
    def parts(self) -> tuple[Any, ...]:
        """What holds the numbers: itself."""
        return (self,)

    @property
    def arrays(self) -> dict[str, Floats]:
        """By their names."""
        return {"weight": self.weight, "bias": self.bias}

    @property
    def constants(self) -> Floats:
        """What its operation reads beside x: eps, weight, bias."""
        return np.concatenate([np.array([self.eps], np.float32), self.weight, self.bias])

    @property
    def sizes(self) -> StatelessSizes:
        """What its operations hang on."""
        return StatelessSizes(self.kind, "layer_norm", self.input_size)

    @property
    def input_size(self) -> int:
        """Values that come in."""
        return len(self.weight)

    @property
    def output_size(self) -> int:
        """Values that go out."""
        return len(self.weight)
