"""An embedding in front of a network: a row of a table for each index, looked up before the rest.

What stands in front is no part of a step's arithmetic: rows go to the network behind as x.
"""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.layers.operations import Operations
from edgelstm.layers.weights import check_matrix, check_values
from edgelstm.text import counted, layer_text

Floats = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class EmbeddingSizes:
    """What the operations of an embedding hang on."""

    rows: int
    size: int
    kind: ClassVar[str] = "embedding"
    cell_name: ClassVar[None] = None

    @property
    def operations(self) -> Operations:
        """A row is copied; `table` is what is stored."""
        sizes = {"x": 1, "row": self.size, "table": self.rows * self.size}
        return Operations((Op("row", "look_up", ("x",)),), "row", sizes)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Embedding:
    """Rows of a table by index.

    Attributes:
        name: `embedding1`.
        weight: (rows, output_size).
    """

    name: str
    weight: Floats
    kind: ClassVar[str] = "embedding"
    precision: ClassVar[str] = "float32"
    form: ClassVar[None] = None
    input: ClassVar[None] = None
    scales: ClassVar[dict[str, Any]] = {}
    biases: ClassVar[dict[str, Any]] = {}
    input_size: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_matrix(self.name, "weight", self.weight)
        check_values(self.name, "weight", self.weight)

    def __repr__(self) -> str:
        return layer_text(self.name, f"{counted(len(self.weight), 'row')} of", self)

    @property
    def parts(self) -> tuple[Any, ...]:
        """What holds the numbers: itself."""
        return (self,)

    @property
    def arrays(self) -> dict[str, Floats]:
        """The table by its name."""
        return {"weight": self.weight}

    @property
    def sizes(self) -> EmbeddingSizes:
        """What its operations hang on."""
        return EmbeddingSizes(*self.weight.shape)

    @property
    def output_size(self) -> int:
        """Values of a row."""
        return int(self.weight.shape[1])

    def rows(self, indices: NDArray[Any]) -> Floats:
        """See `rows_of`."""
        return rows_of(self.name, self.weight, indices)


def rows_of(name: str, table: NDArray[Any], indices: NDArray[Any]) -> NDArray[Any]:
    """Rows of a table, (..., columns).

    Raises:
        ModelError: Indices that are no integers, or outside of the table.
    """
    if indices.dtype.kind not in "iu":
        raise ModelError(f"x is {indices.dtype}; layer '{name}' takes indices, as int32 or int64")
    outside = indices[(indices < 0) | (indices >= len(table))]
    if outside.size:
        raise ModelError(
            f"x holds the index {outside.ravel()[0]}; layer '{name}' has "
            f"{counted(len(table), 'row')}, 0 to {len(table) - 1}"
        )
    rows: NDArray[Any] = table[indices]
    return rows
