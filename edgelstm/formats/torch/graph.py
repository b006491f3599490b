"""PyTorch's operators: the graph that torch.export writes, followed one by one."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import activate, dense, recurrent, steps_first
from edgelstm.formats.following.reads import final_states, flattened, joined_heads
from edgelstm.formats.following.symbolic import (
    Norm,
    Signal,
    State,
    Unread,
    cut,
    permute,
    reshape,
    select,
    squeeze,
    stack,
    start,
    start_indices,
    start_univariate,
    unsqueeze,
)
from edgelstm.formats.tensors import at, float32, from_torch_tensor, one_line
from edgelstm.formats.torch.around import AROUND, VIEWS, flat, viewed
from edgelstm.formats.torch.export import LIBRARY
from edgelstm.text import counted

if TYPE_CHECKING:
    import torch
    from torch.fx import Node


def follow_program(
    program: torch.export.ExportedProgram, shape: tuple[int, ...], *, univariate: bool = False
) -> Signal:
    """The first output of a module's graph, for an input of this shape.

    univariate: Whether the input has one value per step, and no axis of it.

    Raises:
        ModelError: An operator or an option that is not supported, with its place.
    """
    begin = start_univariate if univariate else _begin(program)
    values: dict[Node, Any] = {}
    tensors = _tensors(program)
    for node in program.graph.nodes:
        with at(_place(node)):
            if node.op == "placeholder":
                values[node] = _given(node, program, tensors, begin(shape))
            elif node.op == "call_function":
                values[node] = _result(node, values)
            elif node.op != "output":
                raise ModelError("branches and loops are not supported")
    outputs = program.graph_signature.user_outputs
    named = {node.name: value for node, value in values.items()}
    result = named.get(str(outputs[0])) if outputs else None
    if not isinstance(result, Signal):
        raise ModelError("its first output is not a tensor that depends on the input")
    has_states = any(isinstance(value, State) for value in values.values())
    others = [named.get(str(output)) for output in outputs]
    signals = [signal for signal in others if isinstance(signal, Signal)]
    heads = joined_heads(signals) if len(signals) == len(outputs) else None
    result = steps_first(heads or result)
    dropped = [f"its rounding to {kind} is left out" for kind in _roundings(program)]
    if len(outputs) > 1 and heads is None and not has_states:
        dropped.append(f"of its {len(outputs)} outputs the first one is read")
    return dataclasses.replace(result, notes=(*result.notes, *dropped))


def _given(node: Node, program: torch.export.ExportedProgram, tensors: Any, x: Signal) -> Any:
    """A weight or a constant, a state among the inputs, or x."""
    if node.name in tensors:
        return tensors[node.name]
    if node.name in program.graph_signature.user_inputs[1:]:
        shape = tuple(node.meta["val"].shape)
        return State(node.name, np.arange(math.prod(shape)).reshape(shape))
    return x


def _begin(program: torch.export.ExportedProgram) -> Callable[[tuple[int, ...]], Signal]:
    """What the input is by its type: indices, or values."""
    given = program.graph_signature.user_inputs[:1]
    nodes = (node for node in program.graph.nodes if node.name in given)
    whole = any(not node.meta["val"].dtype.is_floating_point for node in nodes)
    return start_indices if whole else start


def _roundings(program: torch.export.ExportedProgram) -> list[str]:
    """Float types of less than 32 bits that the graph converts to."""
    kinds = [node.kwargs.get("dtype") for node in program.graph.nodes]
    return sorted({str(kind) for kind in kinds if kind and kind.itemsize < 4})


def _tensors(program: torch.export.ExportedProgram) -> dict[str, torch.Tensor]:
    """Parameters, buffers and constants by the name of their placeholder."""
    signature = program.graph_signature
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    held = {**program.constants, **program.state_dict}
    return {placeholder: held[name].detach() for placeholder, name in names.items()}


def _place(node: Node) -> str:
    """The operator, and the line of the module's code that calls it."""
    lines = str(node.meta.get("stack_trace") or "").strip().splitlines()
    code = f" in '{lines[-1].strip()}'" if lines else ""
    return f"{node.target} (node '{node.name}'{code})"


