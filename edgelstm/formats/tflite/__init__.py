"""The .tflite format: one fused operator per LSTM layer, step graphs for all other cells."""

import pathlib

from edgelstm.formats.signature import FileFacts
from edgelstm.layers.recurrent import AnyDirection
from edgelstm.model.forms import is_plain
from edgelstm.model.precision import FUSED


def refusal(direction: AnyDirection, precision: str) -> str | None:
    """Why .tflite has no form for a direction at a precision; None if it has one."""
    if direction.form == FUSED and not is_plain(direction):
        return (
            f"TensorFlow Lite has no fused operator for a {direction.cell_name}, only for a plain "
            "lstm; quantize(..., form='composed') gives integers that it has"
        )
    return None


def facts(path: pathlib.Path) -> FileFacts:
    """What a file is fixed to; `ModelError` if it is damaged or not of this format."""
    from edgelstm.formats.tflite.read import read_facts

    return read_facts(path)
