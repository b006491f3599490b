"""From a network to a .tflite file of one fused operator per layer, batch 1, fixed steps.

A bidirectional layer is two of them: no runtime for microcontrollers has a bidirectional operator,
and LiteRT's own computes wrong values where it joins both outputs of more than one sequence.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats.tflite import around
from edgelstm.formats.tflite.guards import check_output
from edgelstm.formats.tflite.integer import integer_step
from edgelstm.formats.tflite.model import Model, Operator, Tensor, one_graph
from edgelstm.formats.tflite.schema import ACTIVATIONS, GATES
from edgelstm.formats.tflite.step import Block
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import is_bidirectional, parts
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.matrix import Matrix
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.scales import Scale

SUM = Scale(2.0**-12, 0, "int16")  # what goes into a gate's activation
ALL_BUT_TIME = 0b101


def fused_model(network: Network | QuantizedNetwork, steps: int) -> Model:
    """A chain of operators: ``x (1, steps, input_size)`` -> ``y``; states stay from call to call.

    Args:
        network: Float32, hybrid or int8; recurrent layers are plain LSTMs.
        steps: Time steps per call.

    Raises:
        ModelError: A file that any runtime would load and compute wrongly.
    """
    for part in parts(network.layers):
        if isinstance(part, QuantizedDirection) and part.scales:
            check_output(part)
    y = x = around.input_tensor(network, steps)
    operators: list[Operator] = []
    layers = list[Any](network.layers)
    if network.indices:
        operators.append(_rows(layers.pop(0), x, network.input))
        y = _result(operators[-1])
    while layers:
        layer = layers.pop(0)
        if layers and is_bidirectional(layer) and getattr(layers[0], "reads", ()) == FINALS:
            layers.pop(0)
            operators += _ends(layer, y)
        else:
            operators += KINDS[layer.kind](layer, y)
        y = _result(operators[-1])
    y = dataclasses.replace(y, name="y")
    operators[-1] = dataclasses.replace(operators[-1], outputs=(y,))
    return one_graph(x, y, tuple(operators), described(network, steps))


def described(network: Network | QuantizedNetwork, steps: int) -> str:
    """What a file says of itself."""
    unit = "step" if steps == 1 else "steps"
    return f"edgelstm: {network.precision}, {steps} {unit}"


def _rows(layer: Embedding, x: Tensor, into: Scale | None) -> Operator:
    """GATHER of rows of a table, of integers of scale `into`."""
    table: NDArray[Any] = layer.weight
    if into is not None:
        stored = quantize_reals(table, into.scale, into.zero_point, into.limits)
        table = stored.astype(into.type)
    weight = _values(f"{layer.name}/weight", table.shape, into)
    rows = _values(f"{layer.name}/rows", (*x.shape, layer.output_size), into)
    version = 1 if into is None else 2
    return Operator("GATHER", (dataclasses.replace(weight, data=table), x), (rows,), {}, version)


def _recurrent(layer: Recurrent[Any], x: Tensor) -> list[Operator]:
    """An LSTM; a backward one between two REVERSE_V2, and a CONCATENATION of both outputs."""
    there = _lstm(layer.forward, x)
    if not is_bidirectional(layer):
        return [there]
    backward, turned = layer.directions[1], _reversed(x, f"{layer.name}/reversed")
    back = _lstm(backward, _result(turned))
    turned_back = _reversed(_result(back), f"{backward.name}/reversed")
    return [there, turned, back, turned_back, _joined(layer, there, turned_back)]


def _ends(layer: Recurrent[Any], x: Tensor) -> list[Operator]:
    """Two LSTMs, of which the backward one reads reversed steps, and a CONCATENATION of where each
    of them ends.
    """
    backward = layer.directions[1]
    there, turned = _lstm(layer.forward, x), _reversed(x, f"{layer.name}/reversed")
    back = _lstm(backward, _result(turned))
    last = _last_step(_result(there), f"{layer.name}/last")
    final = _last_step(_result(back), f"{backward.name}/last")
    return [there, last, turned, back, final, _joined(layer, last, final)]


def _joined(layer: Recurrent[Any], there: Operator, back: Operator) -> Operator:
    """CONCATENATION of what two directions give."""
    outputs = _result(there), _result(back)
    *leading, _ = outputs[0].shape
    shape = (*leading, layer.output_size)
    y = dataclasses.replace(outputs[0], name=f"{layer.name}/both", shape=shape)
    version = 1 if y.type == "float32" else 2
    return Operator("CONCATENATION", outputs, (y,), {"axis": len(leading)}, version)


def _reversed(x: Tensor, name: str) -> Operator:
    """REVERSE_V2 of the steps."""
    axis = _constant(f"{name}/axis", np.array([1], np.int32))
    return Operator("REVERSE_V2", (x, axis), (dataclasses.replace(x, name=name),), version=3)


def _values(name: str, shape: tuple[int, ...], scale: Scale | None) -> Tensor:
    """A computed tensor: real without a scale."""
    if scale is None:
        return Tensor(name, shape, "float32")
    return Tensor(name, shape, scale.type, scale.scale, scale.zero_point)


def _constant(name: str, data: NDArray[Any], scale: float | None = None) -> Tensor:
    return Tensor(name, data.shape, data.dtype.name, scale, data=data)


def _result(op: Operator) -> Tensor:
    (tensor,) = op.outputs
    assert tensor is not None
    return tensor


def _lstm(layer: Direction | QuantizedDirection, x: Tensor) -> Operator:
    """UNIDIRECTIONAL_SEQUENCE_LSTM without peepholes, projection and layer normalization."""
    quantized = isinstance(layer, QuantizedDirection)
    scales = layer.scales if isinstance(layer, QuantizedDirection) else {}  # empty if hybrid
    h = _values(f"{layer.name}/h", (1, layer.hidden_size), scales.get("h"))
    c = _values(f"{layer.name}/c", (1, layer.hidden_size), scales.get("c"))
    inputs = (
        x,
        *_gate_weights(layer, "ih"),
        *_gate_weights(layer, "hh"),
        *[None] * 3,  # peepholes i f o
        *_gate_biases(layer, x),
        *[None] * 2,  # projection and its bias
        *(dataclasses.replace(state, is_variable=True) for state in (h, c)),
        *[None] * 4,  # layer normalization
    )
    options = {
        "activation": ACTIVATIONS.index("TANH"),
        "cell_clip": layer.cell_clip,
        "asymmetric_quantize_inputs": False,  # x and h rounded about 0, as the host's twin does
    }
    # The output is the same values as h: LiteRT takes its rounding from the last intermediate.
    y = dataclasses.replace(h, name=f"{layer.name}/output", shape=(*x.shape[:2], layer.hidden_size))
    between: tuple[Tensor, ...] = ()
    if scales:
        sums = (_values(f"{layer.name}/sum_{g}", (0,), SUM) for g in GATES)
        between = (*sums, dataclasses.replace(h, name=f"{layer.name}/hidden", shape=(0,)))
    return Operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, (y,), options, 3 if quantized else 1, between
    )


def _gate_weights(layer: Direction | QuantizedDirection, side: str) -> list[Tensor]:
    matrices = {g: layer.matrix(side, g) for g in GATES}
    return [
        _constant(f"{layer.name}/weight_{side}_{g}", matrix.values, matrix.scale)
        for g, matrix in matrices.items()
    ]


def _gate_biases(layer: Direction | QuantizedDirection, x: Tensor) -> list[Tensor]:
    """One bias per gate: the sum of both, which a quantized layer holds in bias_ih."""
    bias: NDArray[Any] = layer.bias_ih
    if isinstance(layer, Direction):
        with np.errstate(over="ignore"):
            bias = layer.bias_ih + layer.bias_hh
        if not np.isfinite(bias).all():
            raise ModelError(
                f"layer '{layer.name}': bias_ih + bias_hh, which TensorFlow Lite stores as one, is "
                "more than float32 holds; write .onnx or .npz"
            )
    blocks = {g: bias[CELLS[layer.cell_name].rows(g, layer.hidden_size)] for g in GATES}
    return [
        _constant(f"{layer.name}/bias_{g}", block, _bias_scale(layer.matrix("ih", g), x))
        for g, block in blocks.items()
    ]


def _bias_scale(matrix: Matrix, x: Tensor) -> float | None:
    """Of the product's integers; None where x or the weights are real."""
    return None if matrix.scale is None or x.scale is None else matrix.scale * x.scale


