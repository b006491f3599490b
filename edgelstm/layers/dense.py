"""A dense layer with its activation, in float32, checked here."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.layers.matrix import Matrix, real
from edgelstm.layers.operations import Operations
from edgelstm.layers.weights import check_matrix, check_values
from edgelstm.text import counted, layer_text

Floats = NDArray[np.float32]

ACTIVATIONS = ("relu", "sigmoid", "tanh", "softmax")


@dataclasses.dataclass(frozen=True)
class DenseSizes:
    """What the operations of a dense layer hang on."""

    input_size: int
    output_size: int
    activation: str | None
    kind: ClassVar[str] = "dense"
    cell_name: ClassVar[None] = None

    @property
    def operations(self) -> Operations:
        """The product, and the activation behind it; `linear` is what integers are stored of."""
        first = "linear" if self.activation != "relu" else "sum"
        ops: tuple[Op, ...] = (Op(first, "affine_dense", ("x",)),)
        if self.activation is not None:
            result = "linear" if self.activation == "relu" else "activated"
            ops += (Op(result, self.activation, (first,)),)
        sizes = {"x": self.input_size} | {op.result: self.output_size for op in ops}
        return Operations(ops, ops[-1].result, sizes)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dense:
    """A dense layer: ``activation(weight @ x + bias)``.

    Attributes:
        name: `dense1`, ...
        weight: (output_size, input_size).
        bias: (output_size,).
        activation: One of `ACTIVATIONS`, or None.
    """

    name: str
    weight: Floats
    bias: Floats
    activation: str | None = None
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        check_matrix(self.name, "weight", self.weight)
        if self.bias.shape != (self.output_size,):
            raise ModelError(
                f"layer '{self.name}': bias has shape {self.bias.shape}; "
                f"a dense layer with {counted(self.output_size, 'output')} needs "
                f"({self.output_size},)"
            )
        check_values(self.name, "weight", self.weight)
        check_values(self.name, "bias", self.bias)
        if self.activation is not None and self.activation not in ACTIVATIONS:
            raise ModelError(
                f"layer '{self.name}': activation '{self.activation}' is not supported; "
                f"supported: {', '.join(ACTIVATIONS)}"
            )

    def __repr__(self) -> str:
        return layer_text(self.name, "dense", self)

    @property
    def parts(self) -> tuple["Dense", ...]:
        """What holds the numbers: itself."""
        return (self,)

    @property
    def precision(self) -> str:
        """Key of `PRECISIONS`."""
        return "float32"

    @property
    def form(self) -> None:
        """What the integers inside are: None, as all values are real."""
        return None

    @property
    def input(self) -> None:
        """Scale of the integers that come in: None, as they are real."""
        return None

    @property
    def sizes(self) -> DenseSizes:
        """What its operations hang on."""
        return DenseSizes(self.input_size, self.output_size, self.activation)

    def matrix(self, side: str, gate: str | None) -> Matrix:
        """The weights; its one side is `dense`, without gates."""
        return real(self.weight)

    @property
    def biases(self) -> dict[str, Floats]:
        """By side."""
        return {"dense": self.bias}

    @property
    def arrays(self) -> dict[str, Floats]:
        """Weights and biases by their names."""
        return {"weight": self.weight, "bias": self.bias}

    @property
    def input_size(self) -> int:
        """Values that come in."""
        return int(self.weight.shape[1])

    @property
    def output_size(self) -> int:
        """Values that go out."""
        return int(self.weight.shape[0])


def final_activation(layers: Sequence[Any]) -> str | None:
    """The activation behind the last layer, float or quantized; None where it is not dense."""
    last = layers[-1]
    activation: str | None = last.activation if last.kind == Dense.kind else None
    return activation
