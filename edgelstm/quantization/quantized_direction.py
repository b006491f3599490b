"""One direction of a recurrent layer in integers, or with int8 weights."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.layers.matrix import Matrix
from edgelstm.layers.stacked import Stacked
from edgelstm.layers.weights import check_int8
from edgelstm.model.plan import LayerPlan
from edgelstm.quantization.scales import Saturation, Scale
from edgelstm.text import layer_text

Integers = NDArray[np.signedinteger]


def weight_key(side: str, gate: str | None) -> str:
    """Key of `weight_scales`.

    >>> weight_key("ih", "i"), weight_key("peephole", "o"), weight_key("hr", None)
    ('ih i', 'peephole o', 'hr')
    """
    return side if gate is None else f"{side} {gate}"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuantizedDirection(Stacked):
    """One direction of a recurrent layer in integers.

    Attributes:
        plan: Operations, roles, merged biases.
        weight_ih, weight_hh: int8, shapes and order of gates as in `recurrent.Direction`.
        bias_ih, bias_hh: int32 in the fused int8 form, int64 in others, float32 if hybrid; merged
            as the plan says: where both biases of a gate stand in `bias_ih`, `bias_hh` is zero.
        weight_scales: `weight_key` -> scale of that block of weights; float32 values.
        scales: Value of the plan to its `Scale`; empty if hybrid.
        cell_clip: In real units; 0 for none.
        saturation: Gate to what calibration saw; empty for files of others.
        weight_hr: int8, as in `recurrent.Direction`; None for no projection.
        weight_peephole: int16 (float32 if hybrid), for cells that have peepholes.
        nonlinearity: As in `recurrent.Direction`.
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
    weight_hr: Integers | None = None
    weight_peephole: NDArray[Any] | None = None
    nonlinearity: str = "tanh"
    kind: ClassVar[str] = "recurrent"

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if name in ("weight_ih", "weight_hh", "weight_hr"):
                check_int8(self.name, name, array)

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

    def matrix(self, side: str, gate: str | None) -> Matrix:
        """Gate's weights of `ih` or `hh`; those of `hr` have no gate."""
        weight: Integers = getattr(self, f"weight_{side}")
        return Matrix(
            weight[self.plan.rows(gate)], self.weight_scales[weight_key(side, gate)], "int8"
        )

    @property
    def precision(self) -> str:
        """Key of `PRECISIONS`."""
        return self.plan.precision.name

    @property
    def form(self) -> str | None:
        """`fused`, `composed`; None if hybrid."""
        return self.plan.precision.form

    @property
    def input(self) -> Scale | None:
        """Scale of what comes in; None if hybrid."""
        return self.scales.get("x")

    @property
    def output(self) -> Scale:
        """Scale of what goes out (integer precisions)."""
        return self.scales[self.plan.states[0]]
