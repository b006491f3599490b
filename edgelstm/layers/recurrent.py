"""A recurrent layer: one or two directions, and the float32 weights of each, checked here."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.layers.directions import check_directions, is_bidirectional
from edgelstm.layers.matrix import Matrix, real
from edgelstm.layers.stacked import Stacked
from edgelstm.layers.weights import check_matrix, check_values, survives_float32
from edgelstm.text import layer_text

Floats = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Direction(Stacked):
    """One direction of a recurrent layer. Its arrays are not changed: kernels keep the weights.

    Attributes:
        name: `lstm1`, `gru1`, ..., `lstm1_reverse`: how errors and tables call it.
        cell_name: Key of `CELLS`.
        weight_ih: (n_gates * hidden_size, input_size), gates in the order of the cell's `gates`.
        weight_hh: (n_gates * hidden_size, output_size).
        bias_ih, bias_hh: (n_gates * hidden_size,).
        cell_clip: The cell state is cut to +-cell_clip in each step; 0 leaves it as it is.
        weight_hr: (projection_size, hidden_size): h is multiplied by it, in each step, before
            anything reads it (PyTorch's `proj_size`); None for no projection.
        weight_peephole: (n_peepholes * hidden_size,), for cells that have `peepholes`.
        nonlinearity: `tanh`, or `relu` in its place where the cell has a choice.
    """

    name: str
    cell_name: str
    weight_ih: Floats
    weight_hh: Floats
    bias_ih: Floats
    bias_hh: Floats
    cell_clip: float = 0.0
    weight_hr: Floats | None = None
    weight_peephole: Floats | None = None
    nonlinearity: str = "tanh"
    kind: ClassVar[str] = "recurrent"

    def __post_init__(self) -> None:
        if self.cell_name not in CELLS:
            raise ModelError(
                f"layer '{self.name}': cell '{self.cell_name}' is unknown; "
                f"known: {', '.join(CELLS)}"
            )
        self._check_nonlinearity()
        check_matrix(self.name, "weight_ih", self.weight_ih)
        check_matrix(self.name, "weight_hh", self.weight_hh)
        if self.weight_hr is not None:
            check_matrix(self.name, "weight_hr", self.weight_hr)
        self._check_options()
        rows = len(self.spec.gates) * self.hidden_size
        self._check_shape("weight_hh", (rows, self.output_size))
        self._check_shape("weight_ih", (rows, self.input_size))
        self._check_shape("bias_ih", (rows,))
        self._check_shape("bias_hh", (rows,))
        if self.weight_peephole is not None:
            self._check_shape("weight_peephole", (len(self.spec.peepholes) * self.hidden_size,))
        for name, array in self.arrays.items():
            check_values(self.name, name, array)

    def __repr__(self) -> str:
        return layer_text(self.name, self.cell_name, self)

    def _check_nonlinearity(self) -> None:
        known = CELLS[self.cell_name].nonlinearities
        if self.nonlinearity not in known:
            raise ModelError(
                f"layer '{self.name}': nonlinearity '{self.nonlinearity}'; "
                f"a {self.cell_name} has {' or '.join(known)}"
            )

    def _check_options(self) -> None:
        """What not every cell has: projection, peepholes, cell clip."""
        if self.weight_hr is not None and "c" not in self.spec.states:
            raise ModelError(
                f"layer '{self.name}': a {self.cell_name} has no projection (weight_hr); LSTMs do"
            )
        if bool(self.spec.peepholes) != (self.weight_peephole is not None):
            needs = "needs" if self.spec.peepholes else "has no"
            raise ModelError(f"layer '{self.name}': a {self.cell_name} {needs} weight_peephole")
        if self.cell_clip != 0 and not survives_float32(self.cell_clip):
            raise ModelError(
                f"layer '{self.name}': cell_clip is {self.cell_clip}; 0 (no clip) or more, in "
                "float32, is needed"
            )
        if self.cell_clip and "c" not in self.spec.states:
            raise ModelError(
                f"layer '{self.name}': a {self.cell_name} has no cell state for cell_clip to cut"
            )

    def _check_shape(self, name: str, needed: tuple[int, ...]) -> None:
        shape = getattr(self, name).shape
        if shape != needed:
            raise ModelError(
                f"layer '{self.name}': {name} has shape {shape}; "
                f"a {self.cell_name} of hidden_size {self.hidden_size} needs {needed}"
            )

    @property
    def precision(self) -> str:
        """Key of `PRECISIONS`."""
        return "float32"

    @property
    def form(self) -> None:
        """What the integers inside are: None, as all values are real."""
        return None

    @property
    def scales(self) -> dict[str, Any]:
        """What integers stand for, by value: none, as all values are real."""
        return {}

    def matrix(self, side: str, gate: str | None) -> Matrix:
        """Gate's weights of `ih` or `hh`; those of `hr` have no gate."""
        weight: Floats = getattr(self, f"weight_{side}")
        return real(weight if gate is None else weight[self.spec.rows(gate, self.hidden_size)])

    @property
    def input(self) -> None:
        """Scale of the integers that come in: None, as they are real."""
        return None


class AnyDirection(Protocol):
    """What a layer asks of its directions, float or quantized."""

    @property
    def name(self) -> str:
        """Of the layer, with `directions.REVERSE` behind if it reads backwards."""

    @property
    def cell_name(self) -> str:
        """Key of `CELLS`."""

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""

    @property
    def hidden_size(self) -> int:
        """Units."""

    @property
    def output_size(self) -> int:
        """Values per time step that go out."""

    @property
    def projection_size(self) -> int:
        """Values that a projection leaves of h; 0 without one."""

    @property
    def cell_clip(self) -> float:
        """Where the cell state is cut; 0 for nowhere."""

    @property
    def form(self) -> str | None:
        """What its integers inside are: `fused`, `composed`; None where values are real."""

    @property
    def nonlinearity(self) -> str:
        """What stands in place of tanh."""

    @property
    def scales(self) -> Mapping[str, Any]:
        """What integers stand for, by value; empty where all values are real."""

    @property
    def arrays(self) -> dict[str, Any]:
        """Weights and biases by their names."""


D = TypeVar("D", bound=AnyDirection, covariant=True)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Recurrent(Generic[D]):
    """A recurrent layer, float or quantized.

    Attributes:
        directions: The forward one, which gives the layer its name; in a bidirectional layer also
            the one that reads from the last step to the first, named as the other with
            `directions.REVERSE` behind. Their outputs lie side by side, forward first.
    """

    directions: tuple[D, ...]
    kind: ClassVar[str] = "recurrent"

    def __post_init__(self) -> None:
        check_directions(self.directions)

    def __repr__(self) -> str:
        both = "bidirectional " if is_bidirectional(self) else ""
        return layer_text(self.name, f"{both}{self.cell_name}", self)

    @property
    def parts(self) -> tuple[D, ...]:
        """What holds the numbers, each with a name and a row in tables."""
        return self.directions

    @property
    def arrays(self) -> dict[str, Any]:
        """Weights and biases by their names, with `directions.REVERSE` behind if read backwards."""
        return {
            name + direction.name.removeprefix(self.name): array
            for direction in self.directions
            for name, array in direction.arrays.items()
        }

    @property
    def forward(self) -> D:
        """The direction from the first step to the last."""
        return self.directions[0]

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.forward.name

    @property
    def cell_name(self) -> str:
        """Key of `CELLS`."""
        return self.forward.cell_name

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return self.forward.input_size

    @property
    def output_size(self) -> int:
        """Values per time step that go out, of all directions side by side."""
        return sum(direction.output_size for direction in self.directions)