def _result(node: Node, values: Mapping[Node, Any]) -> Any:
    import torch

    args: Any = torch.fx.node.map_arg(node.args, lambda n: values[n])
    kwargs: Any = torch.fx.node.map_arg(node.kwargs, lambda n: values[n])
    if node.target is operator.getitem:
        return args[0][args[1]]
    read = list(flat((args, tuple(kwargs.values()))))
    if any(isinstance(value, State) for value in read) and str(node.target) in VIEWS:
        return viewed(node.target, args, kwargs)
    for value in read:
        if isinstance(value, Unread):
            if str(node.target) in VIEWS:  # what is returned as it is needs no more
                return value
            raise ModelError(f"reads {value.what}")
        if isinstance(value, State) and LIBRARY not in str(node.target):
            raise ModelError(f"computes with the input '{value.name}', which no network here does")
    if any(isinstance(value, Signal | Norm) for value in read):
        function = OPERATORS.get(str(node.target))
        if function is None:
            advice = ADVICE.get(str(node.target), SUPPORTED)
            raise ModelError(f"this operator is not supported{advice}")
        return function(*args, **kwargs)
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        raise ModelError("random numbers are not supported")
    assert callable(node.target)
    try:
        return node.target(*args, **kwargs)
    except Exception as error:  # torch's own, at a size that the module's code did not expect
        raise ModelError(f"cannot be computed: {one_line(error)}") from None


def _same(x: Signal, *_: Any, **options: Any) -> Signal:
    """Copies, conversions of float types, detaching."""
    dtype = options.get("dtype")
    if dtype is not None and not dtype.is_floating_point:
        raise ModelError(f"turns floats into {dtype}")
    return x


