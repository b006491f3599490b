"""A layer more behind a signal, which takes up the scales and shifts in front of it."""

import dataclasses
from typing import Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.symbolic import Signal, axis_of, say
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Floats, Recurrent
from edgelstm.model.network import Layer, layer_names
from edgelstm.text import counted

BEHIND = "a batch norm, or a sum or product with constants, needs a dense or recurrent layer behind"


def append(signal: Signal, layer: Layer) -> Signal:
    """The signal behind one more layer, which takes up the scales and shifts before it."""
    layer, normal = _folded(signal, layer)
    sizes = {**signal.sizes, "features": layer.output_size}
    return dataclasses.replace(
        signal,
        axes=(*signal.axes[:-1], axis_of("features", sizes)),
        sizes=sizes,
        layers=(*signal.layers, layer),
        needs_bias=False,
        affine=None,
        normal=normal,
    )


def _folded(signal: Signal, layer: Layer) -> tuple[Layer, Any]:
    """The layer with the scale and shift of its input in its weights; and those of the network's.

    What stands in front of the first layer is not folded: features of different size would share
    one scale of integers.
    """
    if signal.affine is None:
        return layer, signal.normal
    if not signal.layers:
        return layer, signal.affine
    scale, shift = signal.affine
    if isinstance(layer, Dense):
        weight, bias = _taken_up(layer.weight, layer.bias, scale, shift)
        return dataclasses.replace(layer, weight=weight, bias=bias), signal.normal
    if isinstance(layer, Recurrent):
        directions = []
        for direction in layer.directions:
            weight, bias = _taken_up(direction.weight_ih, direction.bias_ih, scale, shift)
            directions.append(dataclasses.replace(direction, weight_ih=weight, bias_ih=bias))
        return Recurrent(tuple(directions)), signal.normal
    raise ModelError(f"is scaled and shifted in front of a {kind_of(layer)}; {BEHIND}")


def _taken_up(weight: Floats, bias: Floats, scale: Any, shift: Any) -> tuple[Floats, Floats]:
    wide = weight.astype(np.float64)
    total = bias.astype(np.float64) + wide @ shift
    return (wide * scale).astype(np.float32), total.astype(np.float32)


def for_each(signal: Signal, *weights: Floats) -> tuple[Signal, list[Floats]]:
    """What a layer takes, and its weights: of a sum, both directions with the same for each."""
    if not signal.summed:
        return signal, list(weights)
    sizes = {**signal.sizes, "features": 2 * signal.sizes["features"]}
    axes = signal.axes
    if axes[-1:] == (axis_of("features", signal.sizes),):
        axes = (*axes[:-1], ("features",))
    whole = dataclasses.replace(signal, sizes=sizes, axes=axes, summed=False)
    return whole, [np.concatenate([weight, weight], 1) for weight in weights]


def name_of(signal: Signal, kind: str) -> str:
    """The name of a layer that follows."""
    return layer_names([*map(kind_of, signal.layers), kind])[-1]


def kind_of(layer: Layer) -> str:
    """What its name begins with."""
    if isinstance(layer, Recurrent):
        return layer.cell_name
    return {"layer_norm": "norm"}.get(layer.kind, layer.kind)


def check_whole(signal: Signal) -> None:
    """`ModelError` unless these are all values of one layer."""
    if signal.indices:
        raise ModelError("takes indices; an embedding does, first of all layers")
    if signal.stacked:
        raise ModelError("takes the states of all layers at once; select one")
    if signal.half is not None:
        raise ModelError(
            "takes the final state of one direction alone; both side by side are read, forward "
            "first: torch.cat((h_n[-2], h_n[-1]), dim=1)"
        )
    if signal.side is not None:
        raise ModelError(
            "takes one direction of a layer alone; both side by side are read, or their sum in "
            "front of a dense or recurrent layer"
        )
    if signal.summed:
        raise ModelError(
            "adds two directions, which a dense or recurrent layer alone reads; let one follow "
            "directly, or leave the directions side by side"
        )


def check_features(signal: Signal, layer: Layer) -> None:
    """`ModelError` unless the layer takes the features of the signal."""
    check_whole(signal)
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
