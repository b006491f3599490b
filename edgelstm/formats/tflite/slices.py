"""Constants that say where an operator reads: vectors of integers, ranges along each axis."""

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.model import Operator
from edgelstm.formats.tflite.unpack import MOST_AXES


def integers(op: Operator, place: int) -> list[int]:
    """A constant vector of integers among the inputs; empty if there is none."""
    tensor = op.inputs[place] if place < len(op.inputs) else None
    if tensor is None or tensor.data is None or tensor.type not in ("int32", "int64"):
        return []
    return [int(number) for number in tensor.data.ravel()[:MOST_AXES]]


def strided(op: Operator, shape: tuple[int, ...]) -> list[range]:
    """What a STRIDED_SLICE takes of each axis; `ModelError` where it does more than that."""
    vectors = [integers(op, place) for place in (1, 2, 3)]
    masks = op.options
    if any(len(v) != len(shape) for v in vectors):
        raise ModelError("its begin, end and strides are not constants, one number per axis")
    if masks["ellipsis_mask"] or masks["new_axis_mask"] or masks["offset"] or 0 in vectors[2]:
        raise ModelError("it adds axes, counts from an offset, or strides by 0")
    taken = []
    for axis, (size, begin, end, stride) in enumerate(zip(shape, *vectors, strict=True)):
        bit = 1 << axis
        if masks["shrink_axis_mask"] & bit:
            taken.append(range(size)[begin:][:1] if begin >= -size else range(0))
        else:
            first = None if masks["begin_mask"] & bit else begin
            behind = None if masks["end_mask"] & bit else end
            taken.append(range(size)[first:behind:stride])
    return taken
