"""From one operator of a .tflite file to one layer; integers and scales as they stand."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats.integers import check_dense, check_recurrent
from edgelstm.formats.tflite.guards import check_output
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.formats.tflite.schema import ACTIVATIONS, GATES
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Direction
from edgelstm.layers.recurrent_sizes import RecurrentSizes
from edgelstm.model.plan import LayerPlan, plan
from edgelstm.model.precision import HYBRID, INT8, INT16X8_FUSED, Precision
from edgelstm.quantization.quantize_fused import value_scales
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.scales import Scale

PLAIN = "a plain LSTM with tanh, four gates, and biases is read"
TYPES = {  # of input, weights, biases
    "float32": ("float32", "float32", "float32"),
    "hybrid": ("float32", "int8", "float32"),
    "int8": ("int8", "int8", "int32"),
    "int16x8": ("int16", "int8", "int64"),
}
NUMBERS: dict[str, Precision] = {p.name: p for p in (HYBRID, INT8, INT16X8_FUSED)}
EXTRAS = {"peepholes": (9, 10, 11), "a projection": (16, 17), "layer normalization": range(20, 24)}


def read_lstm(op: Operator, name: str) -> Direction | QuantizedDirection:
    """The layer of a UNIDIRECTIONAL_SEQUENCE_LSTM.

    Raises:
        ModelError: A variant of the operator that is not supported, types or shapes that do not
            belong together, an int8 layer that runtimes would not compute alike.
    """
    inputs = op.inputs + (None,) * (24 - len(op.inputs))
    _check_variant(op, inputs)
    x = _present(inputs[0], "x")
    ih, hh, biases = _gates(inputs)
    sizes = hh[0].shape[0], ih[0].shape[1]
    precision = _precision(x, [*ih, *hh], biases)
    for state, tensor in zip("hc", inputs[18:20], strict=True):
        _check_state(_present(tensor, f"state {state}"), state, precision, sizes[0])
    clip = float(op.options["cell_clip"])
    weight_ih, weight_hh, bias = (_stacked(tensors) for tensors in (ih, hh, biases))
    if precision == "float32":
        return Direction(name, "lstm", weight_ih, weight_hh, bias, np.zeros_like(bias), clip)
    made = _plan(name, sizes, clip, precision)
    weight_scales = {f"ih {g}": _weight_scale(t) for g, t in zip(GATES, ih, strict=True)}
    weight_scales |= {f"hh {g}": _weight_scale(t) for g, t in zip(GATES, hh, strict=True)}
    scales = _value_scales(made, x, op) if made.precision.is_integer else {}
    layer = QuantizedDirection(
        made, weight_ih, weight_hh, bias, np.zeros_like(bias), weight_scales, scales, clip
    )
    if scales:
        check_recurrent(layer)
        check_output(layer)
    return layer


def read_rnn(op: Operator, name: str) -> Direction:
    """The layer of a float32 UNIDIRECTIONAL_SEQUENCE_RNN; `ModelError` for other variants."""
    x, weights, recurrent, bias, state = (*op.inputs, *(None,) * 5)[:5]
    activation = _activation(op)
    if len(op.inputs) != 5 or activation not in ("TANH", "RELU"):
        raise ModelError(
            f"it has {len(op.inputs)} inputs and the activation {activation}; five, with TANH or "
            "RELU, are read"
        )
    ih, hh = _constant(weights, "weight_ih", 2), _constant(recurrent, "weight_hh", 2)
    added, hidden = _constant(bias, "bias", 1), ih.shape[0]
    _check_shape(hh, (hidden, hidden))
    _check_shape(added, (hidden,))
    if _precision(_present(x, "x"), [ih, hh], [added]) != "float32":
        raise ModelError("its weights are int8; float32 is read")
    _check_state(_present(state, "state h"), "h", "float32", hidden)
    weight_ih, weight_hh, total = (np.array(t.data, np.float32) for t in (ih, hh, added))
    zeros = np.zeros_like(total)
    return Direction(
        name, "rnn", weight_ih, weight_hh, total, zeros, nonlinearity=activation.lower()
    )


INSIDE = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")  # activations of a FULLY_CONNECTED
READS = {"MEAN": "mean", "REDUCE_MAX": "max"}


def read_of(op: Operator, rows: int, width: int) -> ReadSteps | None:
    """What an operator reads of rows of values, one a step; None if it reads nothing.

    Raises:
        ModelError: It reads along another axis, or the mean of integers.
    """
    x, result = _present(op.inputs[0], "x"), _present(op.outputs[0], "result")
    if op.name == "RESHAPE" and rows > 1 and result.shape == (1, rows * width):
        return ReadSteps(width, ("flatten",), rows)
    if op.name not in READS:
        return None
    axes = op.inputs[1].data if len(op.inputs) > 1 and op.inputs[1] is not None else None
    if len(x.shape) != 3 or x.shape[0] != 1 or axes is None or axes.ravel().tolist() != [1]:
        raise ModelError("it reads along another axis than the steps")
    if op.name == "MEAN" and x.type != "float32":
        raise ModelError("the mean of integers differs from runtime to runtime; it is not read")
    return ReadSteps(width, (READS[op.name],))


def _gates(inputs: tuple[Tensor | None, ...]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Per gate W, R and bias, of shapes that fit each other."""
    ih = [_constant(t, f"weight_ih_{g}", 2) for g, t in zip(GATES, inputs[1:5], strict=True)]
    hh = [_constant(t, f"weight_hh_{g}", 2) for g, t in zip(GATES, inputs[5:9], strict=True)]
    biases = [_constant(t, f"bias_{g}", 1) for g, t in zip(GATES, inputs[12:16], strict=True)]
    hidden, into = hh[0].shape[0], ih[0].shape[1]
    for tensors, shape in ((ih, (hidden, into)), (hh, (hidden, hidden)), (biases, (hidden,))):
        for tensor in tensors:
            _check_shape(tensor, shape)
    return ih, hh, biases


