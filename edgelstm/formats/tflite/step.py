"""One step of a part of a network as TensorFlow Lite's operators, whatever its values are.

Tensors are called by the part's label and their own name: `gru1/weight_ih_r`, `gru1/v3`.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.quantization.scales import Scale


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
        ops: What is computed, in order; each has `result` and `args`.
        result: Which value goes out.
        state_sizes: State to its number of elements; none of a dense layer.
        new_states: Which results become the states.
        scales: Value to what its integers stand for; empty where all are real.
        write: Appends the operators of one of `ops`.
    """

    label: str
    part: Any
    ops: Sequence[Any]
    result: str
    state_sizes: Mapping[str, int]
    new_states: Sequence[str]
    scales: Mapping[str, Scale]
    write: Callable[["Step", Block, "Placed"], Tensor]

    @property
    def states(self) -> tuple[Tensor, ...]:
        """Each as a tensor, (1, 1, its size)."""
        return tuple(self.value(name, (1, 1, size)) for name, size in self.state_sizes.items())

    def start(self, block: Block) -> tuple[Tensor, ...]:
        """The states as a sequence begins: zeros, also of integers."""
        return tuple(
            block.constant(f"{t.name}_start", np.zeros(t.shape, t.type), t.scale)
            for t in self.states
        )

    def value(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """One of the values between operations."""
        return values_tensor(f"{self.label}/{name}", shape, self.scales.get(name))

    def output(self, leading: tuple[int, ...]) -> Tensor:
        """What goes out; vectors are the last axis."""
        return self.value(self.result, (*leading, self.part.output_size))

    def add(
        self, block: Block, x: Tensor, states: Iterable[Tensor] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Appends the operators; gives what goes out and the new states."""
        values = {"x": x, **dict(zip(self.state_sizes, states, strict=True))}
        for op in self.ops:
            args = tuple(values[name] for name in op.args)
            values[op.result] = self.write(self, block, Placed(op, args, x.shape[:-1]))
        return values[self.result], tuple(values[name] for name in self.new_states)


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """An operation among tensors.

    Attributes:
        op: What is computed.
        args: Of what.
        leading: Shape of its vectors without the last axis.
    """

    op: Any
    args: tuple[Tensor, ...]
    leading: tuple[int, ...]

    def shape(self, size: int | None = None) -> tuple[int, ...]:
        """Of a result of so many elements; None: as many as the argument has."""
        return (*self.leading, self.args[0].shape[-1] if size is None else size)


def values_tensor(name: str, shape: tuple[int, ...], scale: Scale | None) -> Tensor:
    """A computed tensor: real without a scale."""
    if scale is None:
        return Tensor(name, shape, "float32")
    return Tensor(name, shape, scale.type, scale.scale, scale.zero_point)


def variable(block: Block, state: Tensor) -> Tensor:
    """VAR_HANDLE of a state."""
    handle = Tensor(f"{state.name}_variable", (), "resource")
    return block.add("VAR_HANDLE", [], handle, {"container": "", "shared_name": state.name})


def assign(block: Block, state: Tensor, value: Tensor) -> None:
    """ASSIGN_VARIABLE of a state."""
    block.operators.append(Operator("ASSIGN_VARIABLE", (variable(block, state), value), ()))


def weight_name(side: str | None, gate: str | None) -> str:
    """What a matrix is called behind its part's label.

    >>> weight_name("ih", "r"), weight_name("hr", None), weight_name("dense", None)
    ('weight_ih_r', 'weight_hr', 'weight')
    """
    words = ("weight", None if side == "dense" else side, gate)
    return "_".join(word for word in words if word)


def bias_name(side: str | None, gate: str | None) -> str:
    """What a bias is called: as the matrix beside it."""
    return weight_name(side, gate).replace("weight", "bias")
