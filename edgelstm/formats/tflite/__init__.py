"""The .tflite format: one fused operator per LSTM layer."""

import pathlib

from edgelstm.cells import same_cell
from edgelstm.formats.signature import FileFacts
from edgelstm.layers.recurrent import AnyDirection
from edgelstm.model.forms import precision_for
from edgelstm.model.precision import COMPOSED


def refusal(direction: AnyDirection, precision: str) -> str | None:
    """Why .tflite has no form for a direction, at any precision; None if it has one."""
    cell = direction.cell_name
    if COMPOSED in (direction.form, precision_for((direction,), precision).form):
        return "composed integers have no .tflite yet"
    if not same_cell(cell, "lstm"):
        return f"TensorFlow Lite has no fused operator for a {cell}, only for an lstm"
    if direction.projection_size:
        return "TensorFlow Lite's fused operator is written without a projection"
    return None


def facts(path: pathlib.Path) -> FileFacts:
    """What a file is fixed to; `ModelError` if it is damaged or not of this format."""
    from edgelstm.formats.tflite.read import read_facts

    return read_facts(path)
