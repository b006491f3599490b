"""Feeds: what the graph of an `.onnx` file of others is called with, as its user gives it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import array
from edgelstm.errors import ModelError
from edgelstm.files.arrays import read_arrays
from edgelstm.files.disk import as_path
from edgelstm.formats.onnx.carried import carried
from edgelstm.formats.tensors import at
from edgelstm.runtimes.graphs import Calls

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]
# A dictionary by the graph's inputs, one for each call, or an .npz of one
Feeds = Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | os.PathLike[str]

NEEDED = "give arrays by the names of the graph's inputs"
FREE = 16  # of sizes that the file leaves open behind the first
MOST_VALUES = 2**24


def as_calls(model: onnx.ModelProto, feeds: Feeds) -> Calls:
    """The calls that are meant.

    Args:
        model: The file's.
        feeds: Arrays by the names of the graph's inputs, of one call; several of them; or an
            `.npz`. An array with one axis more than its input holds one call after the other.
            A state that is left out starts at zeros and goes on from call to call.

    Raises:
        ModelError: Names, types or shapes that the graph does not have.
    """
    inputs = inputs_of(model.graph)
    if isinstance(feeds, str | os.PathLike):
        path = as_path(feeds)
        if path.suffix.lower() != ".npz":
            raise ModelError(f"{path}: feeds are read from .npz, not '{path.suffix}'; {NEEDED}")
        with at(str(path)):
            return _calls(model.graph, inputs, [read_arrays(path, NEEDED)])
    given = [feeds] if isinstance(feeds, Mapping) else feeds
    is_list = isinstance(given, list | tuple) and all(isinstance(f, Mapping) for f in given)
    if not is_list or not given:
        raise ModelError(f"feeds are a {type(feeds).__name__}; {NEEDED}, of one call or a list")
    return _calls(model.graph, inputs, given)


def inputs_of(graph: onnx.GraphProto) -> dict[str, onnx.ValueInfoProto]:
    """What the graph must be given."""
    stored = {tensor.name for tensor in graph.initializer}
    return {value.name: value for value in graph.input if value.name not in stored}


def _calls(
    graph: onnx.GraphProto,
    inputs: Mapping[str, onnx.ValueInfoProto],
    given: Sequence[Mapping[str, Any]],
) -> Calls:
    of_state = carried(graph)
    calls = [call for feed in given for call in _apart(inputs, feed, of_state)]
    left_out = {name: out for name, out in of_state.items() if name not in calls[0]}
    starts = {name: _zeros(inputs[name], inputs, calls[0]) for name in left_out}
    return Calls([{**starts, **call} for call in calls], left_out)


def _apart(
    inputs: Mapping[str, onnx.ValueInfoProto], feed: Mapping[str, Any], states: Iterable[str]
) -> list[dict[str, Array]]:
    """One call, or those that lie on the first axis of arrays."""
    has = "; its inputs: " + ", ".join(map(_text, inputs.values()))
    for name in feed:
        if name not in inputs:
            raise ModelError(f"the graph has no input '{name}'{has}")
    for name in inputs:
        if name not in feed and name not in states:
            raise ModelError(f"nothing is given for the input '{name}'{has}")
    arrays = {name: _typed(inputs[name], value) for name, value in feed.items()}
    series = {n: len(a) for n, a in arrays.items() if a.ndim == len(_dims(inputs[n])) + 1}
    if len(set(series.values())) > 1 or 0 in series.values():
        raise ModelError(f"the inputs hold {series} calls; the same number of each is needed")
    calls = [
        {name: a[k] if name in series else a for name, a in arrays.items()}
        for k in range(next(iter(series.values()), 1))
    ]
    for name, a in calls[0].items():
        if not _fits(a.shape, _dims(inputs[name])):
            raise ModelError(
                f"the input '{name}' is given shape {arrays[name].shape}{has}; one axis more holds "
                "one call after the other"
            )
    return calls


def _typed(value: onnx.ValueInfoProto, given: Any) -> Array:
    dtype, found = _dtype(value), array(given, f"the input '{value.name}'")
    if dtype.kind == "f" or (dtype.kind in "iu" and found.dtype.kind in "iub"):
        with np.errstate(over="ignore", invalid="ignore"):
            return found.astype(dtype)
    if dtype.kind != found.dtype.kind:
        raise ModelError(f"the input '{value.name}' is given {found.dtype}; {dtype} is needed")
    return found.astype(dtype)


def _dtype(value: onnx.ValueInfoProto) -> np.dtype[Any]:
    from onnx.helper import tensor_dtype_to_np_dtype

    kind = value.type.tensor_type.elem_type
    try:
        found = np.dtype(tensor_dtype_to_np_dtype(kind))
    except (KeyError, TypeError):
        found = np.dtype(object)
    if found.kind not in "fiub":
        raise ModelError(f"the input '{value.name}' of ONNX's type {kind} cannot be given")
    return found


def _dims(value: onnx.ValueInfoProto) -> list[int | str]:
    """Sizes; names of those that are free."""
    dims = value.type.tensor_type.shape.dim
    return [d.dim_value if d.dim_value > 0 else str(d.dim_param) for d in dims]


def _fits(shape: Sequence[int], dims: Sequence[int | str]) -> bool:
    pairs = zip(shape, dims, strict=False)
    return len(shape) == len(dims) and all(isinstance(d, str) or n == d for n, d in pairs)


def _text(value: onnx.ValueInfoProto) -> str:
    dims = ", ".join(str(d) or "?" for d in _dims(value))
    return f"{value.name} ({dims})"


def _zeros(
    value: onnx.ValueInfoProto,
    inputs: Mapping[str, onnx.ValueInfoProto],
    call: Mapping[str, Array],
) -> Array:
    """A state at its start; a free size is that of the same name in another input, else 1."""
    named = {
        dim: size
        for name, given in call.items()
        for dim, size in zip(_dims(inputs[name]), given.shape, strict=True)
        if isinstance(dim, str) and dim
    }
    shape = [named.get(dim, 1) if isinstance(dim, str) else dim for dim in _dims(value)]
    _check_size(value, shape)
    return np.zeros(shape, _dtype(value))


def _check_size(value: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    if np.prod(shape, dtype=float) > MOST_VALUES:
        raise ModelError(f"the input '{value.name}' has shape {shape}, which is too large; give it")


def random_calls(model: onnx.ModelProto, n: int = 2) -> Calls:
    """Normal numbers for real inputs, zeros for whole ones and states: nothing is known of them.

    Raises:
        ModelError: The graph has inputs of other types, or enormous ones.
    """
    rng, inputs, of_state = np.random.default_rng(0), inputs_of(model.graph), carried(model.graph)
    sizes: dict[str, int] = {}
    for value in inputs.values():
        for axis, dim in enumerate(_dims(value)):
            if isinstance(dim, str):
                sizes.setdefault(dim, 1 if axis == 0 else FREE)
    feeds = []
    for _ in range(n):
        feed = {}
        for name, value in inputs.items():
            if name not in of_state:
                dims = [sizes[d] if isinstance(d, str) else d for d in _dims(value)]
                _check_size(value, dims)
                dtype = _dtype(value)
                made = rng.normal(size=dims) if dtype.kind == "f" else np.zeros(dims)
                feed[name] = made.astype(dtype)
        feeds.append(feed)
    return _calls(model.graph, inputs, feeds)
