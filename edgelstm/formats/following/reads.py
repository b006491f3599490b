"""What a graph reads of the steps, joins, repeats, scales or looks up: moves of Signals.

Errors here say what an operator does; whoever follows the graph adds which one it is.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.following.appending import append, check_whole, name_of
from edgelstm.formats.following.layers import activate
from edgelstm.formats.following.symbolic import (
    BACKWARD,
    FORWARD,
    Norm,
    Signal,
    axis_of,
    permute,
    position,
    say,
    select,
    unsqueeze,
)
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat, reading, reads_last
from edgelstm.layers.recurrent import Floats
from edgelstm.layers.reverse_steps import ReverseSteps

Array = NDArray[Any]


def pool(signal: Signal, axes: Sequence[int], what: str, *, keep: bool) -> Signal:
    """The `mean` or the `max` over the steps."""
    check_whole(signal)
    places = [position(k, len(signal.axes)) for k in axes]
    names = [name for k in places for name in signal.axes[k]]
    if len(places) != 1 or (names and names != ["steps"]):
        raise ModelError(
            f"takes the {what} over {' and '.join(map(say, (signal.axes[k] for k in places)))}; "
            "that over the steps behind a recurrent layer is read"
        )
    if "steps" not in signal.sizes:
        raise ModelError(f"takes the {what} over steps in front of every recurrent layer")
    if what == "max" and signal.affine is not None:
        raise ModelError("takes the max of what is scaled and shifted; let the scaling follow")
    out = without_steps(signal, (what,)) if names else signal
    return unsqueeze(out, places) if keep else out


def without_steps(signal: Signal, reads: tuple[str, ...]) -> Signal:
    """The signal, of whose steps this is read; their axis is gone."""
    if reads_last(signal.layers):
        raise ModelError("reads the steps a second time; they are read once")
    axes = tuple(axis for axis in signal.axes if axis != ("steps",))
    steps = signal.sizes["steps"] if "flatten" in reads else None
    layer = ReadSteps(signal.sizes["features"], reads, steps)
    read = dataclasses.replace(signal, axes=axes)
    if steps:
        return _with_layer(read, (*signal.layers, layer))
    return dataclasses.replace(read, layers=(*signal.layers, layer), needs_bias=False)


def reverse_steps(signal: Signal) -> Signal:
    """The steps from the last to the first; twice they are as they were."""
    check_whole(signal)
    *before, last = signal.layers or (None,)
    if isinstance(last, ReverseSteps):
        return dataclasses.replace(signal, layers=tuple(before))
    if last is None:  # what is done to the network's input stays in front of it
        signal = dataclasses.replace(signal, normal=signal.affine or signal.normal, affine=None)
    layers = (*signal.layers, ReverseSteps(signal.sizes["features"]))
    return dataclasses.replace(signal, layers=layers, needs_bias=False)


def _with_layer(signal: Signal, layers: tuple[Any, ...]) -> Signal:
    sizes = {**signal.sizes, "features": layers[-1].output_size}
    axes = (*signal.axes[:-1], axis_of("features", sizes))
    return dataclasses.replace(signal, axes=axes, sizes=sizes, layers=layers, needs_bias=False)


def flattened(signal: Signal) -> Signal:
    """Steps and features on one axis are all steps side by side; both halves are the finals."""
    features = axis_of("features", signal.sizes)
    if signal.axes[-1:] == (("layers", *features),) and signal.halves:
        if len(signal.stacked) != 2:
            raise ModelError("joins the final states of several layers; select those of the last")
        axes = (*signal.axes[:-1], features)
        one = dataclasses.replace(signal, axes=axes, stacked=(), halves=False)
        return _finals(one, signal.stacked[0])
    if signal.axes[-1:] != (("steps", *features),) or signal.stacked:
        return signal
    check_whole(signal)
    axes = (*signal.axes[:-1], features)
    out = without_steps(dataclasses.replace(signal, axes=axes), ("flatten",))
    if signal.affine is None:
        return out
    tiled = [np.tile(numbers, signal.sizes["steps"]) for numbers in signal.affine]
    return dataclasses.replace(out, affine=(tiled[0], tiled[1]))


def _finals(signal: Signal, layers: tuple[Any, ...]) -> Signal:
    """Both final states of the last of these layers, side by side."""
    last = layers[-1]
    if not is_bidirectional(last):
        raise ModelError("joins final states of directions that are not those of one layer")
    read = ReadSteps(last.output_size, ("finals",))
    return _with_layer(dataclasses.replace(signal, half=None), (*layers, read))


def final_states(signals: Sequence[Signal], steps_axis: int) -> Signal:
    """The final states of bidirectional layers along a new first axis, forward and backward."""
    one = select(signals[0], steps_axis, -1)
    sizes = {**one.sizes, "features": one.sizes["features"] // 2, "layers": 2 * len(signals)}
    return dataclasses.replace(
        one,
        axes=(("layers",), *one.axes[:-1], axis_of("features", sizes)),
        sizes=sizes,
        stacked=tuple(signal.layers for signal in signals for _ in (FORWARD, BACKWARD)),
        halves=True,
    )


def concatenate(signals: Sequence[Signal], axis: int) -> Signal:
    """Two vectors of one sequence of steps side by side: final states, or two that are read."""
    first = signals[0]
    if len(signals) == 1:
        return first
    if all(s.halves and s.axes[axis] == ("layers",) for s in signals):
        stacked = tuple(layers for s in signals for layers in s.stacked)
        sizes = {**first.sizes, "layers": len(stacked)}
        return dataclasses.replace(first, sizes=sizes, stacked=stacked)
    is_last = position(axis, len(first.axes)) == len(first.axes) - 1
    if len(signals) != 2 or not is_last or any(s.axes[:-1] != first.axes[:-1] for s in signals):
        raise ModelError(
            "joins tensors that are not two readings of the same steps, along the features"
        )
    if any(s.affine is not None or s.stacked for s in signals):
        raise ModelError("joins what is scaled and shifted; let the scaling follow")
    halves = [s.half for s in signals]
    if halves == [FORWARD, BACKWARD] and _same(first.layers, signals[1].layers):
        return _finals(first, first.layers)
    sides = [s.side for s in signals]
    if sides == [FORWARD, BACKWARD] and _same(first.layers, signals[1].layers):
        return _with_layer(dataclasses.replace(first, side=None), first.layers)
    if halves == [BACKWARD, FORWARD]:
        raise ModelError("joins the reverse direction's final state in front of the forward one's")
    for signal in signals:
        check_whole(signal)
    (base, reads), (other, more) = map(_read, signals)
    if not _same(base, other) or "steps" not in first.sizes:
        raise ModelError("joins values of different layers; two readings of one layer are read")
    steps = first.sizes["steps"] if "flatten" in (*reads, *more) else None
    layer = ReadSteps(base[-1].output_size, (*reads, *more), steps)
    return _with_layer(first, (*base, layer))


def _read(signal: Signal) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The layers in front of what is read, and what that is."""
    if any("steps" in axis for axis in signal.axes):
        raise ModelError("joins values of each step; two readings of the steps are read")
    last = signal.layers[-1]
    if isinstance(last, ReadSteps):
        return signal.layers[:-1], last.reads
    return signal.layers, ("last",)


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return len(a) == len(b) and all(one is other for one, other in zip(a, b, strict=True))