def read_dense(op: Operator, name: str) -> Dense | QuantizedDense:
    """The layer of a FULLY_CONNECTED, with its fused relu; `ModelError` for other variants.

    A fused clamp is another layer, behind it.
    """
    activation = _activation(op)
    if activation not in INSIDE:
        raise ModelError(f"its fused activation is {activation}; read are {', '.join(INSIDE)}")
    if op.options["weights_format"]:
        raise ModelError("its weights are stored in shuffled order; plain order is read")
    x = _present(op.inputs[0], "x")
    weight = _constant(op.inputs[1] if len(op.inputs) > 1 else None, "weight", 2)
    data = np.array(weight.data)
    given = op.inputs[2] if len(op.inputs) > 2 else None
    bias = None if given is None else _constant(given, "bias", 1)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ModelError(f"its bias has shape {bias.shape}, its weights {weight.shape}")
    precision = _precision(x, [weight], [] if bias is None else [bias])
    zeros = np.zeros(len(data), TYPES[precision][2])
    offsets: NDArray[Any] = zeros if bias is None else np.array(bias.data)
    relu = "relu" if activation == "RELU" else None
    if precision == "float32":
        return Dense(name, data, offsets, relu)
    scale = _weight_scale(weight)
    if precision == "hybrid":
        return QuantizedDense(name, data, offsets, scale, None, None, relu, HYBRID)
    y, numbers = _present(op.outputs[0], "y"), NUMBERS[precision]
    into, out = (scale_of(tensor, numbers.formats["output"].type) for tensor in (x, y))
    layer = QuantizedDense(name, data, offsets, scale, into, out, relu, numbers)
    check_dense(layer)
    return layer


def scale_of(tensor: Tensor, kind: str = "int8") -> Scale:
    """Scale and zero point of a tensor of this type; `ModelError` where they cannot be used."""
    if tensor.type != kind:
        raise ModelError(f"tensor '{tensor.name}' is {tensor.type}; {kind} is needed")
    if tensor.scale is None or not 0 < tensor.scale < np.inf:
        raise ModelError(f"tensor '{tensor.name}' has scale {tensor.scale}; above 0 is needed")
    if tensor.per_channel:
        raise ModelError(
            f"tensor '{tensor.name}' has a scale per channel; one scale per tensor is read "
            "(in TensorFlow's converter: _experimental_disable_per_channel = True)"
        )
    scale = Scale(tensor.scale, tensor.zero_point, tensor.type)
    low, high = scale.limits
    if not low <= tensor.zero_point <= high:
        raise ModelError(f"tensor '{tensor.name}' has zero point {tensor.zero_point}")
    return scale


