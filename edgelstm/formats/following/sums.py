"""Two directions of a recurrent layer, added: a Signal that the next layer's weights take up.

Errors here say what an operator does; whoever follows the graph adds which one it is.
"""

import dataclasses

from edgelstm.errors import ModelError
from edgelstm.formats.following.symbolic import Signal, axis_of, position, select, unsqueeze
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.read_steps import ReadSteps


def add_directions(a: Signal, b: Signal) -> Signal:
    """The sum of the forward and the reverse direction, at each step or of their final states."""
    parts = {(a.half, a.side), (b.half, b.side)}
    same = len(a.layers) == len(b.layers) and all(map(_is, a.layers, b.layers))
    if (
        not same
        or a.axes != b.axes
        or parts not in ({(0, None), (1, None)}, {(None, 0), (None, 1)})
    ):
        raise ModelError("joins two tensors that depend on the input")
    layers = a.layers
    if a.half is not None:
        if not is_bidirectional(layers[-1]):
            raise ModelError("adds final states of directions that are not those of one layer")
        layers = (*layers, ReadSteps(layers[-1].output_size, ("finals",)))
    return dataclasses.replace(a, layers=layers, half=None, side=None, summed=True)


def _is(one: object, other: object) -> bool:
    return one is other


def added(signal: Signal) -> Signal:
    """The sum of two directions that lie side by side."""
    sizes = {**signal.sizes, "features": signal.sizes["features"] // 2}
    axes = (*signal.axes[:-1], axis_of("features", sizes))
    return dataclasses.replace(signal, sizes=sizes, axes=axes, summed=True)


def sum_over(signal: Signal, axes: list[int], *, keep: bool) -> Signal:
    """The sum over an axis, where that is of two directions."""
    places = [position(k, len(signal.axes)) for k in axes]
    k = places[0] if len(places) == 1 else 0
    if (
        len(places) != 1
        or signal.axes[k] not in (("directions",), ("layers",))
        or signal.shape[k] != 2
    ):
        raise ModelError("takes a sum; that of the two directions of a layer is read")
    out = add_directions(select(signal, k, 0), select(signal, k, 1))
    return unsqueeze(out, places) if keep else out
