"""ONNX operators on tensors that depend on the input: OPERATORS, each as moves of a `Signal`."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import activate, add_bias, dense
from edgelstm.formats.following.reads import concatenate, embed, flattened, scale_and_shift
from edgelstm.formats.following.sums import add_directions
from edgelstm.formats.following.symbolic import (
    Signal,
    Unread,
    cut,
    permute,
    position,
    reshape,
    select,
    squeeze,
    stack,
    unsqueeze,
)
from edgelstm.formats.onnx.folding import (
    axes_of,
    integers,
    slice_bounds,
    split_sizes,
    target_shape,
)
from edgelstm.formats.onnx.operators_around import AROUND
from edgelstm.formats.onnx.recurrent_nodes import recurrent, signal
from edgelstm.formats.tensors import FLOAT_TYPES, float32

Array = NDArray[Any]
Attributes = Mapping[str, Any]


def _constant(value: Any) -> Array:
    if not isinstance(value, np.ndarray):
        raise ModelError("joins two tensors that depend on the input")
    return value


def _gemm(attributes: Attributes, a: Any, b: Any, c: Any = None) -> Signal:
    for name, needed in (("alpha", 1), ("beta", 1), ("transA", 0)):
        if attributes.get(name, needed) != needed:
            raise ModelError(f"has {name}={attributes[name]}; {needed} is needed")
    weight = _matrix(b)
    y = dense(signal(a), weight if attributes.get("transB", 0) else _turned(weight), None)
    return y if c is None else add_bias(y, float32(_constant(c), "C"))


def _matmul(_: Attributes, a: Any, b: Any) -> Signal:
    return dense(signal(a), _turned(_matrix(b)), None)


def _matrix(value: Any) -> Any:
    weight = float32(_constant(value), "of weights")
    if weight.ndim != 2:
        raise ModelError(f"multiplies with a tensor of shape {weight.shape}; a matrix is needed")
    return weight


def _turned(weight: Array) -> Any:
    return np.ascontiguousarray(weight.T)


def _add(_: Attributes, a: Any, b: Any) -> Signal:
    if isinstance(a, Signal) and isinstance(b, Signal):
        return add_directions(a, b)
    x, bias = (a, b) if isinstance(a, Signal) else (b, a)
    if not signal(x).needs_bias:
        return scale_and_shift(x, 1, _constant(bias))
    return add_bias(signal(x), float32(_constant(bias), "of a bias"))


def _cast(attributes: Attributes, x: Signal) -> Signal:
    from onnx.helper import tensor_dtype_to_np_dtype

    dtype = tensor_dtype_to_np_dtype(attributes["to"])
    if dtype.name not in FLOAT_TYPES:
        raise ModelError(f"turns floats into {dtype.name}")
    return x


def _dropout(_: Attributes, x: Signal, ratio: Any = None, training: Any = None) -> Signal:
    if training is not None and np.any(training):
        raise ModelError("drops values; export the model in eval mode")
    return x


def _reshape(attributes: Attributes, x: Signal, shape: Any = None) -> Signal:
    sizes = integers(attributes.get("shape") if shape is None else shape)
    return flattened(reshape(x, target_shape(sizes, x.shape, attributes.get("allowzero", 0))))


def _flatten(attributes: Attributes, x: Signal) -> Signal:
    axis = attributes.get("axis", 1)
    rows = math.prod(x.shape[:axis])
    return flattened(reshape(x, (rows, -1)))


def _slice(attributes: Attributes, x: Signal, *options: Any) -> Signal:
    for axis, start, stop, step in slice_bounds(len(x.axes), attributes, options):
        x = cut(x, axis, start, stop, step=step)
    return x


def _gather(attributes: Attributes, x: Any, indices: Any) -> Signal:
    if isinstance(indices, Signal):
        if attributes.get("axis", 0) != 0:
            raise ModelError("looks columns up by what depends on the input; rows are read")
        return embed(indices, _matrix(x))
    axis, index = attributes.get("axis", 0), integers(_constant(indices))
    if not indices.ndim:
        return select(signal(x), axis, index[0])
    size = signal(x).shape[position(axis, len(x.axes))]
    if not index or indices.ndim > 1:
        raise ModelError(f"selects entries by a tensor of shape {indices.shape}; a list is needed")
    for k in index:
        if not -size <= k < size:
            raise ModelError(f"selects entry {k} of an axis of {size}")
    first, *others = (k % size for k in index)
    if others != list(range(first + 1, first + len(index))):
        raise ModelError(
            f"selects {len(index)} entries of axis {axis} that do not lie side by side"
        )
    return cut(x, axis, first, first + len(index))


def _split(attributes: Attributes, x: Any, sizes: Any = None) -> tuple[Any, ...]:
    """Its parts; one that is no step, direction or whole is an error only where it is read."""
    parts: list[Signal | Unread] = []
    begin = 0
    axis = attributes.get("axis", 0)
    for size in split_sizes(attributes, sizes, signal(x).shape[position(axis, len(x.axes))]):
        try:
            parts.append(cut(x, axis, begin, begin + size))
        except ModelError as refused:
            parts.append(Unread(f"a part of a Split, which {refused}"))
        begin += size
    return tuple(parts)


def _concat(attributes: Attributes, *parts: Any) -> Signal:
    """Final states of several layers; all else would mix features."""
    axis = attributes["axis"]
    signals = [signal(part) for part in parts]
    if len(signals) > 1 and not any(s.shape[position(axis, len(s.axes))] == 1 for s in signals):
        return concatenate(signals, axis)
    return stack([squeeze(signal(part), [axis]) for part in parts], axis)


def _transpose(attributes: Attributes, x: Signal) -> Signal:
    return permute(x, attributes.get("perm", range(len(x.axes))[::-1]))


def _unsqueeze(attributes: Attributes, x: Signal, axes: Any = None) -> Signal:
    return unsqueeze(x, axes_of(attributes, axes) or ())


def _shape(attributes: Attributes, x: Signal) -> Array:
    return np.array(x.shape[attributes.get("start", 0) : attributes.get("end")], np.int64)


def _softmax(attributes: Attributes, x: Signal) -> Signal:
    return activate(x, "softmax", attributes["axis"])


OPERATORS: dict[str, Callable[..., Any]] = {
    "LSTM": functools.partial(recurrent, "LSTM"),
    "GRU": functools.partial(recurrent, "GRU"),
    "RNN": functools.partial(recurrent, "RNN"),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Relu": lambda _, x: activate(x, "relu"),
    "Sigmoid": lambda _, x: activate(x, "sigmoid"),
    "Tanh": lambda _, x: activate(x, "tanh"),
    "Softmax": _softmax,
    "Identity": lambda _, x: x,
    "Dropout": _dropout,
    "Cast": _cast,
    "Shape": _shape,
    "Squeeze": lambda attributes, x, axes=None: squeeze(x, axes_of(attributes, axes)),
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Slice": _slice,
    "Gather": _gather,
    "Split": _split,
    "Concat": _concat,
    **AROUND,
}
WEIGHTED = ("LSTM", "GRU", "RNN", "Gemm", "MatMul")


def apply(operator: str, inputs: Sequence[Any], attributes: Attributes) -> Any:
    """The result, or the results, of an operator with an input that depends on the graph's."""
    for value in inputs:
        if isinstance(value, Unread):
            raise ModelError(f"reads {value.what}")
    if operator not in OPERATORS:
        raise ModelError(
            f"operator {operator} is not supported; LSTM, GRU, RNN, Gemm, MatMul and Add, Relu, "
            "Sigmoid and Softmax are, and what moves axes between them; export the part without it"
        )
    return OPERATORS[operator](attributes, *inputs)