# Activation to the operator behind a FULLY_CONNECTED.
BEHIND = {"sigmoid": "LOGISTIC", "tanh": "TANH"}


def _dense(layer: Dense | QuantizedDense, x: Tensor) -> list[Operator]:
    """FULLY_CONNECTED with a fused relu; LOGISTIC, TANH or SOFTMAX behind it."""
    linear = layer.linear if isinstance(layer, QuantizedDense) else None
    matrix = layer.matrix("dense", None)
    inputs = (
        x,
        _constant(f"{layer.name}/weight", matrix.values, matrix.scale),
        _constant(f"{layer.name}/bias", layer.bias, _bias_scale(matrix, x)),
    )
    keeps_time = len(x.shape) == 3
    fused = "RELU" if layer.activation == "relu" else "NONE"
    options = {"activation": ACTIVATIONS.index(fused), "keep_num_dims": keeps_time}
    shape = (*x.shape[:-1], layer.output_size)
    z = _values(f"{layer.name}/linear", shape, linear)
    version = 5 if keeps_time else 4 if linear else 3 if matrix.scale else 1
    operators = [Operator("FULLY_CONNECTED", inputs, (z,), options, version)]
    if layer.activation in BEHIND:
        output = layer.output if isinstance(layer, QuantizedDense) and linear else None
        y = _values(f"{layer.name}/output", shape, output)
        name, version = BEHIND[layer.activation], 2 if linear else 1
        operators.append(Operator(name, (z,), (y,), version=version))
    if layer.activation == "softmax":
        y = _values(f"{layer.name}/output", shape, None)
        operators.append(Operator("SOFTMAX", (z,), (y,), {"beta": 1.0}))
    return operators