def _check_variant(op: Operator, inputs: tuple[Tensor | None, ...]) -> None:
    if len(inputs) != 24 or len(op.inputs) < 20:
        raise ModelError(f"it has {len(op.inputs)} inputs; 24 are needed")
    if inputs[1] is None or inputs[5] is None or inputs[12] is None:
        raise ModelError(f"it has coupled input and forget gates (CIFG); {PLAIN}")
    for what, places in EXTRAS.items():
        if any(inputs[k] is not None for k in places):
            raise ModelError(f"it has {what}; {PLAIN}")
    if op.options["diagonal_recurrent_tensors"]:
        raise ModelError(f"its recurrent weights are diagonal; {PLAIN}")
    if _activation(op) != "TANH":
        raise ModelError(f"its activation is {_activation(op)}; {PLAIN}")


def _activation(op: Operator) -> str:
    number = op.options["activation"]
    return ACTIVATIONS[number] if 0 <= number < len(ACTIVATIONS) else f"number {number}"


def _present(tensor: Tensor | None, what: str) -> Tensor:
    if tensor is None:
        raise ModelError(f"its {what} is absent")
    return tensor


def _constant(tensor: Tensor | None, what: str, axes: int) -> Tensor:
    tensor = _present(tensor, what)
    if tensor.data is None:
        stored = "sparse" if tensor.sparse else tensor.type
        raise ModelError(
            f"its {what}, tensor '{tensor.name}' ({stored}), is not a constant that is read; "
            "float32 and int8 weights stored in the file are"
        )
    if len(tensor.shape) != axes:
        raise ModelError(f"its {what} has shape {tensor.shape}; {axes} axes are needed")
    return tensor


def _check_state(tensor: Tensor, state: str, precision: str, hidden_size: int) -> None:
    kind = "float32"
    if precision in NUMBERS:
        kind = NUMBERS[precision].formats[{"h": "output", "c": "cell"}[state]].type
    if tensor.type != kind:
        raise ModelError(f"its state {state} is {tensor.type}; {kind} is needed")
    if not tensor.is_variable:
        raise ModelError(
            f"its state {state} is not a variable tensor, so it would not start at zero"
        )
    _check_shape(tensor, (1, hidden_size))


def _check_shape(tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise ModelError(f"tensor '{tensor.name}' has shape {tensor.shape}, not {shape}")


def _precision(x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> str:
    """A key of `TYPES`, from the types of input, weights and biases."""
    types = [" and ".join(sorted({t.type for t in ts})) for ts in ([x], weights, biases)]
    for name, known in TYPES.items():
        if all(a in ("", b) for a, b in zip(types, known, strict=True)):
            _check_finite(biases)
            return name
    raise ModelError(
        f"its input is {types[0]}, its weights are {types[1]}, its biases {types[2] or 'absent'}; "
        "read are float32, int8 weights with float32 (hybrid), int8 with int32 biases and int16 "
        "activations with int64 biases (16x8), not float16 weights"
    )


def _check_finite(biases: list[Tensor]) -> None:
    for tensor in biases:
        if tensor.data is not None and not np.isfinite(tensor.data).all():
            raise ModelError(f"tensor '{tensor.name}' holds values that are not finite")


def _stacked(tensors: list[Tensor]) -> NDArray[Any]:
    return np.concatenate([t.data for t in tensors if t.data is not None])


def _weight_scale(tensor: Tensor) -> float:
    scale = scale_of(tensor)
    if scale.zero_point:
        raise ModelError(f"tensor '{tensor.name}' has zero point {scale.zero_point}; 0 is needed")
    return scale.scale


def _plan(name: str, sizes: tuple[int, int], clip: float, precision: str) -> LayerPlan:
    hidden, into = sizes
    asked = RecurrentSizes(CELLS["lstm"], into, hidden, clips=clip > 0)
    return plan(name, asked, NUMBERS[precision])


def _value_scales(plan: LayerPlan, x: Tensor, op: Operator) -> dict[str, Scale]:
    """Scale of every value: that of the operator's x, h or c, by its role, unless it is fixed."""
    h, c = _present(op.inputs[18], "state h"), _present(op.inputs[19], "state c")
    kind = plan.precision.formats["output"].type
    stated = scale_of(h, kind)
    for tensor in (*op.outputs, *op.intermediates[4:]):
        if scale_of(_present(tensor, "output"), kind) != stated:
            raise ModelError(
                "its state h, its output and its last intermediate tensor differ in type, scale or "
                "zero point; runtimes compute different values then"
            )
    by_role = {"input": scale_of(x, kind), "output": stated, "cell": scale_of(c, "int16")}
    return value_scales(plan, by_role)