def repeat(signal: Signal, axis: int, times: int) -> Signal:
    """What was read of the steps as each step of a new sequence, along an axis of size 1."""
    check_whole(signal)
    k = position(axis, len(signal.axes))
    if times == 1:
        return signal
    names = [name for axis in signal.axes for name in axis]
    if signal.axes[k] or "steps" in names or "steps" not in signal.sizes:
        raise ModelError(
            f"repeats {say(signal.axes[k])}; one vector, read of all steps, can be repeated"
        )
    layers = signal.layers
    if not reads_last(layers):
        layers = reading(layers, last_step=True)
    layers = (*layers, Repeat(signal.sizes["features"], times))
    axes = (*signal.axes[:k], ("steps",), *signal.axes[k + 1 :])
    sizes = {**signal.sizes, "steps": times}
    return dataclasses.replace(signal, axes=axes, sizes=sizes, layers=layers, needs_bias=False)


def scale_and_shift(signal: Signal, scale: Array | float, shift: Array | float) -> Signal:
    """``signal * scale + shift``, of constants per feature, or of one for all.

    The last dense layer takes them up if nothing stands between, else the next one.
    """
    check_whole(signal)
    size = signal.sizes["features"]
    if not signal.axes or signal.axes[-1] != axis_of("features", signal.sizes):
        raise ModelError("is scaled or shifted where the features are not the last axis")
    numbers = [_per_feature(np.asarray(v, np.float64), size) for v in (scale, shift)]
    before = signal.layers[-1] if signal.layers else None
    if signal.affine is None and isinstance(before, Dense) and before.activation is None:
        weight = before.weight.astype(np.float64) * numbers[0][:, None]
        bias = before.bias.astype(np.float64) * numbers[0] + numbers[1]
        layer = Dense(before.name, weight.astype(np.float32), bias.astype(np.float32))
        return dataclasses.replace(signal, layers=(*signal.layers[:-1], layer))
    old_scale, old_shift = signal.affine or (np.ones(size), np.zeros(size))
    affine = old_scale * numbers[0], old_shift * numbers[0] + numbers[1]
    return dataclasses.replace(signal, affine=affine)