# What a chain of operators reads of the steps; all else is for step graphs.
FINALS = ("finals",)
READS = (("last",), ("mean",), ("max",), ("flatten",), FINALS)


def _read_steps(layer: ReadSteps, x: Tensor) -> list[Operator]:
    """The last step, or what `around` has."""
    if layer.reads != ("last",):
        block = Block({})
        around.READ[layer.reads[0]](block, x, layer.name)
        return block.operators
    return [_last_step(x, layer.name)]


def _last_step(x: Tensor, name: str) -> Operator:
    """STRIDED_SLICE ``x[:, -1, :]``."""
    begin, end, strides = (
        _constant(f"{name}/{what}", np.array(values, np.int32))
        for what, values in (("begin", (0, -1, 0)), ("end", (0, 0, 0)), ("strides", (1, 1, 1)))
    )
    y = dataclasses.replace(x, name=f"{name}/output", shape=(x.shape[0], x.shape[2]))
    options = {"begin_mask": ALL_BUT_TIME, "end_mask": ALL_BUT_TIME, "shrink_axis_mask": 0b010}
    version = 1 if x.type == "float32" else 2
    return Operator("STRIDED_SLICE", (x, begin, end, strides), (y,), options, version)


def _activation(layer: QuantizedActivation, x: Tensor) -> list[Operator]:
    """What the list of `lower` says: MINIMUM and MAXIMUM, or the operator of a table."""
    block = Block({})
    integer_step(layer.name, layer).add(block, x)
    return block.operators


def _repeated(layer: Repeat, x: Tensor) -> list[Operator]:
    """PACK of one row."""
    block = Block({})
    around.repeated(block, layer, f"{x.name}/{layer.name}", x)
    return block.operators


# Kind of a layer to its operators behind a value.
KINDS: dict[str, Callable[[Any, Tensor], list[Operator]]] = {
    "recurrent": _recurrent,
    "read_steps": _read_steps,
    "repeat": lambda layer, x: _repeated(layer, x),
    "reverse_steps": lambda layer, x: [_reversed(x, f"{x.name}/reversed")],
    "dense": _dense,
    "activation": _activation,
}
