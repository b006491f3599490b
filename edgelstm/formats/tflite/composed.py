"""From the operations of a part of a network to TensorFlow Lite's operators, one each.

No cell is known here: `FLOAT` says what an operation of the traced list becomes in real numbers.
Tensors are called by the part's label and their own name: `gru1/weight_ih_r`, `gru1/v3`.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import PRECISIONS


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """The operators of a graph while they are added.

    Attributes:
        constants: By name, each stored once and shared by all graphs of a file.
        operators: In the order in which they run.
    """

    constants: dict[str, Tensor]
    operators: list[Operator] = dataclasses.field(default_factory=list)

    def constant(self, name: str, data: NDArray[Any], scale: float | None = None) -> Tensor:
        """A tensor of the file; equal names are equal values."""
        if name not in self.constants:
            self.constants[name] = Tensor(name, data.shape, data.dtype.name, scale, data=data)
        return self.constants[name]

    def add(
        self,
        name: str,
        inputs: Iterable[Tensor | None],
        result: Tensor,
        options: Mapping[str, Any] | None = None,
        version: int = 1,
    ) -> Tensor:
        """Appends an operator with one result, and returns that."""
        self.operators.append(Operator(name, tuple(inputs), (result,), options or {}, version))
        return result


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One step of a direction of a recurrent layer, or one vector of a dense layer.

    Attributes:
        label: What its tensors are called.
        part: Holds the numbers.
    """

    label: str
    part: Any

    @functools.cached_property
    def plan(self) -> LayerPlan:
        """Its operations, states and sizes."""
        return plan_of(self.part, PRECISIONS[self.part.precision])

    @property
    def is_recurrent(self) -> bool:
        """Whether it has states."""
        return bool(self.plan.states)

    @property
    def states(self) -> tuple[Tensor, ...]:
        """Each as a tensor, (1, 1, its size)."""
        return tuple(self.value(name, (1, 1)) for name in self.plan.states)

    def start(self, block: Block) -> tuple[Tensor, ...]:
        """The states as a sequence begins."""
        return tuple(
            block.constant(f"{t.name}_start", np.zeros(t.shape, t.type), t.scale)
            for t in self.states
        )

    def value(self, name: str, leading: tuple[int, ...]) -> Tensor:
        """One of the values between operations; vectors are the last axis."""
        return Tensor(f"{self.label}/{name}", (*leading, self.plan.sizes[name]), "float32")

    def add(
        self, block: Block, x: Tensor, states: Iterable[Tensor] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Appends the operators; gives what goes out and the new states."""
        values = {"x": x, **dict(zip(self.plan.states, states, strict=True))}
        for op in self.plan.ops:
            result = self.value(op.result, x.shape[:-1])
            args = tuple(values[name] for name in op.args)
            values[op.result] = FLOAT[op.kind](self, block, (op, args, result))
        new = tuple(values[name] for name in self.plan.new_states)
        return values[self.plan.result], new


Placed = tuple[Op, tuple[Tensor, ...], Tensor]  # an operation, what it takes and gives


def weight_name(side: str, gate: str | None) -> str:
    """What a matrix is called behind its part's label.

    >>> weight_name("ih", "r"), weight_name("hr", None), weight_name("dense", None)
    ('weight_ih_r', 'weight_hr', 'weight')
    """
    words = ("weight", None if side == "dense" else side, gate)
    return "_".join(word for word in words if word)


def bias_name(side: str, gate: str | None) -> str:
    """What a bias is called: as the matrix beside it."""
    return weight_name(side, gate).replace("weight", "bias")


def _product(step: Step, block: Block, placed: Placed) -> Tensor:
    """FULLY_CONNECTED; a bias that is zero in all bits is absent."""
    op, args, result = placed
    side = str(op.side)
    matrix = step.part.matrix(side, op.gate)
    name = f"{step.label}/{weight_name(side, op.gate)}"
    inputs = [*args, block.constant(name, matrix.values, matrix.scale)]
    stacked = step.part.biases.get(side)
    if stacked is not None and any((bias := stacked[step.plan.rows(op.gate)]).tobytes()):
        inputs.append(block.constant(f"{step.label}/{bias_name(side, op.gate)}", bias))
    keeps_axes = len(result.shape) == 3
    version = 5 if keeps_axes else 1 if matrix.scale is None else 3
    return block.add("FULLY_CONNECTED", inputs, result, {"keep_num_dims": keeps_axes}, version)


def _peephole(step: Step, block: Block, placed: Placed) -> Tensor:
    """MUL with a row of weights."""
    op, args, result = placed
    weights = step.part.peephole(op.gate).reshape(1, 1, -1)
    constant = block.constant(f"{step.label}/weight_peephole_{op.gate}", weights)
    return block.add("MUL", [*args, constant], result)


def _complement(step: Step, block: Block, placed: Placed) -> Tensor:
    """SUB from a row of ones: of equal shapes, as broadcasting is slow in TFLM."""
    _, args, result = placed
    ones = block.constant(f"ones_{result.shape[-1]}", np.ones(result.shape, np.float32))
    return block.add("SUB", [ones, *args], result)


def _clip(step: Step, block: Block, placed: Placed) -> Tensor:
    """MINIMUM and MAXIMUM with the cell clip."""
    _, (value,), result = placed
    limit = np.full(result.shape, step.part.cell_clip, np.float32)
    below = dataclasses.replace(result, name=f"{result.name}_below")
    block.add("MINIMUM", [value, block.constant(f"{step.label}/clip", limit)], below)
    return block.add("MAXIMUM", [below, block.constant(f"{step.label}/clip_low", -limit)], result)


def _plain(name: str, **options: Any) -> Callable[[Step, Block, Placed], Tensor]:
    """An operator of the operation's own arguments."""

    def add(step: Step, block: Block, placed: Placed) -> Tensor:
        _, args, result = placed
        return block.add(name, args, result, options)

    return add


# Kind of a traced operation to its operators on real values.
FLOAT: dict[str, Callable[[Step, Block, Placed], Tensor]] = {
    "affine_ih": _product,
    "affine_hh": _product,
    "affine_hr": _product,
    "affine_dense": _product,
    "scale": _peephole,
    "add": _plain("ADD"),
    "sub": _plain("SUB"),
    "mul": _plain("MUL"),
    "complement": _complement,
    "sigmoid": _plain("LOGISTIC"),
    "tanh": _plain("TANH"),
    "relu": _plain("RELU"),
    "softmax": _plain("SOFTMAX", beta=1.0),
    "clip": _clip,
}
