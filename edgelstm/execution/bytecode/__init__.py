"""encode: from a network to the rows of integers that the compiled kernels execute.

Every value of every layer gets a place in one long vector; every operation of the traced cells
becomes a row that says where it reads and writes. What the columns mean stands in kernels/.
"""

from collections.abc import Sequence
from typing import Any

from edgelstm.execution.bytecode import floats, integers
from edgelstm.execution.bytecode.builder import Program
from edgelstm.model.network import Part
from edgelstm.quantization.quantized import QuantizedPart


def encode(parts: Sequence[Part] | Sequence[QuantizedPart]) -> Program:
    """The program of directions and dense layers in a row; integers have TFLM's arithmetic.

    Raises:
        ModelError: An operation that the kernel of this precision does not have.
    """
    rows: Any = integers if parts[0].input is not None else floats
    builder = rows.builder()
    x = y = builder.place(parts[0].input_size)
    for part in parts:
        y = rows.add(builder, part, y)
    made: Program = rows.program(builder, (x, y), parts)
    return made
