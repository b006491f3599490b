"""PyTorch's operators around recurrent layers: what is read of the steps, norms, activations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import activate, normalise_layer
from edgelstm.formats.following.reads import (
    batch_normalised,
    concatenate,
    divided_by_length,
    embed,
    inverse,
    length_of,
    pool,
    repeat,
    scale_and_shift,
)
from edgelstm.formats.following.sums import add_directions
from edgelstm.formats.following.symbolic import Norm, Signal, State, Unread
from edgelstm.formats.tensors import float32, from_torch_tensor


def _floats(tensor: Any) -> Any:
    return None if tensor is None else float32(from_torch_tensor(tensor), "of weights")


def _constant(value: Any) -> Any:
    """A number, or a tensor as float64."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, Signal | Norm) or not hasattr(value, "detach"):
        raise ModelError("joins two tensors that depend on the input")
    return from_torch_tensor(value).astype(np.float64)


def _add(a: Any, b: Any, alpha: float = 1) -> Signal:
    if isinstance(a, Signal) and isinstance(b, Signal) and alpha == 1:
        return add_directions(a, b)
    if not isinstance(a, Signal):
        return scale_and_shift(b, alpha, _constant(a))
    return scale_and_shift(a, 1, alpha * _constant(b))


def _subtract(a: Any, b: Any, alpha: float = 1) -> Signal:
    if not isinstance(a, Signal):
        return scale_and_shift(b, -alpha, _constant(a))
    return scale_and_shift(a, 1, -alpha * _constant(b))


def _multiply(a: Any, b: Any) -> Signal:
    signal, other = (a, b) if isinstance(a, Signal) else (b, a)
    return scale_and_shift(signal, _constant(other), 0)


def _divide(a: Any, b: Any) -> Signal:
    if isinstance(b, Norm):
        return divided_by_length(a, b)
    if not isinstance(a, Signal):
        raise ModelError("divides by what depends on the input")
    return scale_and_shift(a, inverse(_constant(b)), 0)


def _batch_norm(
    x: Signal, weight: Any, bias: Any, mean: Any, var: Any, _: float, eps: float
) -> tuple[Signal, None, None]:
    """In eval mode; the features are axis 1."""
    numbers = [
        1.0 if weight is None else _constant(weight),
        0.0 if bias is None else _constant(bias),
    ]
    return batch_normalised(x, numbers, (_constant(mean), _constant(var)), eps), None, None


def _layer_norm(
    x: Signal,
    shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *_: Any,
) -> Signal:
    if list(shape) != [x.sizes["features"]]:
        raise ModelError(f"normalises values of shape {tuple(shape)}; the features alone are read")
    return normalise_layer(x, _floats(weight), _floats(bias), eps)


def _mean(x: Signal, dims: Any = None, keepdim: bool = False, dtype: Any = None) -> Signal:
    return pool(x, _dims(x, dims), "mean", keep=keepdim)


def _amax(x: Signal, dims: Any = (), keepdim: bool = False) -> Signal:
    return pool(x, _dims(x, dims), "max", keep=keepdim)


def _dims(x: Signal, dims: Any) -> list[int]:
    if isinstance(dims, int):
        return [dims]
    return list(dims) if dims else list(range(len(x.axes)))


def _adaptive(what: str) -> Callable[[Signal, Sequence[int]], Signal]:
    def adaptive(x: Signal, sizes: Sequence[int]) -> Signal:
        if list(sizes) != [1]:
            raise ModelError(f"pools to {list(sizes)} steps; to one is read")
        return pool(x, [-1], what, keep=True)

    return adaptive


def _norm(x: Signal, order: float = 2, dims: Any = None, keepdim: bool = False, **_: Any) -> Norm:
    if order != 2:
        raise ModelError(f"takes a norm of order {order}; 2 is read")
    return length_of(x, _dims(x, dims), keep=keepdim)


def _at_least(x: Any, least: float) -> Any:
    if isinstance(x, Norm):
        return dataclasses.replace(x, least=float(least))
    return activate(x, "clamp", -1, (least, np.inf))


def _expand(x: Any, sizes: Sequence[int], **_: Any) -> Any:
    """A norm for each value; or one vector for each step."""
    if isinstance(x, Norm):
        return x
    return _repeated(x, [1 if n in (-1, have) else n for n, have in _paired(sizes, x.shape)])