def _per_feature(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    if values.size == 1:
        return np.full(size, values.ravel()[0])
    if values.shape != (*(1,) * (values.ndim - 1), size):
        raise ModelError(
            f"joins the features with a constant of shape {values.shape}; ({size},) is needed"
        )
    return values.reshape(size)


def embed(signal: Signal, weight: Floats) -> Signal:
    """Rows of a table, if the signal is the graph's input."""
    if not signal.indices:
        raise ModelError("looks rows up by what was computed; the input's indices are read")
    layer = Embedding(name_of(signal, "embedding"), weight)
    opened = dataclasses.replace(signal, axes=(*signal.axes, ()), indices=False)
    return append(opened, layer)


def joined_heads(outputs: Sequence[Signal]) -> Signal | None:
    """Dense layers on one value as a dense layer of all their rows; None where they are none."""
    first, *others = outputs
    heads = [s.layers[-1] for s in outputs if s.layers and isinstance(s.layers[-1], Dense)]
    if not others or len(heads) != len(outputs):
        return None
    base = first.layers[:-1]
    same = all(_same(base, s.layers[:-1]) and s.axes[:-1] == first.axes[:-1] for s in others)
    if not same or any(head is heads[0] for head in heads[1:]):
        return None
    kinds = {head.activation for head in heads}
    if len(kinds) > 1 or kinds == {"softmax"}:
        said = " and ".join(sorted(str(kind) for kind in kinds))
        raise ModelError(f"has heads that end with {said}; one activation of each value is needed")
    weight = np.concatenate([head.weight for head in heads])
    layer = Dense(
        heads[0].name, weight, np.concatenate([h.bias for h in heads]), heads[0].activation
    )
    sizes = [str(head.output_size) for head in heads]
    note = f"its {len(heads)} outputs lie side by side in y, {' + '.join(sizes)} values in order"
    joined = _with_layer(first, (*base, layer))
    return dataclasses.replace(joined, notes=(*joined.notes, note))


def batch_normalised(
    signal: Signal, affine: Sequence[Any], statistics: tuple[Array, Array], eps: float
) -> Signal:
    """A batch norm in eval mode, of features on axis 1: `affine` is its weight and bias."""
    (weight, bias), (mean, var) = affine, statistics
    scale = weight / np.sqrt(var + eps)
    shift = bias - mean * scale
    rank = len(signal.axes)
    order = [k for k in range(rank) if k != 1] + [1] if rank > 1 else [0]
    back = [order.index(k) for k in range(rank)]
    return permute(scale_and_shift(permute(signal, order), scale, shift), back)


def inverse(values: Array | float) -> Array:
    """``1 / values``; `ModelError` if one is zero."""
    with np.errstate(divide="ignore"):
        made: Array = 1 / np.asarray(values, np.float64)
    if not np.isfinite(made).all():
        raise ModelError("divides by zero")
    return made


def length_of(signal: Signal, axes: Sequence[int], *, keep: bool) -> Norm:
    """The length of each vector."""
    places = [position(k, len(signal.axes)) for k in axes]
    if not keep or places != [len(signal.axes) - 1]:
        raise ModelError("takes a norm other than the length of each vector, kept as an axis")
    return Norm(signal)


def divided_by_length(signal: Any, norm: Norm) -> Signal:
    """A signal of vectors of length 1."""
    same = isinstance(signal, Signal) and _same(norm.of.layers, signal.layers)
    if not same or norm.of.axes != signal.axes:
        raise ModelError("divides by the length of another tensor")
    return activate(signal, "l2_norm", -1, (norm.least,))
