"""Signal: a tensor on its way through a graph: what its axes stand for, and the layers so far.

Its shape is plain numbers: whoever follows a graph chooses sizes for batch and steps. Errors here
say what an operator does; whoever follows the graph adds which one it is.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.layers.directions import is_bidirectional
from edgelstm.model.network import Layer

Axis = tuple[str, ...]
Doubles = NDArray[np.float64]
FORWARD, BACKWARD = 0, 1  # halves of the final states of a bidirectional layer


@dataclasses.dataclass(frozen=True, eq=False)
class Signal:
    """A tensor that depends on the input.

    Attributes:
        axes: What each axis stands for, as names, outermost first. Two names are an axis that mixes
            both; none is an axis of size 1, also where the name's own size is 1.
        sizes: Name to size: `features`, `steps` and `batch` (before the first recurrent layer:
            `axis 0`, `axis 1`), `layers` where states of several layers lie together, `directions`
            where the two outputs of a bidirectional layer are apart: `features` are those of one.
        layers: What has been computed so far.
        stacked: Layers behind each entry of the axis `layers`.
        halves: Whether the entries of that axis are forward and backward in turn.
        needs_bias: The last layer is a product that may still get its bias.
        steps_axis: Axis of the graph's input along which the first recurrent layer runs.
        notes: What to say in `Network.assumed`.
        half: Of a bidirectional layer, whose final state this alone is; None: it is all values.
        side: The same, whose values at each of the steps this alone is.
        summed: Whether `features` are the sums of both directions of the last recurrent layer,
            which the layers give side by side; the next layer's weights are stored for each.
        affine: Scale and shift of each feature that the next layer with weights takes up; None:
            none.
        normal: The same, of the input.
        indices: Whether it is the input of an embedding.
    """

    axes: tuple[Axis, ...]
    sizes: Mapping[str, int]
    layers: tuple[Layer, ...] = ()
    stacked: tuple[tuple[Layer, ...], ...] = ()
    halves: bool = False
    needs_bias: bool = False
    steps_axis: int | None = None
    notes: tuple[str, ...] = ()
    half: int | None = None
    side: int | None = None
    summed: bool = False
    affine: tuple[Doubles, Doubles] | None = None
    normal: tuple[Doubles, Doubles] | None = None
    indices: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis."""
        return tuple(math.prod(self.sizes[name] for name in axis) for axis in self.axes)


@dataclasses.dataclass(frozen=True, eq=False)
class Norm:
    """The length of each vector of a signal, which only divides that signal."""

    of: Signal
    least: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """An input of the graph that can be a layer's initial state, seen through views alone.

    Attributes:
        name: Of the input.
        places: Of each value in the input, counted in C order.
    """

    name: str
    places: NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Unread:
    """A tensor that no network here knows; `what` says in errors which one and why."""

    what: str


def start(shape: Sequence[int]) -> Signal:
    """The graph's input: up to two leading axes, then the features."""
    names = [*("axis 0", "axis 1")[: len(shape) - 1], "features"]
    if len(names) != len(shape) or min(shape) < 1:
        raise ModelError(
            f"has shape {tuple(shape)}; (batch, steps, input_size) is needed, steps or batch first"
        )
    sizes = dict(zip(names, shape, strict=True))
    return Signal(tuple(axis_of(name, sizes) for name in names), sizes)


def start_univariate(shape: Sequence[int]) -> Signal:
    """The graph's input of one value per step, without an axis of it."""
    return dataclasses.replace(start_indices(shape), indices=False)


def start_indices(shape: Sequence[int]) -> Signal:
    """The graph's input where an embedding takes it: indices on two axes, or on one."""
    if len(shape) not in (1, 2) or min(shape) < 1:
        raise ModelError(f"has shape {tuple(shape)}; (batch, steps) of indices is needed")
    names = ("axis 0", "axis 1")[: len(shape)]
    sizes = dict(zip(names, shape, strict=True)) | {"features": 1}
    return Signal(tuple(axis_of(name, sizes) for name in names), sizes, indices=True)


def axis_of(name: str, sizes: Mapping[str, int]) -> Axis:
    """The axis that stands for one name."""
    return (name,) if sizes[name] != 1 else ()


def permute(signal: Signal, order: Sequence[int]) -> Signal:
    """Axes in another order."""
    order = [position(k, len(signal.axes)) for k in order]
    if sorted(order) != list(range(len(signal.axes))):
        raise ModelError(f"orders the axes of {signal.shape} as {order}")
    return dataclasses.replace(signal, axes=tuple(signal.axes[k] for k in order))


def squeeze(signal: Signal, axes: Sequence[int] | None = None) -> Signal:
    """Without these axes of size 1, or without any."""
    drop = (
        range(len(signal.axes)) if axes is None else [position(k, len(signal.axes)) for k in axes]
    )
    if axes is not None and any(signal.axes[k] for k in drop):
        raise ModelError(f"squeezes axes {list(drop)} of {signal.shape}; they must have size 1")
    kept = (a for k, a in enumerate(signal.axes) if k not in drop or a)
    return dataclasses.replace(signal, axes=tuple(kept))


def unsqueeze(signal: Signal, axes: Sequence[int]) -> Signal:
    """With axes of size 1 at these positions of the result."""
    rank = len(signal.axes) + len(axes)
    new, old = {position(k, rank) for k in axes}, iter(signal.axes)
    if len(new) != len(axes):
        raise ModelError(f"inserts an axis twice: {list(axes)}")
    return dataclasses.replace(
        signal, axes=tuple(() if k in new else next(old) for k in range(rank))
    )


