"""ONNX tensors as arrays: a shape is compared with what the file holds before anything is made."""

from __future__ import annotations

import math
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.stated import whole_text

if TYPE_CHECKING:
    import onnx

TYPES = (
    *("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE", "BOOL"),
    *("INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64"),
)


def to_array(tensor: onnx.TensorProto, folder: pathlib.Path) -> NDArray[Any]:
    """The tensor's values.

    Args:
        tensor: With its values inside, or in a file of the same folder.
        folder: Where the model lies.

    Raises:
        ModelError: A type that is not read, values that do not fill the shape, a file elsewhere.
    """
    from onnx import TensorProto
    from onnx.helper import tensor_dtype_to_np_dtype
    from onnx.numpy_helper import to_array as from_fields

    name, shape = tensor.name, tuple(tensor.dims)
    if tensor.data_type not in [getattr(TensorProto, kind) for kind in TYPES]:
        raise ModelError(f"tensor '{name}' has type {tensor.data_type}, which is not read")
    dtype = tensor_dtype_to_np_dtype(tensor.data_type)
    needed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0:
        raise ModelError(f"tensor '{name}' has shape {shape}")
    if tensor.data_location == TensorProto.EXTERNAL:
        return _external(tensor, folder, needed).view(dtype).reshape(shape)
    if not tensor.HasField("raw_data"):
        try:
            return from_fields(tensor)
        except (ValueError, TypeError, OverflowError) as error:
            raise ModelError(f"tensor '{name}' of shape {shape}: {error}") from None
    if len(tensor.raw_data) != needed:
        raise ModelError(
            f"tensor '{name}' of shape {shape} needs {needed} B; {len(tensor.raw_data)} B are there"
        )
    return np.frombuffer(tensor.raw_data, dtype).reshape(shape)


def _external(tensor: onnx.TensorProto, folder: pathlib.Path, needed: int) -> NDArray[np.uint8]:
    """The tensor's part of a file that lies, links resolved, in the model's folder."""
    entries = {str(entry.key): str(entry.value) for entry in tensor.external_data}
    location, name = entries.get("location", ""), tensor.name
    try:
        offset, length = (
            whole_text(entries.get(key, str(default)), f"tensor '{name}': {key}", (0, 2**53))
            for key, default in (("offset", 0), ("length", needed))
        )
        path = (folder / location).resolve()
        inside = path.is_relative_to(folder.resolve()) and path.is_file()
    except ModelError:
        raise
    except (ValueError, OSError) as error:
        raise ModelError(f"tensor '{name}': its place '{location}' is broken: {error}") from None
    if not inside:
        raise ModelError(
            f"tensor '{name}' lies in '{location}', which is not a file in the model's folder"
        )
    if length != needed or offset + length > path.stat().st_size:
        raise ModelError(
            f"tensor '{name}' of {needed} B lies at {offset} to {offset + length} of '{location}', "
            f"which has {path.stat().st_size} B"
        )
    return np.memmap(path, np.uint8, "r", offset, (length,)) if length else np.zeros(0, np.uint8)
