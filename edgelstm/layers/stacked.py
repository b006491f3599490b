"""Weights of one direction of a recurrent layer as they are stacked, float or quantized."""

from typing import Any

from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.cells.spec import CellSpec
from edgelstm.layers.recurrent_sizes import RecurrentSizes

ARRAYS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_peephole")


class Stacked:
    """What follows from the arrays of a direction, gate after gate: see `recurrent.Direction`."""

    cell_name: Any
    weight_ih: Any
    weight_hh: Any
    bias_ih: Any
    bias_hh: Any
    weight_hr: Any
    weight_peephole: Any
    cell_clip: float
    nonlinearity: str

    @property
    def spec(self) -> CellSpec:
        """The cell's description."""
        return CELLS[self.cell_name].using(self.nonlinearity)

    @property
    def sizes(self) -> RecurrentSizes:
        """What its operations hang on."""
        sizes = self.input_size, self.hidden_size, self.projection_size
        return RecurrentSizes(self.spec, *sizes, clips=self.cell_clip > 0)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights and biases by their names."""
        return {k: getattr(self, k) for k in ARRAYS if getattr(self, k) is not None}

    @property
    def biases(self) -> dict[str, NDArray[Any]]:
        """Stacked, by side."""
        return {"ih": self.bias_ih, "hh": self.bias_hh}

    def peephole(self, gate: str) -> Any:
        """Gate's weights of the cell state as they are stored, (hidden_size,)."""
        assert self.weight_peephole is not None
        return self.weight_peephole[self.spec.peephole(gate, self.hidden_size)]

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return int(self.weight_ih.shape[1])

    @property
    def hidden_size(self) -> int:
        """Units."""
        return int((self.weight_hh if self.weight_hr is None else self.weight_hr).shape[1])

    @property
    def projection_size(self) -> int:
        """Values that a projection leaves of h; 0 without one."""
        return 0 if self.weight_hr is None else int(self.weight_hr.shape[0])

    @property
    def output_size(self) -> int:
        """Values per time step that go out, and that weight_hh reads: the state h."""
        return self.projection_size or self.hidden_size
