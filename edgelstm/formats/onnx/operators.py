"""ONNX operators on tensors that depend on the input: OPERATORS, each as moves of a `Signal`."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats.layers import UNREAD_FINALS, activate, add_bias, dense, recurrent
from edgelstm.formats.onnx import NATIVE, from_onnx
from edgelstm.formats.onnx.folding import axes_of, distinct, integers, slice_bounds, target_shape
from edgelstm.formats.symbolic import (
    Signal,
    Unread,
    cut,
    directions_apart,
    permute,
    reshape,
    select,
    squeeze,
    stack,
    unsqueeze,
)
from edgelstm.formats.tensors import FLOAT_TYPES, float32

Array = NDArray[Any]
Attributes = Mapping[str, Any]

# What a recurrent node may say, and what it says by being silent
SILENT: dict[str, dict[str, Any]] = {
    "LSTM": {"activations": ["Sigmoid", "Tanh", "Tanh"], "input_forget": 0},
    "GRU": {"activations": ["Sigmoid", "Tanh"]},
}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


def _recurrent(operator: str, attributes: Attributes, *given: Any) -> tuple[Any, ...]:
    """Y (steps, directions, batch, hidden_size), Y_h (directions, batch, hidden_size) and Y_c."""
    inputs = dict(zip(INPUTS, (*given, *[None] * len(INPUTS)), strict=False))
    _check_attributes(operator, attributes)
    _check_inputs(inputs)
    cell_name = next(
        name
        for name, (native, _, options) in NATIVE.items()
        if native == operator and all(attributes.get(k, 0) == v for k, v in options.items())
    )
    both = attributes.get("direction") == "bidirectional"
    weights = _weights(inputs, cell_name, 2 if both else 1)
    _check_states(inputs, weights)
    if attributes.get("hidden_size", inputs["R"].shape[2]) != inputs["R"].shape[2]:
        raise ModelError(
            f"has hidden_size={attributes['hidden_size']}, but R of shape {inputs['R'].shape}"
        )
    x, c = _signal(inputs["X"]), Unread("the final cell state Y_c, which no network here gives")
    if both:
        y = recurrent(x, cell_name, weights[0], steps_axis=0, reverse=weights[1])
        return directions_apart(y), Unread(f"the final states Y_h {UNREAD_FINALS}"), c
    y = recurrent(x, cell_name, weights[0], steps_axis=0)
    return unsqueeze(y, [1]), unsqueeze(select(y, 0, -1), [0]), c


def _check_attributes(operator: str, attributes: Attributes) -> None:
    both = attributes.get("direction") == "bidirectional"
    silent = {**SILENT[operator], "direction": "forward", "layout": 0}
    silent |= (
        {"activations": silent["activations"] * 2, "direction": "bidirectional"} if both else {}
    )
    # what a known attribute says wrongly is the cause of others: HardSigmoid of activation_alpha
    for name, value in sorted(attributes.items(), key=lambda item: item[0] not in silent):
        if name == "hidden_size" or (name == "linear_before_reset" and value in (0, 1)):
            continue
        if name in ("activation_alpha", "activation_beta"):
            raise ModelError(
                f"has {name}={value}, which sigmoid and tanh do not take; leave it out"
            )
        if name not in silent:
            raise ModelError(f"has {name}={value}, which no target supports; export it without")
        if value != silent[name]:
            also = " or bidirectional" if name == "direction" else ""
            raise ModelError(
                f"has {name}={value}; only {silent[name]}{also} is supported: train and export it "
                "so"
            )


def _check_inputs(inputs: Mapping[str, Any]) -> None:
    for name in ("W", "R", "B"):
        if not (isinstance(inputs[name], np.ndarray) or (name == "B" and inputs[name] is None)):
            raise ModelError(f"its weights {name} are not a constant")
    for name, what in (("sequence_lens", "lengths per sequence"), ("P", "peepholes")):
        if inputs[name] is not None:
            raise ModelError(f"has {what} ({name}), which are not supported; export it without")
    for name in ("initial_h", "initial_c"):
        state = inputs[name]
        if state is not None and (not isinstance(state, np.ndarray) or np.any(distinct(state))):
            raise ModelError(f"starts from a state ({name}) that is not zero; zeros are needed")


def _check_states(inputs: Mapping[str, Any], weights: Sequence[Mapping[str, Any]]) -> None:
    """Their batch may be that of the exporter's example, as zeros are the same for any batch."""
    size = weights[0]["weight_hh"].shape[1]
    for name in ("initial_h", "initial_c"):
        state = inputs[name]
        if state is None:
            continue
        if state.ndim != 3 or (len(state), state.shape[2]) != (len(weights), size):
            raise ModelError(
                f"has {name} of shape {state.shape}; ({len(weights)}, batch, {size}) is needed; "
                "if the model has a projection (proj_size), torch.onnx.export(dynamo=True) loses "
                "it: no file holds it, build the layer without"
            )