def _linear(x: Signal, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Signal:
    if isinstance(weight, Signal) or isinstance(bias, Signal):
        raise ModelError("its weights depend on the input")
    return dense(x, _floats(weight), None if bias is None else _floats(bias))


def _floats(tensor: torch.Tensor) -> Any:
    return float32(from_torch_tensor(tensor), "of weights")


def _lstm(x: Signal, h0: Any, c0: Any, *options: Any) -> tuple[Signal, Signal, Unread]:
    y, h = _recurrent("lstm", x, [h0, c0], *options)
    return y, h, Unread("the final cell state c_n, which no network here gives")


def _gru(x: Signal, state: Any, *options: Any) -> tuple[Signal, Any]:
    return _recurrent("gru", x, [state], *options)


def _rnn(nonlinearity: str) -> Callable[..., Any]:
    def rnn(x: Signal, state: Any, *options: Any) -> tuple[Signal, Any]:
        return _recurrent("rnn", x, [state], *options, nonlinearity=nonlinearity)

    return rnn


def _recurrent(
    cell_name: str,
    x: Signal,
    states: Sequence[Any],
    weights: Sequence[Any],
    *options: Any,
    nonlinearity: str = "tanh",
) -> tuple[Signal, Any]:
    """The output of the last layer, and the final h of all layers along a new first axis."""
    has_biases, n_layers, _, _, bidirectional, batch_first = options
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"][: 4 if has_biases else 2]
    n_directions = n_layers * (2 if bidirectional else 1)
    if len(weights) != n_directions * len(names):
        names.append("weight_hr")
    assert len(weights) == n_directions * len(names)
    units = weights[names.index("weight_hr")].shape[1] if "weight_hr" in names else None
    batch, given = x.shape[1 - batch_first], len(weights[1][0])
    needed = [(n_directions, batch, size) for size in (given, units or given)]
    if _begin_at_inputs(states, needed):
        if bidirectional:
            raise ModelError("starts both directions from inputs; the reverse one starts at zero")
        named = dict.fromkeys(f"'{s.name}'" for s in states if isinstance(s, State))
        what = f"the state of {counted(n_layers, cell_name)}, which a Session keeps"
        x = dataclasses.replace(x, notes=(*x.notes, f"{' and '.join(named)} is {what}"))
    finals, steps_axis = [], 1 if batch_first else 0
    found = [
        _of_layer(names, weights[k : k + len(names)]) for k in range(0, len(weights), len(names))
    ]
    if bidirectional:
        for there, back in zip(found[::2], found[1::2], strict=True):
            x = recurrent(x, cell_name, there, steps_axis, reverse=back, nonlinearity=nonlinearity)
            finals.append(x)
        return x, final_states(finals, steps_axis)
    for layer in found:
        x = recurrent(x, cell_name, layer, steps_axis, nonlinearity=nonlinearity)
        finals.append(select(x, steps_axis, -1))
    return x, stack(finals, 0)


def _begin_at_inputs(states: Sequence[Any], needed: Sequence[tuple[int, ...]]) -> bool:
    """Whether states are inputs, and not zeros; `ModelError` where neither or of other shapes."""
    for state in states:
        if isinstance(state, Signal) or (not isinstance(state, State) and state.count_nonzero()):
            raise ModelError("starts from a state that is not zero, which is not supported")
    for state, shape in zip(states, needed, strict=False):
        have = state.places.shape if isinstance(state, State) else tuple(state.shape)
        if have != shape:
            raise ModelError(f"starts from states of shape {have}; {shape} is needed")
    return any(isinstance(state, State) for state in states)


def _of_layer(names: Sequence[str], weights: Sequence[Any]) -> dict[str, Any]:
    """Weights and biases by name, zeros for those that it lacks."""
    layer = dict(zip(names, map(_floats, weights), strict=True))
    zeros = 0 * layer["weight_hh"][:, 0]
    return {"bias_ih": zeros, "bias_hh": zeros} | layer


def _squeeze(x: Signal, dims: int | Sequence[int] | None = None) -> Signal:
    """As PyTorch: an axis that is longer stays."""
    if dims is None:
        return squeeze(x)
    dims = [dims] if isinstance(dims, int) else dims
    return squeeze(x, [k for k in dims if not x.axes[k]])


def _transpose(x: Signal, a: int, b: int) -> Signal:
    order = list(range(len(x.axes)))
    order[a], order[b] = order[b], order[a]
    return permute(x, order)


def _slice(
    x: Signal, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Signal:
    return cut(x, dim, start, end, step=step)


SUPPORTED = (
    "; lstm, gru, linear, relu, sigmoid, tanh, softmax and what moves axes are: use these alone"
)
ADVICE = {
    "aten.native_dropout.default": "; give dropout training=self.training",
}
OPERATORS: dict[str, Callable[..., Any]] = {
    f"{LIBRARY}.lstm.default": _lstm,
    f"{LIBRARY}.gru.default": _gru,
    f"{LIBRARY}.rnn_tanh.default": _rnn("tanh"),
    f"{LIBRARY}.rnn_relu.default": _rnn("relu"),
    "aten.linear.default": _linear,
    "aten.relu.default": lambda x: activate(x, "relu"),
    "aten.sigmoid.default": lambda x: activate(x, "sigmoid"),
    "aten.tanh.default": lambda x: activate(x, "tanh"),
    "aten.softmax.int": lambda x, dim, dtype=None: activate(x, "softmax", dim),
    "aten.select.int": lambda x, dim, index: select(x, dim, index),
    "aten.slice.Tensor": _slice,
    "aten.squeeze.default": _squeeze,
    "aten.squeeze.dim": _squeeze,
    "aten.squeeze.dims": _squeeze,
    "aten.unsqueeze.default": lambda x, dim: unsqueeze(x, [dim]),
    "aten.permute.default": permute,
    "aten.transpose.int": _transpose,
    "aten.t.default": lambda x: _transpose(x, 0, -1),
    "aten.view.default": lambda x, shape: flattened(reshape(x, shape)),
    "aten._unsafe_view.default": lambda x, shape: flattened(reshape(x, shape)),
    "aten._assert_tensor_metadata.default": lambda *_, **__: None,
    "aten.clone.default": _same,
    "aten.detach.default": _same,
    "aten.alias.default": _same,
    "aten._to_copy.default": _same,
    **AROUND,
}
