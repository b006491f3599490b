"""encode: from a network to the rows of integers that the compiled kernels execute.

Every value of every layer gets a place in one long vector; every operation of the traced cells
becomes a row that says where it reads and writes. What the columns mean stands in kernels/.
"""

from collections.abc import Sequence
from typing import Any

from edgelstm.execution.bytecode import floats, integers
from edgelstm.execution.bytecode.builder import Builder, Program, Slot
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Part
from edgelstm.model.plan import recurrent_plan
from edgelstm.model.precision import FLOAT32
from edgelstm.quantization.quantized import QuantizedDense, QuantizedDirection, QuantizedPart


def encode(parts: Sequence[Part] | Sequence[QuantizedPart]) -> Program:
    """The program of directions and dense layers in a row; integers have TFLM's arithmetic.

    Raises:
        ModelError: An operation that the kernel of this precision does not have.
    """
    rows: Any = integers if parts[0].input is not None else floats
    builder = rows.builder()
    x = y = builder.place(parts[0].input_size)
    for part in parts:
        if isinstance(part, Dense | QuantizedDense):
            y = rows.dense(builder, part, y)
        else:
            y = _recurrent(builder, part, y)
    made: Program = rows.program(builder, (x, y))
    return made


def _recurrent(builder: Builder, layer: Direction | QuantizedDirection, x: Slot) -> Slot:
    """One row per operation, then the new states move to the places of the old."""
    plan = recurrent_plan(layer, FLOAT32) if isinstance(layer, Direction) else layer.plan
    integer = layer if isinstance(layer, QuantizedDirection) and layer.scales else None
    places = {"x": x}
    for state in plan.states:
        start = integer.scales[state].zero_point if integer else 0
        places[state] = builder.state(plan.name, state, plan.sizes[state], start=start)
    for op in plan.ops:
        places[op.result] = builder.place(plan.sizes[op.result])
        if integer:
            integers.operation(builder, integer, op, places)
        else:
            floats.operation(builder, layer, op, places)
    for state, new in zip(plan.states, plan.new_states, strict=True):
        builder.row("COPY", places[state], places[new], **(integers.WIDE if integer else {}))
    return places[plan.states[0]]
