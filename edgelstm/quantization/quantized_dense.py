"""A dense layer in integers, or with int8 weights."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.layers.dense import DenseSizes
from edgelstm.layers.matrix import Matrix
from edgelstm.layers.weights import check_int8
from edgelstm.model.precision import COMPOSED, FUSED, INT8, Precision
from edgelstm.quantization.scales import Scale
from edgelstm.quantization.stateless import Stateless
from edgelstm.text import layer_text

Integers = NDArray[np.signedinteger]

# Form and activation to the scale of its result, which the runtimes' operators fix.
ACTIVATED: dict[tuple[str | None, str | None], Scale] = {
    (FUSED, "sigmoid"): Scale(1 / 256, -128, "int8"),
    (FUSED, "tanh"): Scale(1 / 128, 0, "int8"),
    (COMPOSED, "sigmoid"): Scale(2.0**-15, 0, "int16"),
    (COMPOSED, "tanh"): Scale(2.0**-15, 0, "int16"),
}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuantizedDense(Stateless):
    """One dense layer in integers.

    Attributes:
        name: Of the layer.
        weight: int8 (output_size, input_size).
        bias: int32 in the fused int8 form, int64 in others, float32 if hybrid; of scale
            ``weight_scale * input.scale``.
        weight_scale: One for the matrix; a float32 value.
        input, linear: Scales of what comes in and of ``weight @ x + bias`` (after a relu); None if
            hybrid.
        activation: As in `dense.Dense`.
        numbers: Its precision, in its form.
        narrowed: Scale of the result where that is stored in a narrower type than it is computed
            in: at the end of a composed int8 network; else None.
    """

    name: str
    weight: Integers
    bias: NDArray[Any]
    weight_scale: float
    input: Scale | None
    linear: Scale | None
    activation: str | None = None
    numbers: Precision = INT8
    narrowed: Scale | None = None
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        check_int8(self.name, "weight", self.weight)

    def __repr__(self) -> str:
        return layer_text(self.name, "dense", self)

    @property
    def sizes(self) -> DenseSizes:
        """What its operations hang on."""
        return DenseSizes(self.input_size, self.output_size, self.activation)

    def matrix(self, side: str, gate: str | None) -> Matrix:
        """The weights; its one side is `dense`, without gates."""
        return Matrix(self.weight, self.weight_scale, "int8")

    @property
    def biases(self) -> dict[str, NDArray[Any]]:
        """By side."""
        return {"dense": self.bias}

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights and biases by their names."""
        return {"weight": self.weight, "bias": self.bias}

    @property
    def scales(self) -> dict[str, Scale]:
        """Of every value of its plan as it is computed; empty if hybrid."""
        if self.input is None or self.linear is None:
            return {}
        linear = {op.result: self.linear for op in self.plan.ops}
        activated = ACTIVATED.get((self.form, self.activation), self.linear)
        return {"x": self.input} | linear | {self.plan.result: activated}

    @property
    def input_size(self) -> int:
        """Values that come in."""
        return int(self.weight.shape[1])

    @property
    def output_size(self) -> int:
        """Values that go out."""
        return int(self.weight.shape[0])

    @property
    def output(self) -> Scale:
        """Scale of what goes out (integer precisions)."""
        assert self.linear is not None
        if self.narrowed is not None:
            return self.narrowed
        return ACTIVATED.get((self.numbers.form, self.activation), self.linear)
