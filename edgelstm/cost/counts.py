"""What `count` returns: rows of operations and bytes, per gate, layer, network and sequence."""

import dataclasses
from typing import Any

from edgelstm.cost.buffers import LayerBuffers
from edgelstm.notebook import html_table


@dataclasses.dataclass(frozen=True)
class Row:
    """Operations and bytes of one gate, of a layer's element-wise part (`cell`), or of a `total`.

    `input_read_bytes` and `state_read_bytes` count one read per consumer. `requantizations` are
    results rescaled to a stored scale.
    """

    name: str
    macs: int = 0
    adds: int = 0
    muls: int = 0
    sigmoids: int = 0
    tanhs: int = 0
    requantizations: int = 0
    weight_bytes: int = 0
    bias_bytes: int = 0
    input_read_bytes: int = 0
    state_read_bytes: int = 0
    state_write_bytes: int = 0


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))[1:]


@dataclasses.dataclass(frozen=True)
class LayerCounts:
    """One layer.

    Attributes:
        name: Of the layer.
        kind: `recurrent` or `dense`.
        cell_name: Key of `CELLS`; None for a dense layer.
        input_size: Values that come in.
        hidden_size: Units; a dense layer's outputs.
        gates: One row per gate; none for a dense layer.
        cell: Everything that is no gate's: the element-wise part, or a dense layer as a whole.
        total: The sum of all rows.
        reverse: Whether it reads the sequence backwards, beside the layer in front of it.
    """

    name: str
    kind: str
    cell_name: str | None
    input_size: int
    hidden_size: int
    gates: tuple[Row, ...]
    cell: Row
    total: Row
    reverse: bool = False


@dataclasses.dataclass(frozen=True)
class SequenceCounts:
    """A whole sequence: a head over the last step once, all other layers `steps` times."""

    steps: int
    layers: tuple[LayerCounts, ...]
    total: Row


@dataclasses.dataclass(frozen=True)
class Counts:
    """Operations and bytes of one time step.

    Attributes:
        precision: Key of `PRECISIONS`.
        form: Of its integers, `fused` or `composed`; None for real values.
        parameters: Stored weights and biases, before biases merge.
        layers: In the order in which they run; a head over the last step counts in full.
        total: The sum of all layers.
        sequence: A whole sequence; None if no `steps` were given.
        buffers: Of each layer, both directions of one together: what `memory.fit` reads.
    """

    precision: str
    form: str | None
    parameters: int
    layers: tuple[LayerCounts, ...]
    total: Row
    sequence: SequenceCounts | None
    buffers: tuple[LayerBuffers, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, without the buffers and the form."""
        found = dataclasses.asdict(self)
        return {key: found[key] for key in found if key not in ("buffers", "form")}

    def _repr_html_(self) -> str:
        """A table for notebooks: one row per gate, then the cell, then totals."""
        rows = [
            (f"{layer.name} {row.name}", *(f"{getattr(row, column):,}" for column in COLUMNS))
            for layer in self.layers
            for row in (*layer.gates, layer.cell, layer.total)
        ]
        rows.append(("total", *(f"{getattr(self.total, column):,}" for column in COLUMNS)))
        title = f"One step in {self.precision}, {self.parameters:,} stored parameters"
        return html_table(title, ("", *(c.replace("_", " ") for c in COLUMNS)), rows)
