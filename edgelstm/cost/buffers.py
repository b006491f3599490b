"""Buffers: bytes that TensorFlow Lite Micro holds of a layer while it computes it."""

import dataclasses

import numpy as np

from edgelstm.cells import same_cell
from edgelstm.model.plan import LayerPlan
from edgelstm.model.precision import COMPOSED

OPERATORS = {"leaky_relu": 3, "elu": 1}  # of a composed activation; of others two at most


@dataclasses.dataclass(frozen=True)
class LayerBuffers:
    """What one layer holds.

    Attributes:
        operator: `lstm`, `steps` (a cell that has no operator of its own), `dense`; `reverse`, the
            steps in the other order, and `repeat`, which no layer of `Counts.layers` are.
        input_bytes, output_bytes: Of one step, of one direction.
        states_bytes: Of each state of one direction.
        scratch_bytes: Of each value inside one direction.
        activation: What the last operation of a dense layer is; None of an LSTM.
        n_directions: 2 if it is bidirectional.
        once: Whether it sees the last step alone.
        read_last: Whether its last step alone is read.
        values: Of each operation: bytes of its result, and the last operation of the step that
            reads it; the number of operations where it goes on from there.
        steps: Of the sequence that a repetition gives.
        x_last: The last operation that reads x.
        n_constants: Constants of all operations: matrices, biases, rows.
    """

    operator: str
    input_bytes: int
    output_bytes: int
    states_bytes: tuple[int, ...] = ()
    scratch_bytes: tuple[int, ...] = ()
    activation: str | None = None
    n_directions: int = 1
    once: bool = False
    read_last: bool = False
    values: tuple[tuple[int, int], ...] = ()
    x_last: int = 0
    steps: int = 0
    n_constants: int = 0


def stored_bytes(type_name: str) -> int:
    """Bytes of one value of a stored type."""
    return np.dtype(type_name).itemsize


def layer_buffers(plan: LayerPlan) -> LayerBuffers:
    """Of one direction, or of a layer without states, whose values lie in its input and output.

    Inside a direction lies one value per gate of an LSTM, else one per operation.
    """
    out = plan.states[0] if plan.states else plan.result  # h as it is stored
    ends = _size(plan, "x"), _size(plan, out)
    last = {arg: k for k, op in enumerate(plan.ops) for arg in op.args}
    last |= dict.fromkeys((plan.result, *plan.new_states), len(plan.ops))
    made = LayerBuffers(
        "dense",
        *ends,
        values=tuple((_size(plan, op.result), last.get(op.result, 0)) for op in plan.ops),
        x_last=last.get("x", 0),
        n_constants=sum(2 if op.side else op.kind in ("scale", "complement") for op in plan.ops),
    )
    if plan.kind == "activation" and plan.precision.form == COMPOSED:
        return _activation(plan, made)
    if not plan.states:
        return dataclasses.replace(made, activation=plan.ops[-1].kind)
    gates = [op.result for op in plan.ops if op.kind in ("sigmoid", "tanh")]
    is_lstm = plan.cell_name is not None and same_cell(plan.cell_name, "lstm")
    has_operator = plan.precision.form != COMPOSED and not any(op.side == "hr" for op in plan.ops)
    is_fused = is_lstm and has_operator
    inside = gates[:4] if is_fused else [op.result for op in plan.ops]
    return dataclasses.replace(
        made,
        operator="lstm" if is_fused else "steps",
        states_bytes=tuple(_size(plan, state) for state in plan.states),
        scratch_bytes=tuple(_size(plan, value) for value in inside),
    )


def _activation(plan: LayerPlan, made: LayerBuffers) -> LayerBuffers:
    """Of operators of int16: made wide, then up to two of them with a row of constants each."""
    n = OPERATORS.get(plan.ops[-1].kind, 2)
    values = ((2 * plan.sizes[plan.result], n),) * n
    return dataclasses.replace(
        made, activation=plan.ops[-1].kind, values=values, x_last=n - 1, n_constants=2
    )


def _size(plan: LayerPlan, value: str) -> int:
    return plan.sizes[value] * stored_bytes(plan.format(value).type)
