"""network.json: the network that a folder computes, as text that is read back exactly."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.description import describe, named_arrays
from edgelstm.formats.restored import restore
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

MALFORMED = (
    *(ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError),
    MemoryError,
)
TYPES = ("float32", "int8", "int16", "int32", "int64")


def twin_text(network: Network | QuantizedNetwork) -> str:
    """JSON, one array a line; floats of arrays in hexadecimal."""
    arrays = {name: _array(values) for name, values in named_arrays(network).items()}
    lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in arrays.items()]
    described = json.dumps(describe(network))
    return f'{{"edgelstm": {described},\n"arrays": {{\n' + ",\n".join(lines) + "\n}}\n"


def read_twin(text: bytes) -> Network | QuantizedNetwork:
    """The network of `twin_text`; `ModelError` if the text is not its."""
    try:
        found = json.loads(text)
        arrays = {str(name): _values(stored) for name, stored in found["arrays"].items()}
        described = found["edgelstm"]
    except MALFORMED as error:
        raise ModelError(
            f"network.json is not what was written ({type(error).__name__}: {error}); "
            "write the folder again"
        ) from error
    return restore(described, arrays)


def _array(values: NDArray[Any]) -> dict[str, Any]:
    flat = values.ravel().tolist()
    if values.dtype == np.float32:
        flat = [float(v).hex() for v in flat]
    return {"type": str(values.dtype), "shape": list(values.shape), "values": flat}


def _values(stored: Any) -> NDArray[Any]:
    kind, shape, values = stored["type"], stored["shape"], stored["values"]
    if kind not in TYPES:
        raise ValueError(f"type {kind}")
    if kind == "float32":
        values = [float.fromhex(v) for v in values]
    elif not all(type(v) is int for v in values):
        raise ValueError("an integer array holds something else")
    elif any(abs(v) > np.iinfo(kind).max + 1 for v in values):
        raise ValueError(f"a value beyond {kind}")
    return np.array(values, kind).reshape(shape)
