"""ONNX's operators around recurrent ones, on what depends on the input: AROUND, see `operators`."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import activate, normalise_layer
from edgelstm.formats.following.reads import (
    batch_normalised,
    divided_by_length,
    inverse,
    length_of,
    pool,
    repeat,
    scale_and_shift,
)
from edgelstm.formats.following.sums import sum_over
from edgelstm.formats.following.symbolic import Norm, Signal, position, unsqueeze
from edgelstm.formats.onnx.folding import axes_of, integers
from edgelstm.formats.onnx.recurrent_nodes import signal
from edgelstm.formats.tensors import float32

Attributes = Mapping[str, Any]


def _constant(value: Any) -> NDArray[np.float64]:
    if not isinstance(value, np.ndarray):
        raise ModelError("joins two tensors that depend on the input")
    return value.astype(np.float64)


def _subtract(_: Attributes, a: Any, b: Any) -> Signal:
    if isinstance(a, Signal):
        return scale_and_shift(a, 1, -_constant(b))
    return scale_and_shift(signal(b), -1, _constant(a))


def _multiply(_: Attributes, a: Any, b: Any) -> Signal:
    x, other = (a, b) if isinstance(a, Signal) else (b, a)
    return scale_and_shift(signal(x), _constant(other), 0)


def _divide(_: Attributes, a: Any, b: Any) -> Signal:
    if isinstance(b, Norm):
        return divided_by_length(a, b)
    return scale_and_shift(signal(a), inverse(_constant(b)), 0)


def _pool(what: str) -> Callable[..., Signal]:
    def pooled(attributes: Attributes, x: Any, axes: Any = None) -> Signal:
        given = axes_of(attributes, axes)
        places = list(range(len(signal(x).axes))) if given is None else given
        return pool(x, places, what, keep=bool(attributes.get("keepdims", 1)))

    return pooled


def _sum(attributes: Attributes, x: Any, axes: Any = None) -> Signal:
    given = axes_of(attributes, axes)
    places = list(range(len(signal(x).axes))) if given is None else given
    return sum_over(x, places, keep=bool(attributes.get("keepdims", 1)))


def _batch_norm(attributes: Attributes, x: Any, *given: Any) -> Signal:
    if attributes.get("training_mode", 0):
        raise ModelError("normalises by its own batch; export the model in eval mode")
    weight, bias, mean, var = map(_constant, given)
    eps = attributes.get("epsilon", 1e-5)
    return batch_normalised(signal(x), (weight, bias), (mean, var), eps)


def _layer_norm(attributes: Attributes, x: Any, weight: Any, bias: Any = None) -> Signal:
    if position(attributes.get("axis", -1), len(signal(x).axes)) != len(x.axes) - 1:
        raise ModelError("normalises several axes; the features alone are read")
    kept, added = (None if v is None else float32(_array(v), "of weights") for v in (weight, bias))
    return normalise_layer(x, kept, added, attributes.get("epsilon", 1e-5))


def _array(value: Any) -> NDArray[Any]:
    _constant(value)
    found: NDArray[Any] = value
    return found


def _clip(attributes: Attributes, x: Any, low: Any = None, high: Any = None) -> Any:
    limits = []
    for name, value, none in (("min", low, -np.inf), ("max", high, np.inf)):
        stated = attributes.get(name, none) if value is None else _constant(value).reshape(())
        limits.append(float(stated))
    if isinstance(x, Norm):
        return dataclasses.replace(x, least=limits[0])
    return activate(signal(x), "clamp", -1, (limits[0], limits[1]))


def _elu(attributes: Attributes, x: Any) -> Signal:
    return activate(signal(x), "elu", -1, (attributes.get("alpha", 1.0),))


def _leaky_relu(attributes: Attributes, x: Any) -> Signal:
    return activate(signal(x), "leaky_relu", -1, (attributes.get("alpha", 0.01),))


def _hard_sigmoid(attributes: Attributes, x: Any) -> Signal:
    numbers = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return activate(signal(x), "hard_sigmoid", -1, numbers)


def _length(attributes: Attributes, x: Any, axes: Any = None) -> Norm:
    given = axes_of(attributes, axes)
    places = list(range(len(signal(x).axes))) if given is None else given
    return length_of(x, places, keep=bool(attributes.get("keepdims", 1)))


def _unit_length(attributes: Attributes, x: Any) -> Signal:
    if attributes.get("p", 2) != 2:
        raise ModelError(f"has p={attributes['p']}; 2 is read")
    return activate(signal(x), "l2_norm", attributes.get("axis", -1), (0.0,))


def _expand(_: Attributes, x: Any, shape: Any) -> Any:
    if isinstance(x, Norm):
        return x
    sizes = integers(shape)
    x = unsqueeze(signal(x), range(len(sizes) - len(x.axes)))
    rank = len(x.axes)
    for axis, n in enumerate(sizes, rank - len(sizes)):
        if n not in (1, x.shape[axis]):
            x = repeat(x, axis, n)
    return x


def _tile(_: Attributes, x: Any, times: Any) -> Signal:
    for axis, n in enumerate(integers(times)):
        x = repeat(signal(x), axis, n) if n != 1 else x
    return signal(x)


def _log_softmax(attributes: Attributes, x: Any) -> Signal:
    return activate(signal(x), "log_softmax", attributes["axis"])


AROUND: dict[str, Callable[..., Any]] = {
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "ReduceMean": _pool("mean"),
    "ReduceMax": _pool("max"),
    "ReduceSum": _sum,
    "GlobalAveragePool": lambda _, x: pool(signal(x), [-1], "mean", keep=True),
    "GlobalMaxPool": lambda _, x: pool(signal(x), [-1], "max", keep=True),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _log_softmax,
    "LeakyRelu": _leaky_relu,
    "Elu": _elu,
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "ReduceL2": _length,
    "LpNormalization": _unit_length,
    "Expand": _expand,
    "Tile": _tile,
}
