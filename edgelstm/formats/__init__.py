"""FORMATS: which file formats are read and written, by suffix. A new one is a file here and a line in this table."""

import dataclasses
import importlib
import os
import pathlib
from collections.abc import Callable
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.network import Network
from edgelstm.quantized import QuantizedNetwork

AnyNetwork = Network | QuantizedNetwork


@dataclasses.dataclass(frozen=True)
class Format:
    """Where a suffix is read and written: ``module:function``, loaded when it is needed.

    A reader is ``f(path, last_step, activation) -> AnyNetwork``; a writer is
    ``f(network, steps, streaming, target) -> bytes``.
    """

    reader: str | None = None
    writer: str | None = None


FORMATS = {
    ".safetensors": Format(reader="torch:read_safetensors"),
    ".pt": Format(reader="torch:read_pt"),
    ".pth": Format(reader="torch:read_pt"),
    ".npz": Format(reader="npz:read", writer="npz:encode"),
    ".onnx": Format(reader="onnx.read:read", writer="onnx.write:encode"),
    ".tflite": Format(reader="tflite.read:read", writer="tflite.write:encode"),
}
