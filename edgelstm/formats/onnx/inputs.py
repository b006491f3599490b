"""What the inputs of a graph are while it is followed: x, and the states of a streaming file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.symbolic import Signal, Unread, start, start_indices
from edgelstm.formats.tensors import at

if TYPE_CHECKING:
    import onnx

LARGEST_STATE = 2**40  # values, of zeros that take no memory
WHOLE = (6, 7, 12, 13)  # int32, int64, uint32, uint64, which may be rows of an embedding


def further(value: onnx.ValueInfoProto, batch: int, first_name: str, is_own: bool) -> Any:
    """Zeros for the states of a streaming file that edgelstm wrote; other inputs are unknown."""
    if not is_own:
        return Unread(
            f"the input '{value.name}', but a network here takes one input alone, "
            f"'{first_name}'; if it is a starting state, export the model without: it "
            "then starts from zeros; or let an output give it back as it is after the call"
        )
    dims = [d.dim_value for d in value.type.tensor_type.shape.dim[:3]]
    shape = tuple(n if n > 0 else batch for n in dims)
    if math.prod(shape) > LARGEST_STATE:
        raise ModelError(f"input '{value.name}' has shape {shape}; that is too large for a state")
    return np.broadcast_to(np.float32(0), shape)


def first(value: onnx.ValueInfoProto, sizes: tuple[int, ...]) -> Signal:
    """x, with these sizes where its first two axes are free.

    Raises:
        ModelError: A type or a rank that x cannot have.
    """
    from onnx import TensorProto

    with at(f"input '{value.name}'"):
        kind, dims = value.type.tensor_type.elem_type, value.type.tensor_type.shape.dim
        floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
        if kind in WHOLE:
            pairs = zip(dims, sizes, strict=False)
            return start_indices([d.dim_value or size for d, size in pairs])
        if kind not in floats:
            raise ModelError(
                f"has ONNX's type {kind}; floats (type 1, 10, 11 or 16) are needed, or indices "
                "(type 6, 7, 12 or 13)"
            )
        if len(dims) not in (2, 3) or not dims[-1].dim_value:
            raise ModelError(
                f"has {len(dims)} axes, the last of size {dims[-1].dim_value if dims else 0}; "
                "steps, batch and a fixed input_size are needed"
            )
        free = [*sizes[: len(dims) - 1], 0]
        return start([d.dim_value or size for d, size in zip(dims, free, strict=True)])
