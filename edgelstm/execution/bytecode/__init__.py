"""encode: from a network to the rows of integers that the compiled kernels execute.

Every value of every layer gets a place in one long vector; every operation of the traced cells
becomes a row that says where it reads and writes. What the columns mean stands in kernels/.
"""

from typing import Any

from edgelstm.execution.bytecode import floats, integers
from edgelstm.execution.bytecode.builder import Builder, Program, Slot
from edgelstm.model.network import Dense, Network, Recurrent
from edgelstm.model.plan import recurrent_plan
from edgelstm.model.precision import FLOAT32
from edgelstm.quantization.quantized import QuantizedDense, QuantizedNetwork, QuantizedRecurrent


def encode(network: Network | QuantizedNetwork) -> Program:
    """The program of a network, each layer at every step; integers have TFLM's arithmetic.

    Bidirectional layers have no program; each of their directions has one.

    Raises:
        ModelError: An operation that the kernel of this precision does not have.
    """
    integer = isinstance(network, QuantizedNetwork) and network.input is not None
    rows: Any = integers if integer else floats
    builder = rows.builder()
    slot = builder.place(network.input_size)
    for layer in network.layers:
        if isinstance(layer, Dense | QuantizedDense):
            slot = rows.dense(builder, layer, slot)
        else:
            assert isinstance(layer, Recurrent | QuantizedRecurrent)
            slot = _recurrent(builder, layer, slot)
    made: Program = rows.program(builder, slot)
    return made


def _recurrent(builder: Builder, layer: Recurrent | QuantizedRecurrent, x: Slot) -> Slot:
    """One row per operation, then the new states move to the places of the old."""
    plan = recurrent_plan(layer, FLOAT32) if isinstance(layer, Recurrent) else layer.plan
    integer = layer if isinstance(layer, QuantizedRecurrent) and layer.scales else None
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
