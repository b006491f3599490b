"""From the graph of a file or a module to a network: signals through layers, shared by readers.

A graph is followed at several sizes of batch and steps: an index, a bound or a shape that was meant
for one size alone does not fit at another.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.appending import (
    BEHIND,
    append,
    check_features,
    check_whole,
    for_each,
    name_of,
)
from edgelstm.formats.following.symbolic import Axis, Signal, axis_of, is_in_part, position, say
from edgelstm.layers.activation import Activation, LayerNorm
from edgelstm.layers.dense import ACTIVATIONS, Dense
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.read_steps import reading, reads_last
from edgelstm.layers.recurrent import Direction, Floats, Recurrent
from edgelstm.model.network import Network

SIZES = ((2, 5), (3, 7))  # of the first two axes of the input
STEPS_FIRST = (
    "axis 0 of the model's input is the steps (its recurrent layer has no batch_first=True); here "
    "the batch is first: (batch, steps, input_size)"
)
OVER_ALL = ("softmax", "log_softmax", "l2_norm")


def recurrent(
    signal: Signal,
    cell_name: str,
    weights: Mapping[str, Floats],
    steps_axis: int,
    *,
    reverse: Mapping[str, Floats] | None = None,
    nonlinearity: str = "tanh",
) -> Signal:
    """Through a recurrent layer, or a bidirectional one.

    Args:
        signal: Two axes for steps and batch, then the features.
        cell_name: Key of `CELLS`.
        weights, reverse: weight_ih, weight_hh, bias_ih, bias_hh of each direction, and
            weight_peephole of a cell with peepholes, weight_hr of one with a projection.
        steps_axis: 0 or 1.
        nonlinearity: As in `recurrent.Direction`.
    """
    name, given = name_of(signal, cell_name), [weights, *([] if reverse is None else [reverse])]
    signal, taken = for_each(signal, *(held["weight_ih"] for held in given))
    directions = [
        _direction(name + mark, cell_name, {**held, "weight_ih": weight}, nonlinearity)
        for held, weight, mark in zip(given, taken, ("", REVERSE), strict=False)
    ]
    layer = Recurrent(tuple(directions))
    check_features(signal, layer)
    if reads_last(signal.layers):
        raise ModelError("runs over what was read of all steps, which is one vector")
    if len(signal.axes) != 3:
        raise ModelError(f"takes a tensor of shape {signal.shape}; steps and batch are needed")
    if "steps" not in signal.sizes:
        signal = _with_steps(signal, steps_axis)
    sizes = signal.sizes
    steps, batch = signal.axes[steps_axis], signal.axes[1 - steps_axis]
    if steps != axis_of("steps", sizes) or batch != axis_of("batch", sizes):
        raise ModelError(
            f"runs along {say(steps)} with a batch of {say(batch)}; a recurrent layer behind "
            "another one needs all its steps, in the same order of axes"
        )
    axes = (steps, batch) if steps_axis == 0 else (batch, steps)
    return append(dataclasses.replace(signal, axes=(*axes, ()), sizes=sizes), layer)


def _with_steps(signal: Signal, steps_axis: int) -> Signal:
    """The signal, of whose axes these are now known to be steps and batch."""
    steps, batch = signal.axes[steps_axis], signal.axes[1 - steps_axis]
    if len(steps) > 1 or len(batch) > 1:
        raise ModelError(f"takes an axis that mixes {say(max(steps, batch, key=len))}")
    sizes = {
        "steps": signal.shape[steps_axis],
        "batch": signal.shape[1 - steps_axis],
        "features": signal.sizes["features"],
    }
    both = [axis_of("steps", sizes), axis_of("batch", sizes)]
    axes = (*(both if steps_axis == 0 else reversed(both)), signal.axes[2])
    found = _steps_axis(signal, steps, batch)
    return dataclasses.replace(signal, steps_axis=found, sizes=sizes, axes=axes)


def _steps_axis(signal: Signal, steps: Axis, batch: Axis) -> int | None:
    """Which axis of the graph's input these are; None where both have size 1."""
    if not steps and not batch:
        return None
    return int(steps[0][-1]) if steps else 1 - int(batch[0][-1])


def steps_first(signal: Signal) -> Signal:
    """Says so where the steps are not where a caller expects them."""
    said = (STEPS_FIRST,) if signal.steps_axis == 0 else ()
    return dataclasses.replace(signal, notes=(*signal.notes, *said))


def _direction(
    name: str, cell_name: str, weights: Mapping[str, Floats], nonlinearity: str
) -> Direction:
    return Direction(
        name,
        cell_name,
        weights["weight_ih"],
        weights["weight_hh"],
        weights["bias_ih"],
        weights["bias_hh"],
        weight_peephole=weights.get("weight_peephole"),
        weight_hr=weights.get("weight_hr"),
        nonlinearity=nonlinearity,
    )


def dense(signal: Signal, weight: Floats, bias: Floats | None) -> Signal:
    """Through a dense layer; without a bias one may follow by `add_bias`."""
    signal, [weight] = for_each(signal, weight)
    zeros = np.zeros(len(weight), np.float32)
    layer = Dense(name_of(signal, "dense"), weight, zeros if bias is None else bias)
    check_features(signal, layer)
    return dataclasses.replace(append(signal, layer), needs_bias=bias is None)


