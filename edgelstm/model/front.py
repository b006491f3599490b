"""What stands in front of a network's first layer: an embedding's table, a normalisation, a mask.

Real x passes it once, as a whole, before anything is computed or rounded; what stands behind takes
rows of real values. Integers that a quantized network takes as they are pass by.
"""

import dataclasses
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgelstm import arguments
from edgelstm.errors import ModelError

N = TypeVar("N", bound=Any)
Array = NDArray[Any]


def takes_indices(network: Any) -> bool:
    """Whether x is indices: an embedding is the first layer."""
    return bool(network.layers) and network.layers[0].kind == "embedding"


def has_front(network: Any) -> bool:
    """Whether x passes anything before the first layer that computes."""
    is_checked = network.mask_value is not None
    return takes_indices(network) or network.input_mean is not None or is_checked


def without_front(network: N) -> N:
    """The network behind it, which takes rows of real values."""
    layers = network.layers[1:] if takes_indices(network) else network.layers
    plain: dict[str, Any] = dict.fromkeys(("input_mean", "input_std", "mask_value"))
    made: N = dataclasses.replace(network, layers=layers, **plain)
    return made


def split_front(network: N) -> tuple[N | None, N]:
    """What x passes, by `entered`, before an engine is called; and what the engine runs.

    A normalisation with nothing else is left to the engine.
    """
    if not has_front(network) or (network.mask_value is None and network.input_mean is not None):
        return None, network
    return network, network.behind


def batch_of(network: Any, x: Array) -> int | None:
    """How many sequences x holds side by side; None: one, and it has no axis of them.

    Raises:
        ModelError: x has another number of axes.
    """
    size = "" if takes_indices(network) else f", {network.input_size}"
    n_axes = 1 + bool(size)
    if x.ndim not in (n_axes, n_axes + 1):
        raise ModelError(
            f"x has shape {x.shape}; (steps{size or ','}) or (batch, steps{size}) is needed"
        )
    return len(x) if x.ndim == n_axes + 1 else None


def entered(network: Any, x: Array) -> Array:
    """x (..., values), or indices (...), as the network behind takes it, float32.

    Raises:
        ModelError: Indices of another type, or outside of the table; a masked step.
    """
    if takes_indices(network):
        rows: Array = network.layers[0].rows(x)
        if network.mask_value is not None:
            _check_no_mask(network, x == network.mask_value)
        return rows
    mean, std = network.input_mean, network.input_std
    scale = network.input
    if scale is not None and x.dtype == scale.type:
        return x
    if network.mask_value is not None and x.ndim:
        _check_no_mask(network, (arguments.float32(x) == network.mask_value).all(-1))
    if mean is None:
        return x
    if not x.ndim or x.shape[-1] != len(mean):
        raise ModelError(f"x has shape {x.shape}; {len(mean)} values per step are needed")
    with np.errstate(over="ignore", invalid="ignore"):
        normalised: Array = (arguments.float32(x) - mean) / std
    return normalised


def _check_no_mask(network: Any, masked: Array) -> None:
    """`ModelError` if one of these steps, (...), is one that the trained model leaves out."""
    if not masked.any():
        return
    value = f"{network.mask_value:g}"
    alike, cut = (f"its index is {value}", f"x[x != {value}]")
    if not takes_indices(network):
        alike, cut = f"all its values are {value}", f"x[(x != {value}).any(-1)]"
    first = np.argwhere(np.atleast_1d(masked))[0]
    where = f"step {first[-1]}" + (f" of sequence {first[0]}" if len(first) > 1 else "")
    raise ModelError(
        f"x holds a masked step, {where} ({alike}): the model was trained with a mask, which leaves"
        f" such steps out, and no network here does; cut them off each sequence: x = {cut}"
    )


def check_front(network: Any) -> None:
    """`ModelError` unless what stands in front fits the layers."""
    if any(layer.kind == "embedding" for layer in network.layers[1:]):
        raise ModelError("an embedding stands behind another layer; it is the first one, or absent")
    _check_mask(network)
    mean, std = network.input_mean, network.input_std
    if (mean is None) != (std is None):
        raise ModelError("input_mean and input_std are given together, or neither is")
    if mean is None:
        return
    if takes_indices(network):
        raise ModelError("indices are not normalised; leave input_mean and input_std out")
    for name, array in (("input_mean", mean), ("input_std", std)):
        given = isinstance(array, np.ndarray) and array.dtype == np.float32
        if not given or array.shape != (network.input_size,) or not np.isfinite(array).all():
            raise ModelError(
                f"{name} is {getattr(array, 'dtype', type(array).__name__)} of shape "
                f"{np.shape(array)}; finite float32 of shape ({network.input_size},) is needed"
            )
    if not std.all():
        raise ModelError("input_std holds a zero, by which x would be divided")


def _check_mask(network: Any) -> None:
    """`ModelError` unless `mask_value` is a number that x can hold."""
    value = network.mask_value
    if value is None:
        return
    with np.errstate(over="ignore"):
        held = isinstance(value, float) and np.isfinite(value)
        held = held and float(np.float32(value)) == value
    if not held or (takes_indices(network) and value != 0):
        raise ModelError(
            f"mask_value is {value!r:.40}; a finite float32 as float is needed, of indices 0.0"
        )
