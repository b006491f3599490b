"""What a quantized network is: integers, one scale per value."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.layers.dense import DenseSizes
from edgelstm.layers.directions import agreed_precision, check_names, parts
from edgelstm.layers.matrix import Matrix
from edgelstm.layers.read_steps import ReadSteps, check_reading, reads_last
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.recurrent_sizes import RecurrentSizes
from edgelstm.layers.weights import check_int8
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import PRECISIONS
from edgelstm.quantization.scales import Saturation, Scale
from edgelstm.text import layer_text, network_text

Integers = NDArray[np.signedinteger]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuantizedDirection:
    """One direction of a recurrent layer in integers.

    Attributes:
        plan: Operations, roles, merged biases.
        weight_ih, weight_hh: int8, shapes and order of gates as in `recurrent.Direction`.
        bias_ih, bias_hh: int32 (float32 if hybrid), merged as the plan says: where both biases of a
            gate stand in `bias_ih`, `bias_hh` is zero.
        weight_scales: ``"ih i"`` -> scale of gate i's block of weight_ih, ...; float32 values.
        scales: Value of the plan to its `Scale`; empty if hybrid.
        cell_clip: In real units; 0 for none.
        saturation: Gate to what calibration saw; empty for files of others.
    """

    plan: LayerPlan
    weight_ih: Integers
    weight_hh: Integers
    bias_ih: NDArray[Any]
    bias_hh: NDArray[Any]
    weight_scales: Mapping[str, float]
    scales: Mapping[str, Scale]
    cell_clip: float = 0.0
    saturation: Mapping[str, Saturation] = dataclasses.field(default_factory=dict)
    kind: ClassVar[str] = "recurrent"

    def __post_init__(self) -> None:
        check_int8(self.name, "weight_ih", self.weight_ih)
        check_int8(self.name, "weight_hh", self.weight_hh)

    def __repr__(self) -> str:
        return layer_text(self.name, self.cell_name, self)

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.plan.name

    @property
    def cell_name(self) -> str:
        """Key of `CELLS`."""
        return str(self.plan.cell_name)

    @property
    def sizes(self) -> RecurrentSizes:
        """What its operations hang on."""
        sizes = self.input_size, self.hidden_size
        return RecurrentSizes(CELLS[self.cell_name], *sizes, clips=self.cell_clip > 0)

    def matrix(self, side: str, gate: str) -> Matrix:
        """Gate's weights of `ih` or `hh`."""
        weight: Integers = getattr(self, f"weight_{side}")
        return Matrix(weight[self.plan.rows(gate)], self.weight_scales[f"{side} {gate}"], "int8")

    @property
    def biases(self) -> dict[str, NDArray[Any]]:
        """Stacked, by side."""
        return {"ih": self.bias_ih, "hh": self.bias_hh}

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights and biases by their names."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return {name: getattr(self, name) for name in names}

    @property
    def precision(self) -> str:
        """Key of `PRECISIONS`."""
        return self.plan.precision.name

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return int(self.weight_ih.shape[1])

    @property
    def hidden_size(self) -> int:
        """Units."""
        return int(self.weight_hh.shape[1])

    @property
    def output_size(self) -> int:
        """Values per time step that go out."""
        return self.hidden_size

    @property
    def projection_size(self) -> int:
        """Values that a projection leaves of h: 0, as none has integers yet."""
        return 0

    @property
    def input(self) -> Scale | None:
        """Scale of what comes in; None if hybrid."""
        return self.scales.get("x")

    @property
    def output(self) -> Scale:
        """Scale of what goes out (integer precisions)."""
        return self.scales[self.plan.states[0]]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuantizedDense:
    """One dense layer in integers.

    Attributes:
        name: Of the layer.
        weight: int8 (output_size, input_size).
        bias: int32 (float32 if hybrid), of scale ``weight_scale * input.scale``.
        weight_scale: One for the matrix; a float32 value.
        input, linear: Scales of what comes in and of ``weight @ x + bias`` (after a relu); None if
            hybrid.
        activation: As in `dense.Dense`. A sigmoid's output has `SIGMOID_OUTPUT`.
    """

    name: str
    weight: Integers
    bias: NDArray[Any]
    weight_scale: float
    input: Scale | None
    linear: Scale | None
    activation: str | None = None
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        check_int8(self.name, "weight", self.weight)

    def __repr__(self) -> str:
        return layer_text(self.name, "dense", self)

    @property
    def plan(self) -> LayerPlan:
        """Its operations in its precision."""
        return plan_of(self, PRECISIONS[self.precision])

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
    def parts(self) -> tuple["QuantizedDense", ...]:
        """What holds the numbers: itself."""
        return (self,)

    @property
    def precision(self) -> str:
        """Key of `PRECISIONS`."""
        return "hybrid" if self.input is None else "int8"

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
        return SIGMOID_OUTPUT if self.activation == "sigmoid" else self.linear


SIGMOID_OUTPUT = Scale(1 / 256, -128, "int8")

QuantizedPart = QuantizedDirection | QuantizedDense
QuantizedLayer = Recurrent[QuantizedDirection] | QuantizedDense | ReadSteps


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuantizedNetwork:
    """A network in integers; what `run`, `Session` and `write` take beside a `Network`.

    Attributes:
        layers: In the order in which they run.
        steps: Longest calibration sequence; None for files of others.
        dropped_softmax: The network's final softmax was left off: the results are logits.
        assumed: As in `network.Network`.
    """

    layers: tuple[QuantizedLayer, ...]
    steps: int | None = None
    dropped_softmax: bool = False
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_names(self.layers)
        check_reading(self.layers)

    def __repr__(self) -> str:
        return network_text(self)

    @property
    def last_step(self) -> bool:
        """Whether the result is that of the last step alone, without a time axis."""
        return reads_last(self.layers)

    @property
    def precision(self) -> str:
        """`int8` or `hybrid`: what the layers agree on, or `mixed`."""
        return agreed_precision(self.layers)

    @property
    def input(self) -> Scale | None:
        """Scale of the network's input; None if hybrid."""
        scale: Scale | None = parts(self.layers)[0].input
        return scale

    @property
    def output(self) -> Scale | None:
        """Scale of the network's result; None if hybrid."""
        return None if self.input is None else parts(self.layers)[-1].output

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return self.layers[0].input_size

    @property
    def output_size(self) -> int:
        """Values that go out, per time step or once."""
        return self.layers[-1].output_size

    @property
    def input_scale(self) -> float:
        """Real size of one step of the input integers."""
        return self._integer("input").scale

    @property
    def input_zero_point(self) -> int:
        """The input integer that stands for 0."""
        return self._integer("input").zero_point

    @property
    def output_scale(self) -> float:
        """Real size of one step of the result's integers."""
        return self._integer("output").scale

    @property
    def output_zero_point(self) -> int:
        """The result's integer that stands for 0."""
        return self._integer("output").zero_point

    def _integer(self, end: str) -> Scale:
        scale: Scale | None = getattr(self, end)
        if scale is None:
            raise ModelError(f"a {self.precision} network has float32 {end}s, without a scale")
        return scale