def _weights(inputs: Mapping[str, Any], cell_name: str, directions: int) -> list[dict[str, Any]]:
    """Those of each direction."""
    w, r = (float32(inputs[name], name) for name in ("W", "R"))
    n_gates = len(CELLS[cell_name].gates)
    if (
        r.ndim != 3
        or len(r) != directions
        or r.shape[1] != n_gates * r.shape[2]
        or w.shape[:2] != r.shape[:2]
    ):
        raise ModelError(
            f"has W of shape {w.shape} and R of shape {r.shape}; ({directions}, {n_gates} * "
            f"hidden_size, input_size) and ({directions}, {n_gates} * hidden_size, hidden_size) "
            "are needed"
        )
    rows = r.shape[1]
    b = inputs["B"]
    b = np.zeros((directions, 2 * rows), np.float32) if b is None else float32(b, "B")
    if b.shape != (directions, 2 * rows):
        raise ModelError(f"has B of shape {b.shape}; {(directions, 2 * rows)} is needed")
    arrays = zip(w, r, b[:, :rows], b[:, rows:], strict=True)
    names = "weight_ih", "weight_hh", "bias_ih", "bias_hh"
    return [
        {name: from_onnx(array, cell_name) for name, array in zip(names, own, strict=True)}
        for own in arrays
    ]


def _signal(value: Any) -> Signal:
    if not isinstance(value, Signal):
        raise ModelError("its input does not depend on the graph's input")
    return value


def _constant(value: Any) -> Array:
    if not isinstance(value, np.ndarray):
        raise ModelError("joins two tensors that depend on the input")
    return value


def _gemm(attributes: Attributes, a: Any, b: Any, c: Any = None) -> Signal:
    for name, needed in (("alpha", 1), ("beta", 1), ("transA", 0)):
        if attributes.get(name, needed) != needed:
            raise ModelError(f"has {name}={attributes[name]}; {needed} is needed")
    weight = _matrix(b)
    y = dense(_signal(a), weight if attributes.get("transB", 0) else _turned(weight), None)
    return y if c is None else add_bias(y, float32(_constant(c), "C"))


def _matmul(_: Attributes, a: Any, b: Any) -> Signal:
    return dense(_signal(a), _turned(_matrix(b)), None)


def _matrix(value: Any) -> Any:
    weight = float32(_constant(value), "of weights")
    if weight.ndim != 2:
        raise ModelError(f"multiplies with a tensor of shape {weight.shape}; a matrix is needed")
    return weight


def _turned(weight: Array) -> Any:
    return np.ascontiguousarray(weight.T)


def _add(_: Attributes, a: Any, b: Any) -> Signal:
    signal, bias = (a, b) if isinstance(a, Signal) else (b, a)
    return add_bias(_signal(signal), float32(_constant(bias), "of a bias"))