def add_bias(signal: Signal, bias: Floats) -> Signal:
    """The bias of the product just before; one number is that of every output."""
    size, layer = signal.sizes["features"], signal.layers[-1] if signal.needs_bias else None
    if bias.size == 1 and bias.ndim <= len(signal.axes):
        bias = np.full(size, bias.ravel()[0], bias.dtype)
    if (
        not isinstance(layer, Dense)
        or bias.ndim > len(signal.axes)
        or bias.shape != (1,) * (bias.ndim - 1) + (size,)
        or signal.axes[-1] != axis_of("features", signal.sizes)
    ):
        raise ModelError(
            f"adds a tensor of shape {bias.shape}; only the bias of a dense layer can be added"
        )
    total = bias.reshape(size)
    if layer.bias.any():  # it took a shift up
        total = (layer.bias.astype(np.float64) + total).astype(np.float32)
    layer = dataclasses.replace(layer, bias=total)
    return dataclasses.replace(signal, layers=(*signal.layers[:-1], layer), needs_bias=False)


def activate(
    signal: Signal, activation: str, axis: int = -1, numbers: tuple[float, ...] = ()
) -> Signal:
    """Through an activation: that of the dense layer before it, else a layer of its own.

    Args:
        signal: Of one layer, or of the input.
        activation: Of `FUNCTIONS`.
        axis: Of a softmax and of what else runs over all values of a step.
        numbers: As in `Activation`.
    """
    before = signal.layers[-1] if signal.layers else None
    if signal.stacked or before is None:
        raise ModelError(f"{activation} stands directly behind the input, or states of all layers")
    if activation in OVER_ALL and (
        position(axis, len(signal.axes)) != len(signal.axes) - 1
        or signal.axes[-1] != axis_of("features", signal.sizes)
    ):
        raise ModelError(
            f"{activation} runs along axis {axis} of {signal.shape}; features are needed"
        )
    if isinstance(before, Dense) and before.activation is None and activation in ACTIVATIONS:
        layer = dataclasses.replace(before, activation=activation)
        return dataclasses.replace(signal, layers=(*signal.layers[:-1], layer), needs_bias=False)
    check_whole(signal)
    name = name_of(signal, "activation")
    made = Activation(name, signal.sizes["features"], activation, tuple(map(float, numbers)))
    return append(signal, made)


def normalise_layer(
    signal: Signal, weight: Floats | None, bias: Floats | None, eps: float
) -> Signal:
    """Through a layer norm over the features."""
    size = signal.sizes["features"]
    ones, zeros = np.ones(size, np.float32), np.zeros(size, np.float32)
    weight, bias = (ones if weight is None else weight), (zeros if bias is None else bias)
    layer = LayerNorm(name_of(signal, "norm"), weight, bias, float(eps))
    check_features(signal, layer)
    return append(signal, layer)


def finish(signal: Signal, *, fixed_batch: bool = False) -> Network:
    """The network whose output this is; `ModelError` if no network gives it in this form.

    Of a graph of one step alone the output's axes say what it gives where its batch is fixed to
    more than one sequence; else a dense layer at the end reads the last step.
    """
    features = axis_of("features", signal.sizes)
    leading = list(signal.axes)
    assumed = list(signal.notes)
    if leading and leading[-1] == features:
        leading.pop()
    elif features == ():
        assumed.append("the single output keeps its axis, which the model squeezes away")
    names = [name for axis in leading for name in axis]
    apart = signal.stacked or "directions" in signal.sizes
    if apart or "features" in names or (features and len(leading) == len(signal.axes)):
        raise ModelError(
            f"the output has the axes {', '.join(map(say, signal.axes))}; "
            "the last one must hold the features alone"
        )
    one_step = signal.sizes.get("steps") == 1
    is_last = "steps" in signal.sizes and "steps" not in names
    if one_step:
        is_last = len(leading) < 2 if fixed_batch else isinstance(signal.layers[-1], Dense)
        reads = "the last step" if is_last else "each step"
        assumed.append(f"the graph has one step alone; with more of them it gives {reads}")
    if is_in_part(signal):
        check_whole(signal)
    if signal.affine is not None:
        raise ModelError(f"the output is scaled and shifted; {BEHIND}")
    layers = signal.layers
    if not reads_last(layers):
        layers = reading(layers, last_step=is_last)
    return Network(layers, tuple(assumed), *_normal(signal))


def _normal(signal: Signal) -> tuple[Floats | None, Floats | None]:
    """`Network.input_mean` and `input_std`."""
    if signal.normal is None:
        return None, None
    scale, shift = signal.normal
    if not scale.all():
        raise ModelError("the input is multiplied by zero; leave that feature out of the model")
    return (-shift / scale).astype(np.float32), (1 / scale).astype(np.float32)


def follow(
    graph: Callable[[int, int], Signal],
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> Network:
    """The network of a graph, from following it at several sizes.

    Args:
        graph: Gives the graph's output for a size of the input's first two axes.
        sizes: Two sizes, and more.
    """
    signals = [graph(*size) for size in sizes]
    batches = {signal.sizes.get("batch", 1) for signal in signals}
    fixed_batch = len(batches) == 1 and batches != {1}
    network, *others = (finish(signal, fixed_batch=fixed_batch) for signal in signals)
    if not all(equal(network, other) for other in others):
        raise ModelError(
            "computes differently at other sizes of batch and steps; one network for all sizes "
            "is needed"
        )
    return network


def equal(a: Network, b: Network) -> bool:
    """The same layers, with the same values, reading the same of the steps."""
    ends = [(n.input_mean, n.input_std) for n in (a, b)]
    if not all(np.array_equal(v, w) for v, w in zip(*ends, strict=True) if v is not w):
        return False
    return list(map(repr, a.layers)) == list(map(repr, b.layers)) and all(
        np.array_equal(array, other.arrays[name])
        for layer, other in zip(a.layers, b.layers, strict=True)
        for name, array in layer.arrays.items()
    )
