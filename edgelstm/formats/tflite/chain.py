"""What operators in a row build: a chain of LSTMs and dense layers.

At batch 1 every value of such a chain is a matrix (rows, width): one row per time step, or one in
all behind the last step. Axes of length 1 come and go without moving a value.
"""

import dataclasses
import math

from edgelstm.errors import ModelError
from edgelstm.figures import counted
from edgelstm.formats.tflite.layers import read_dense, read_lstm, scale_of
from edgelstm.formats.tflite.model import MOST_AXES, Operator, Tensor
from edgelstm.network import Dense, Layer, layer_names
from edgelstm.quantized import SIGMOID_OUTPUT, QuantizedDense, QuantizedLayer

FREE = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE")
ACTIVATIONS = {"RELU": "relu", "LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}
ENDS = ("QUANTIZE", "DEQUANTIZE")
SUPPORTED = (
    *("UNIDIRECTIONAL_SEQUENCE_LSTM", "FULLY_CONNECTED", "STRIDED_SLICE"),
    *(*ACTIVATIONS, *FREE, *ENDS),
)


@dataclasses.dataclass
class Chain:
    """What the operators so far have built, and the value that the next one takes.

    Attributes:
        value: That tensor.
        steps: Time steps of the file's input.
        rows, width: The value as a matrix.
        layers: So far.
        last_step: The last step has been selected.
        dropped_softmax: An int8 softmax has been left off.
    """

    value: Tensor
    steps: int
    rows: int
    width: int
    layers: list[Layer | QuantizedLayer] = dataclasses.field(default_factory=list)
    last_step: bool = False
    dropped_softmax: bool = False


def append(chain: Chain, op: Operator) -> None:
    """Adds what one operator does; `ModelError` if it does not belong into a chain."""
    if op.name not in SUPPORTED:
        raise ModelError(_unsupported(op.name))
    if op.inputs[:1] != (chain.value,) or len(op.outputs) != 1 or op.outputs[0] is None:
        raise ModelError("it does not continue the chain; one operator after the other is read")
    result = op.outputs[0]
    if result.type != chain.value.type and op.name not in ENDS:
        raise ModelError(f"it makes {result.type} of {chain.value.type}; one type is read")
    if op.name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        _append_lstm(chain, op)
    elif op.name == "FULLY_CONNECTED":
        _append_layer(chain, read_dense(op, _name(chain, "dense")))
    elif op.name in ACTIVATIONS:
        _apply_activation(chain, op, result)
    elif op.name == "STRIDED_SLICE":
        _check_same_scale(chain.value, result)
        _check_takes_last_step(op, chain.value.shape)
        chain.last_step, chain.rows = True, 1
    elif op.name in ENDS:
        _check_end(chain, op, result)
    else:
        _check_same_scale(chain.value, result)
        _check_order(op, chain.value.shape, result.shape)
    _check_matrix(chain, result.shape)
    chain.value = result


def _name(chain: Chain, kind: str) -> str:
    dense = (isinstance(layer, Dense | QuantizedDense) for layer in chain.layers)
    return layer_names([*("dense" if d else "lstm" for d in dense), kind])[-1]


def _append_lstm(chain: Chain, op: Operator) -> None:
    if chain.last_step:
        raise ModelError("it stands behind the selection of the last step")
    leading = (chain.steps, 1) if op.options["time_major"] else (1, chain.steps)
    if chain.value.shape[:-1] != leading:
        raise ModelError(
            f"its input has shape {chain.value.shape}; {(*leading, chain.width)} is needed"
        )
    _append_layer(chain, read_lstm(op, _name(chain, "lstm")))


def _append_layer(chain: Chain, layer: Layer | QuantizedLayer) -> None:
    if chain.dropped_softmax:
        raise ModelError("it stands behind an int8 SOFTMAX, which is read at the end alone")
    if layer.input_size != chain.width:
        raise ModelError(
            f"its weights take {counted(layer.input_size, 'value')}, "
            f"but a time step has {chain.width}"
        )
    chain.layers.append(layer)
    chain.width = layer.output_size


def _apply_activation(chain: Chain, op: Operator, result: Tensor) -> None:
    layer = chain.layers[-1] if chain.layers else None
    if not isinstance(layer, Dense | QuantizedDense) or layer.activation or chain.dropped_softmax:
        raise ModelError("it does not stand behind a FULLY_CONNECTED without activation")
    integer = isinstance(layer, QuantizedDense) and layer.input is not None
    wanted = "int8" if integer else "float32"
    if chain.value.type != wanted:
        raise ModelError(f"it takes {chain.value.type}, but the layer before it gives {wanted}")
    if op.name == "SOFTMAX" and op.options["beta"] != 1:
        raise ModelError(f"its beta is {op.options['beta']:.6g}; 1 is read")
    if integer and op.name == "RELU":
        _check_same_scale(chain.value, result)
    if integer and op.name == "LOGISTIC" and scale_of(result) != SIGMOID_OUTPUT:
        raise ModelError("its output needs scale 1/256 and zero point -128")
    if integer and op.name == "SOFTMAX":
        chain.dropped_softmax = True
    else:
        chain.layers[-1] = dataclasses.replace(layer, activation=ACTIVATIONS[op.name])


def _check_end(chain: Chain, op: Operator, result: Tensor) -> None:
    """QUANTIZE from float32 in front of all layers, DEQUANTIZE to float32 behind them."""
    types = chain.value.type, result.type
    at_front = op.name == "QUANTIZE" and not chain.layers and types == ("float32", "int8")
    at_end = op.name == "DEQUANTIZE" and chain.layers and types == ("int8", "float32")
    if not at_front and not at_end:
        raise ModelError(
            f"it converts {types[0]} to {types[1]}; read are a QUANTIZE of the float32 input to "
            "int8 and a DEQUANTIZE of the int8 result to float32"
        )


def _check_takes_last_step(op: Operator, shape: tuple[int, ...]) -> None:
    """Of each axis the last entry, of the last axis all."""
    vectors = [_integers(op, place) for place in (1, 2, 3)]
    masks = op.options
    if any(len(v) != len(shape) for v in vectors):
        raise ModelError("its begin, end and strides are not constants, one number per axis")
    if masks["ellipsis_mask"] or masks["new_axis_mask"] or masks["offset"] or 0 in vectors[2]:
        raise ModelError("it adds axes, counts from an offset, or strides by 0")
    for axis, (size, begin, end, stride) in enumerate(zip(shape, *vectors, strict=True)):
        bit = 1 << axis
        if masks["shrink_axis_mask"] & bit:
            taken = range(size)[begin:][:1] if begin >= -size else range(0)
        else:
            first = None if masks["begin_mask"] & bit else begin
            behind = None if masks["end_mask"] & bit else end
            taken = range(size)[first:behind:stride]
        if taken != (range(size) if axis == len(shape) - 1 else range(size - 1, size)):
            raise ModelError("it takes another part than the last time step")


def _check_order(op: Operator, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """A TRANSPOSE moves no value if only axes of length 1 change places."""
    if op.name != "TRANSPOSE":
        return
    axes = _integers(op, 1)
    if sorted(axes) != list(range(len(before))) or tuple(before[k] for k in axes) != after:
        raise ModelError(f"it makes shape {after} of {before} by an unknown order of axes")
    long = [k for k in axes if before[k] != 1]
    if long != sorted(long):
        raise ModelError(f"it changes the order of values: {before} to {after}")


def _integers(op: Operator, place: int) -> list[int]:
    """A constant vector of integers among the inputs; empty if there is none."""
    tensor = op.inputs[place] if place < len(op.inputs) else None
    if tensor is None or tensor.data is None or tensor.type not in ("int32", "int64"):
        return []
    return [int(number) for number in tensor.data.ravel()[:MOST_AXES]]


def _check_same_scale(before: Tensor, after: Tensor) -> None:
    kinds = [(t.type, t.scale, t.zero_point) for t in (before, after)]
    if kinds[0] != kinds[1]:
        raise ModelError("its result has another type, scale or zero point than its input")


def _check_matrix(chain: Chain, shape: tuple[int, ...]) -> None:
    if not shape or shape[-1] != chain.width or math.prod(shape[:-1]) != chain.rows:
        raise ModelError(
            f"its result has shape {shape}; the {chain.width} values of a step must stay the last "
            f"axis, {chain.rows} of them in all (a layer over all steps at once is not supported)"
        )


def _unsupported(name: str) -> str:
    told = f"it is not supported; supported are {', '.join(SUPPORTED)}"
    if name in ("WHILE", "IF", "CALL_ONCE") or name.startswith("CUSTOM Flex"):
        told += "; to get a fused LSTM, convert with batch 1 and a fixed number of steps"
    return told
