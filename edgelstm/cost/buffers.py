"""Buffers: bytes that TensorFlow Lite Micro holds of a layer while it computes it."""

import dataclasses

import numpy as np

from edgelstm.cells import same_cell
from edgelstm.model.plan import LayerPlan


@dataclasses.dataclass(frozen=True)
class LayerBuffers:
    """What one layer holds.

    Attributes:
        operator: `lstm` or `dense`.
        input_bytes, output_bytes: Of one step, of one direction.
        states_bytes: Of each state of one direction.
        scratch_bytes: Of each value inside one direction.
        activation: What the last operation of a dense layer is; None of an LSTM.
        n_directions: 2 if it is bidirectional.
        once: Whether it sees the last step alone.
    """

    operator: str
    input_bytes: int
    output_bytes: int
    states_bytes: tuple[int, ...] = ()
    scratch_bytes: tuple[int, ...] = ()
    activation: str | None = None
    n_directions: int = 1
    once: bool = False


def stored_bytes(type_name: str) -> int:
    """Bytes of one value of a stored type."""
    return np.dtype(type_name).itemsize


def layer_buffers(plan: LayerPlan) -> LayerBuffers:
    """Of one direction, or of a layer without states, whose values lie in its input and output.

    Inside a direction lies one value per gate of an LSTM, else one per operation.
    """
    ends = _size(plan, "x"), _size(plan, plan.result)
    if not plan.states:
        return LayerBuffers("dense", *ends, activation=plan.ops[-1].kind)
    gates = [op.result for op in plan.ops if op.kind in ("sigmoid", "tanh")]
    is_lstm = plan.cell_name is not None and same_cell(plan.cell_name, "lstm")
    inside = gates[:4] if is_lstm else [op.result for op in plan.ops]
    return LayerBuffers(
        "lstm",
        *ends,
        tuple(_size(plan, state) for state in plan.states),
        tuple(_size(plan, value) for value in inside),
    )


def _size(plan: LayerPlan, value: str) -> int:
    return plan.sizes[value] * stored_bytes(plan.format(value).type)
