"""The .tflite format: one fused operator per LSTM layer, step graphs for all other cells."""

import pathlib

from edgelstm.cells import same_cell
from edgelstm.formats.signature import FileFacts
from edgelstm.layers.recurrent import AnyDirection


def refusal(direction: AnyDirection, precision: str) -> str | None:
    """Why .tflite has no form for a direction at a precision; None if it has one."""
    cell = direction.cell_name
    if precision == "int8" and not same_cell(cell, "lstm"):
        return f"TensorFlow Lite has no fused operator for a {cell}, only for an lstm"
    return None


def facts(path: pathlib.Path) -> FileFacts:
    """What a file is fixed to; `ModelError` if it is damaged or not of this format."""
    from edgelstm.formats.tflite.read import read_facts

    return read_facts(path)