def reshape(signal: Signal, shape: Sequence[int]) -> Signal:
    """In another shape, -1 for the size that is left; axes are joined or taken apart whole."""
    total, known = math.prod(signal.shape), math.prod(n for n in shape if n != -1)
    wanted = [total // known if n == -1 and known > 0 else n for n in shape]
    names = [name for axis in signal.axes for name in axis]
    axes = []
    for size in wanted:
        taken: list[str] = []
        while names and math.prod(signal.sizes[n] for n in taken) < size:
            taken.append(names.pop(0))
        axes.append(tuple(taken))
    result = dataclasses.replace(signal, axes=tuple(axes))
    if not names and list(result.shape) == wanted:
        return _joined(result)
    raise ModelError(
        f"reshapes {signal.shape} to {tuple(wanted)} (batch and steps set to example sizes), "
        "which does not keep batch, steps and features apart"
    )


def directions_apart(signal: Signal) -> Signal:
    """(steps, batch, features) of a bidirectional layer as ONNX has it: directions behind steps."""
    size = signal.sizes["features"] // 2
    sizes = {**signal.sizes, "directions": 2, "features": size}
    steps, batch, _ = signal.axes
    axes = (steps, ("directions",), batch, axis_of("features", sizes))
    return dataclasses.replace(signal, axes=axes, sizes=sizes)


def _joined(signal: Signal) -> Signal:
    """Directions and features on one axis are the features of a bidirectional layer."""
    if "directions" not in signal.sizes:
        return signal
    if signal.axes[-1:] != (("directions", *axis_of("features", signal.sizes)),):
        return signal
    sizes = {**signal.sizes, "features": 2 * signal.sizes["features"]}
    del sizes["directions"]
    return dataclasses.replace(signal, axes=(*signal.axes[:-1], ("features",)), sizes=sizes)


def select(signal: Signal, axis: int, index: int) -> Signal:
    """One entry of an axis: the last step, the states of one layer."""
    k = position(axis, len(signal.axes))
    names, size = signal.axes[k], signal.shape[k]
    if not -size <= index < size:
        raise ModelError(f"selects entry {index} of an axis of {size}")
    rest = dataclasses.replace(signal, axes=signal.axes[:k] + signal.axes[k + 1 :])
    if names == ("layers",):
        half = index % 2 if signal.halves else None
        return dataclasses.replace(
            rest, layers=signal.stacked[index], stacked=(), halves=False, half=half
        )
    if names == ("directions",):
        sizes = {name: n for name, n in signal.sizes.items() if name != "directions"}
        return dataclasses.replace(rest, sizes=sizes, side=index % size)
    if names == () or (names == ("steps",) and index % size == size - 1):
        return rest
    if names == ("steps",):
        raise ModelError(f"selects step {index} of {size}; only the last one can be selected")
    raise ModelError(f"selects entry {index} of an axis that is not steps but {say(names)}")


def cut(
    signal: Signal, axis: int, start: int | None, stop: int | None, *, step: int | None = None
) -> Signal:
    """``[start:stop:step]`` of an axis, where that is everything, one entry or one direction."""
    k = position(axis, len(signal.axes))
    size = signal.shape[k]
    kept = range(size)[start:stop:step] if step != 0 else range(0)
    if kept == range(size):
        return signal
    halves = range(size // 2), range(size // 2, size)
    if signal.axes[k] == ("features",) and kept in halves and _gives_both(signal):
        sizes = {**signal.sizes, "features": size // 2}
        axes = (*signal.axes[:k], axis_of("features", sizes), *signal.axes[k + 1 :])
        return dataclasses.replace(signal, axes=axes, sizes=sizes, side=halves.index(kept))
    if len(kept) == 1:
        return unsqueeze(select(signal, axis, kept[0]), [k])
    raise ModelError(
        f"keeps {len(kept)} of {size} entries of axis {axis}; all or the last step can be kept"
    )


def _gives_both(signal: Signal) -> bool:
    """Whether the features are those of two directions side by side, as a layer gives them."""
    size = signal.sizes["features"]
    return (
        any(is_bidirectional(layer) and layer.output_size == size for layer in signal.layers[-1:])
        and signal.affine is None
        and not signal.stacked
    )


def stack(signals: Sequence[Signal], axis: int) -> Signal:
    """Signals of several layers along a new axis, as PyTorch keeps final states."""
    first = signals[0]
    if len(signals) == 1:
        return unsqueeze(first, [axis])
    in_part = any(is_in_part(s) or s.stacked for s in signals)
    if in_part or any(s.axes != first.axes or s.sizes != first.sizes for s in signals):
        raise ModelError("joins tensors that are not the states of layers of one size")
    joined = unsqueeze(first, [axis])
    axes = list(joined.axes)
    axes[position(axis, len(axes))] = ("layers",)
    return dataclasses.replace(
        joined,
        axes=tuple(axes),
        sizes={**first.sizes, "layers": len(signals)},
        stacked=tuple(s.layers for s in signals),
    )


def is_in_part(signal: Signal) -> bool:
    """Whether it is one direction of a layer alone, or the sum of both."""
    return signal.half is not None or signal.side is not None or signal.summed


def position(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= axis < rank:
        raise ModelError(f"names axis {axis} of a tensor with {rank} axes")
    return axis % rank


def say(names: Axis) -> str:
    """An axis in words."""
    return " x ".join(names) or "an axis of size 1"
