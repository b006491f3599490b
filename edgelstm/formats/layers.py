"""From the graph of a file or a module to a network: signals through layers, shared by readers.

A graph is followed at several sizes of batch and steps: an index, a bound or a shape that was meant
for one size alone does not fit at another.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.symbolic import Axis, Signal, axis_of, position, say
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Direction, Floats, Recurrent
from edgelstm.model.network import Layer, Network, layer_names
from edgelstm.text import counted

SIZES = ((2, 5), (3, 7))  # of the first two axes of the input
STEPS_FIRST = (
    "axis 0 of the model's input is the steps (its recurrent layer has no batch_first=True); here "
    "the batch is first: (batch, steps, input_size)"
)
UNREAD_FINALS = (
    "of a bidirectional layer, whose reverse direction ends at the first step; no network here "
    "gives them: read the output, each step or the last one"
)


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
            weight_peephole of a cell with peepholes.
        steps_axis: 0 or 1.
        nonlinearity: As in `recurrent.Direction`.
    """
    name = _name(signal, cell_name)
    directions = [_direction(name, cell_name, weights, nonlinearity)]
    if reverse is not None:
        directions.append(_direction(name + REVERSE, cell_name, reverse, nonlinearity))
    layer = Recurrent(tuple(directions))
    _check_features(signal, layer)
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
    return _append(dataclasses.replace(signal, axes=(*axes, ()), sizes=sizes), layer)


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
        nonlinearity=nonlinearity,
    )


def dense(signal: Signal, weight: Floats, bias: Floats | None) -> Signal:
    """Through a dense layer; without a bias one may follow by `add_bias`."""
    zeros = np.zeros(len(weight), np.float32)
    layer = Dense(_name(signal, "dense"), weight, zeros if bias is None else bias)
    _check_features(signal, layer)
    return dataclasses.replace(_append(signal, layer), needs_bias=bias is None)


def add_bias(signal: Signal, bias: Floats) -> Signal:
    """The bias of the product just before."""
    size, layer = signal.sizes["features"], signal.layers[-1] if signal.needs_bias else None
    if (
        not isinstance(layer, Dense)
        or bias.ndim > len(signal.axes)
        or bias.shape != (1,) * (bias.ndim - 1) + (size,)
        or signal.axes[-1] != axis_of("features", signal.sizes)
    ):
        raise ModelError(
            f"adds a tensor of shape {bias.shape}; only the bias of a dense layer can be added"
        )
    layer = dataclasses.replace(layer, bias=bias.reshape(size))
    return dataclasses.replace(signal, layers=(*signal.layers[:-1], layer), needs_bias=False)


def activate(signal: Signal, activation: str, axis: int = -1) -> Signal:
    """Through an activation behind a dense layer; the axis is that of a softmax."""
    before = signal.layers[-1] if signal.layers else None
    if signal.stacked or not isinstance(before, Dense):
        behind = f"a {_kind(before)}" if before else "the input"
        raise ModelError(
            f"{activation} stands directly behind {behind}; it is supported behind a dense layer"
        )
    if before.activation is not None:
        raise ModelError(
            f"{activation} stands behind {before.activation}; a dense layer has one activation"
        )
    if activation == "softmax" and (
        position(axis, len(signal.axes)) != len(signal.axes) - 1
        or signal.axes[-1] != axis_of("features", signal.sizes)
    ):
        raise ModelError(f"softmax runs along axis {axis} of {signal.shape}; features are needed")
    layer = dataclasses.replace(before, activation=activation)
    return dataclasses.replace(signal, layers=(*signal.layers[:-1], layer), needs_bias=False)


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
    return Network(reading(signal.layers, last_step=is_last), tuple(assumed))


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
    return list(map(repr, a.layers)) == list(map(repr, b.layers)) and all(
        np.array_equal(array, other.arrays[name])
        for layer, other in zip(a.layers, b.layers, strict=True)
        for name, array in layer.arrays.items()
    )


def _append(signal: Signal, layer: Layer) -> Signal:
    sizes = {**signal.sizes, "features": layer.output_size}
    return dataclasses.replace(
        signal,
        axes=(*signal.axes[:-1], axis_of("features", sizes)),
        sizes=sizes,
        layers=(*signal.layers, layer),
        needs_bias=False,
    )


def _name(signal: Signal, kind: str) -> str:
    return layer_names([*map(_kind, signal.layers), kind])[-1]


def _kind(layer: Layer) -> str:
    return layer.cell_name if isinstance(layer, Recurrent) else "dense"


def _check_features(signal: Signal, layer: Layer) -> None:
    if signal.stacked:
        raise ModelError("takes the states of all layers at once; select one")
    if "directions" in signal.sizes:
        raise ModelError(
            "takes the two directions of a layer separately; only both side by side are read"
        )
    if not signal.axes or signal.axes[-1] != axis_of("features", signal.sizes):
        last = say(signal.axes[-1]) if signal.axes else "no axis"
        raise ModelError(f"takes {last} as the features of layer '{layer.name}'")
    if signal.sizes["features"] != layer.input_size:
        raise ModelError(
            f"layer '{layer.name}' takes {counted(layer.input_size, 'value')}, "
            f"but is given {signal.sizes['features']}"
        )
