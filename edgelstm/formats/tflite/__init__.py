"""The .tflite format: one fused operator per LSTM layer."""

import pathlib

from edgelstm.formats.signature import FileFacts


def facts(path: pathlib.Path) -> FileFacts:
    """What a file is fixed to; `ModelError` if it is damaged or not of this format."""
    from edgelstm.formats.tflite.read import read_facts

    return read_facts(path)