def _cast(attributes: Attributes, x: Signal) -> Signal:
    from onnx.helper import tensor_dtype_to_np_dtype

    dtype = tensor_dtype_to_np_dtype(attributes["to"])
    if dtype.name not in FLOAT_TYPES:
        raise ModelError(f"turns floats into {dtype.name}")
    return x


def _dropout(_: Attributes, x: Signal, ratio: Any = None, training: Any = None) -> Signal:
    if training is not None and np.any(training):
        raise ModelError("drops values; export the model in eval mode")
    return x


def _reshape(attributes: Attributes, x: Signal, shape: Any = None) -> Signal:
    sizes = integers(attributes.get("shape") if shape is None else shape)
    return reshape(x, target_shape(sizes, x.shape, attributes.get("allowzero", 0)))


def _flatten(attributes: Attributes, x: Signal) -> Signal:
    axis = attributes.get("axis", 1)
    rows = math.prod(x.shape[:axis])
    return reshape(x, (rows, -1))


def _slice(attributes: Attributes, x: Signal, *options: Any) -> Signal:
    for axis, start, stop, step in slice_bounds(len(x.axes), attributes, options):
        x = cut(x, axis, start, stop, step=step)
    return x


def _gather(attributes: Attributes, x: Any, indices: Any) -> Signal:
    axis, index = attributes.get("axis", 0), integers(_constant(indices))
    if len(index) != 1 or indices.ndim > 1:
        raise ModelError(f"selects {len(index)} entries of axis {axis}; one is needed")
    one = select(_signal(x), axis, index[0])
    return unsqueeze(one, [axis % len(x.axes)]) if indices.ndim else one


def _concat(attributes: Attributes, *parts: Any) -> Signal:
    """Final states of several layers; all else would mix features."""
    axis = attributes["axis"]
    return stack([squeeze(_signal(part), [axis]) for part in parts], axis)


def _transpose(attributes: Attributes, x: Signal) -> Signal:
    return permute(x, attributes.get("perm", range(len(x.axes))[::-1]))


def _unsqueeze(attributes: Attributes, x: Signal, axes: Any = None) -> Signal:
    return unsqueeze(x, axes_of(attributes, axes) or ())


def _shape(attributes: Attributes, x: Signal) -> Array:
    return np.array(x.shape[attributes.get("start", 0) : attributes.get("end")], np.int64)


def _softmax(attributes: Attributes, x: Signal) -> Signal:
    return activate(x, "softmax", attributes["axis"])


OPERATORS: dict[str, Callable[..., Any]] = {
    "LSTM": lambda attributes, *inputs: _recurrent("LSTM", attributes, *inputs),
    "GRU": lambda attributes, *inputs: _recurrent("GRU", attributes, *inputs),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Relu": lambda _, x: activate(x, "relu"),
    "Sigmoid": lambda _, x: activate(x, "sigmoid"),
    "Tanh": lambda _, x: activate(x, "tanh"),
    "Softmax": _softmax,
    "Identity": lambda _, x: x,
    "Dropout": _dropout,
    "Cast": _cast,
    "Shape": _shape,
    "Squeeze": lambda attributes, x, axes=None: squeeze(x, axes_of(attributes, axes)),
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Slice": _slice,
    "Gather": _gather,
    "Concat": _concat,
}
WEIGHTED = ("LSTM", "GRU", "Gemm", "MatMul")


def apply(operator: str, inputs: Sequence[Any], attributes: Attributes) -> Any:
    """The result, or the results, of an operator with an input that depends on the graph's."""
    for value in inputs:
        if isinstance(value, Unread):
            raise ModelError(f"reads {value.what}")
    if operator not in OPERATORS:
        raise ModelError(
            f"operator {operator} is not supported; LSTM, GRU, Gemm, MatMul and Add, Relu, Sigmoid "
            "and Softmax are, and what moves axes between them; export the part without it"
        )
    return OPERATORS[operator](attributes, *inputs)
