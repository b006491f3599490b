"""Constant parts of an ONNX graph, computed in NumPy: shapes, zero states, rearranged weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError

Array = NDArray[Any]
Attributes = Mapping[str, Any]

MOST_POSITIONS = 1_024
LARGEST = 2**25  # elements of all results together; a few bytes of graph can ask for any number


def fold(operator: str, inputs: Sequence[Array | None], attributes: Attributes) -> Any:
    """The result of an operator whose inputs are all known, or its results, as a tuple.

    Raises:
        ModelError: The operator is not one of `FOLDED`, or its result would be very large.
    """
    if operator not in FOLDED:
        raise ModelError(f"operator {operator} on constants is not supported")
    known = [array for array in inputs if array is not None]
    if _most_elements(operator, known, attributes) > LARGEST:
        raise ModelError(f"its result would have more than {LARGEST:,} elements")
    with np.errstate(all="ignore"):
        if operator not in ELEMENTWISE:
            made = FOLDED[operator](attributes, *inputs)
            return tuple(map(_numbers, made)) if isinstance(made, tuple) else _numbers(made)
        shape = np.broadcast_shapes(*(array.shape for array in known))
        values = FOLDED[operator](attributes, *map(distinct, known))
        return np.broadcast_to(values, shape)


def _numbers(result: Any) -> Array:
    """As an array; an input that is left out gives an error."""
    made = np.asarray(result)
    if made.dtype.kind == "O":
        raise ModelError("lacks an input")
    return made


def held(array: Array) -> int:
    """Elements that lie in memory: an axis along which one value repeats counts once."""
    return math.prod(distinct(array).shape)


def distinct(array: Array) -> Array:
    """With size 1 on the axes along which one value repeats, as in states of zeros."""
    return array[
        tuple(
            slice(0, 1) if n > 1 and not s else slice(None)
            for n, s in zip(array.shape, array.strides, strict=True)
        )
    ]


def _most_elements(operator: str, inputs: Sequence[Array], attributes: Attributes) -> int:
    """A bound on what the operator allocates; views of its input and of one value count nothing."""
    if operator in ELEMENTWISE:
        return math.prod(np.broadcast_shapes(*(distinct(a).shape for a in inputs)))
    if operator == "Gather":
        data, indices = inputs
        taken = max(data.shape[attributes.get("axis", 0)], 1)
        return int(data.size // taken * indices.size)
    return sum(map(held if operator in VIEWS else np.size, inputs))


def integers(array: Array | Sequence[int] | None) -> list[int]:
    """A tensor of axes, sizes or indices as numbers."""
    if np.size(array) > MOST_POSITIONS:  # type: ignore[arg-type]
        raise ModelError(f"takes {np.size(array):,} sizes or positions")  # type: ignore[arg-type]
    values = np.asarray(array).ravel()
    if values.dtype.kind not in "iu":
        raise ModelError(f"takes {values.dtype} values as sizes or positions; integers are needed")
    return [int(v) for v in values]


def target_shape(shape: Sequence[int], have: Sequence[int], allowzero: int) -> list[int]:
    """The shape of a Reshape, where 0 stands for the size that the axis has."""
    return [have[k] if n == 0 and not allowzero else n for k, n in enumerate(shape)]


def slice_bounds(
    rank: int, attributes: Attributes, inputs: Sequence[Array | None]
) -> list[tuple[int, int, int, int]]:
    """(axis, start, stop, step) of a Slice, whose options were attributes before opset 10."""
    starts, ends, axes, steps = (
        None if value is None else integers(value)
        for value in (
            attributes.get(name) if k >= len(inputs) or inputs[k] is None else inputs[k]
            for k, name in enumerate(("starts", "ends", "axes", "steps"))
        )
    )
    if starts is None or ends is None:
        raise ModelError("has no starts and ends")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if any(not -rank <= axis < rank for axis in axes) or 0 in steps:
        raise ModelError(f"slices axes {axes} of a tensor with {rank} axes, in steps of {steps}")
    return list(zip((a % rank for a in axes), starts, ends, steps, strict=True))


def axes_of(attributes: Attributes, axes: Array | None) -> list[int] | None:
    """The axes of a Squeeze or Unsqueeze, an attribute before opset 13."""
    given = attributes.get("axes") if axes is None else axes
    return None if given is None else integers(given)


def split_sizes(attributes: Attributes, sizes: Array | None, size: int) -> list[int]:
    """Of the parts of a Split: stated, an attribute before opset 13, or equal but for the last."""
    given = attributes.get("split") if sizes is None else sizes
    if given is None:
        n = int(attributes["num_outputs"])
        part = -(-size // n)
        given = np.array([*[part] * (n - 1), size - part * (n - 1)])
    found = integers(given)
    if sum(found) != size or min(found) < 0:
        raise ModelError(f"splits an axis of {size} into parts of {found}")
    return found


def _split(attributes: Attributes, data: Array, sizes: Array | None = None) -> tuple[Array, ...]:
    axis = attributes.get("axis", 0)
    ends = np.cumsum(split_sizes(attributes, sizes, data.shape[axis]))
    return tuple(np.split(data, ends[:-1], axis))


def _constant(attributes: Attributes) -> Array:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in attributes:
            kind = {"float": np.float32, "int": np.int64}.get(name[6:].rstrip("s"))
            return np.asarray(attributes[name], kind)
    raise ModelError("holds no numbers")


def _constant_of_shape(attributes: Attributes, shape: Array) -> Array:
    value = np.asarray(attributes.get("value", np.float32(0))).reshape(())
    return np.broadcast_to(value, integers(shape))


def _slice(attributes: Attributes, data: Array, *options: Array | None) -> Array:
    for axis, start, stop, step in slice_bounds(data.ndim, attributes, options):
        low = None if step < 0 and stop < -data.shape[axis] else stop
        data = data[(slice(None),) * axis + (slice(start, low, step),)]
    return data


def _squeeze(attributes: Attributes, data: Array, axes: Array | None = None) -> Array:
    given = axes_of(attributes, axes)
    return np.squeeze(data, None if given is None else tuple(given))


def _unsqueeze(attributes: Attributes, data: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(data, tuple(axes_of(attributes, axes) or ()))


def _shape(attributes: Attributes, data: Array) -> Array:
    return np.array(data.shape[attributes.get("start", 0) : attributes.get("end")], np.int64)


def _reshape(attributes: Attributes, data: Array, shape: Array) -> Array:
    return data.reshape(target_shape(integers(shape), data.shape, attributes.get("allowzero", 0)))


def _cast(attributes: Attributes, data: Array) -> Array:
    from onnx.helper import tensor_dtype_to_np_dtype

    return data.astype(tensor_dtype_to_np_dtype(attributes["to"]))


def _divide(attributes: Attributes, a: Array, b: Array) -> Array:
    return a // b if a.dtype.kind in "iu" else a / b


FOLDED: dict[str, Callable[..., Any]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Shape": _shape,
    "Identity": lambda _, data: data,
    "Cast": _cast,
    "Concat": lambda attributes, *parts: np.concatenate(parts, attributes["axis"]),
    "Expand": lambda _, data, shape: np.broadcast_to(
        data, np.broadcast_shapes(data.shape, integers(shape))
    ),
    "Gather": lambda attributes, data, indices: np.take(data, indices, attributes.get("axis", 0)),
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Transpose": lambda attributes, data: np.transpose(data, attributes.get("perm")),
    "Add": lambda _, a, b: a + b,
    "Sub": lambda _, a, b: a - b,
    "Mul": lambda _, a, b: a * b,
    "Div": _divide,
    "Equal": lambda _, a, b: a == b,
    "Where": lambda _, choice, a, b: np.where(choice, a, b),
}
VIEWS = ("Identity", "Shape", "Slice", "Split", "Squeeze", "Unsqueeze", "Transpose", "Expand")
ELEMENTWISE = ("Cast", "Add", "Sub", "Mul", "Div", "Equal", "Where")