def _paired(sizes: Sequence[int], shape: Sequence[int]) -> list[tuple[int, int]]:
    if len(sizes) != len(shape):
        raise ModelError(f"spreads {tuple(shape)} to {tuple(sizes)}; unsqueeze(1) first")
    return list(zip(sizes, shape, strict=True))


def _repeated(x: Signal, times: Sequence[int]) -> Signal:
    for axis, (n, _) in enumerate(_paired(times, x.shape)):
        if n != 1:
            x = repeat(x, axis, n)
    return x


def _clamp(x: Signal, low: float | None = None, high: float | None = None) -> Signal:
    return activate(
        x, "clamp", -1, (-np.inf if low is None else low, np.inf if high is None else high)
    )


def _elu(x: Signal, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Signal:
    if (scale, input_scale) != (1, 1):
        raise ModelError("is a scaled elu (selu); elu is read")
    return activate(x, "elu", -1, (alpha,))


# Operators to what they do to a signal; see `graph.OPERATORS`.
AROUND: dict[str, Callable[..., Any]] = {
    "aten.add.Tensor": _add,
    "aten.sub.Tensor": _subtract,
    "aten.mul.Tensor": _multiply,
    "aten.div.Tensor": _divide,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten.layer_norm.default": _layer_norm,
    "aten.mean.dim": _mean,
    "aten.amax.default": _amax,
    "aten.max.dim": lambda x, dim, keepdim=False: (_amax(x, dim, keepdim), None),
    "aten.adaptive_avg_pool1d.default": _adaptive("mean"),
    "aten.adaptive_max_pool1d.default": lambda x, sizes: (_adaptive("max")(x, sizes), None),
    "aten.cat.default": lambda parts, dim=0: concatenate(parts, dim),
    "aten.embedding.default": lambda weight, x, *_: embed(x, _floats(weight)),
    "aten.linalg_vector_norm.default": _norm,
    "aten.clamp_min.default": _at_least,
    "aten.clamp.default": _clamp,
    "aten.hardtanh.default": lambda x, low=-1, high=1: _clamp(x, low, high),
    "aten.relu6.default": lambda x: _clamp(x, 0, 6),
    "aten.hardsigmoid.default": lambda x: activate(x, "hard_sigmoid", -1, (1 / 6, 0.5)),
    "aten.leaky_relu.default": lambda x, slope=0.01: activate(x, "leaky_relu", -1, (slope,)),
    "aten.elu.default": _elu,
    "aten.log_softmax.int": lambda x, dim, dtype=None: activate(x, "log_softmax", dim),
    "aten.repeat.default": _repeated,
    "aten.expand.default": _expand,
}


# ---- states among the inputs

# What may stand between a state of the network and an input or output.
VIEWS = {
    f"aten.{name}"
    for name in (
        *("select.int", "slice.Tensor", "squeeze.default", "squeeze.dim", "squeeze.dims"),
        *("unsqueeze.default", "permute.default", "transpose.int", "view.default"),
        *("clone.default", "detach.default", "alias.default", "_unsafe_view.default"),
        *("stack.default", "cat.default", "split.Tensor", "split_with_sizes.default"),
        *("unbind.int", "chunk.default", "reshape.default", "contiguous.default"),
    )
}


def viewed(target: Any, args: Any, kwargs: Any) -> Any:
    """A view of states: torch's own, of the places of their values."""
    import torch

    states = [value for value in flat((args, tuple(kwargs.values()))) if isinstance(value, State)]
    others = [value for value in flat((args,)) if isinstance(value, Signal | Unread)]
    if others or len({state.name for state in states}) > 1:
        raise ModelError("joins an input with what is computed, or two inputs")

    def places(value: Any) -> Any:
        if isinstance(value, State):
            return torch.from_numpy(value.places)
        return type(value)(map(places, value)) if isinstance(value, list | tuple) else value

    made = target(*map(places, args), **kwargs)
    if isinstance(made, torch.Tensor):
        return State(states[0].name, made.numpy())
    return [State(states[0].name, one.numpy()) for one in made]


def flat(values: Sequence[Any]) -> Iterator[Any]:
    """What lists and tuples hold, at any depth."""
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from flat(value)
        else:
            yield value
