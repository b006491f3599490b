"""What operators in a row build: a chain of LSTMs and dense layers.

At batch 1 every value of such a chain is a matrix (rows, width): one row per time step, or one in
all behind the last step. Axes of length 1 come and go without moving a value. The five operators
of a bidirectional layer are one link of the chain.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.layers import READS, read_dense, read_lstm, read_of, scale_of
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.formats.tflite.unpack import MOST_AXES
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Layer, layer_names
from edgelstm.model.precision import FUSED
from edgelstm.quantization.quantized import QuantizedLayer
from edgelstm.quantization.quantized_dense import ACTIVATED, QuantizedDense
from edgelstm.text import counted

FREE = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE")
ACTIVATIONS = {"RELU": "relu", "LOGISTIC": "sigmoid", "TANH": "tanh", "SOFTMAX": "softmax"}
ENDS = ("QUANTIZE", "DEQUANTIZE")
BOTH_DIRECTIONS = (
    *("UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
    *("REVERSE_V2", "REVERSE_V2", "CONCATENATION"),
)
SUPPORTED = (
    *("UNIDIRECTIONAL_SEQUENCE_LSTM", "FULLY_CONNECTED", "STRIDED_SLICE"),
    *(*ACTIVATIONS, *FREE, *ENDS, *READS),
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
    """Adds what one operator does; `ModelError` if it does not belong in a chain."""
    if op.name not in SUPPORTED:
        raise ModelError(_unsupported(op.name))
    if op.inputs[:1] != (chain.value,) or len(op.outputs) != 1 or op.outputs[0] is None:
        raise ModelError(
            "it does not take the result of the operator before it; only a chain is read"
        )
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
        if read := read_of(op, chain.rows, chain.width):
            chain.layers.append(read)
            chain.rows, chain.width = 1, read.output_size
        _check_order(op, chain.value.shape, result.shape)
    _check_matrix(chain, result.shape)
    chain.value = result


def directions_at(operators: Sequence[Operator], value: Tensor) -> tuple[Operator, ...]:
    """The operators of a bidirectional layer on a value, if these are: else none.

    In the order forward LSTM, REVERSE_V2, backward LSTM, REVERSE_V2, CONCATENATION; in a file any
    order will do in which each stands behind those that it reads.
    """
    if sorted(op.name for op in operators) != sorted(BOTH_DIRECTIONS):
        return ()
    if any(not op.inputs or len(op.outputs) != 1 or op.outputs[0] is None for op in operators):
        return ()
    makers, joined = {id(op.outputs[0]): op for op in operators}, operators[-1]
    if len(joined.inputs) != 2:
        return ()
    there, turned_back = (makers.get(id(tensor)) for tensor in joined.inputs)
    back = makers.get(id(turned_back.inputs[0])) if turned_back else None
    turned = makers.get(id(back.inputs[0])) if back else None
    if not there or not turned_back or not back or not turned:
        return ()
    found = there, turned, back, turned_back, joined
    names = BOTH_DIRECTIONS[0], "REVERSE_V2", BOTH_DIRECTIONS[0], "REVERSE_V2", "CONCATENATION"
    reads_value = there.inputs[0] is value and turned.inputs[0] is value
    return found if reads_value and tuple(op.name for op in found) == names else ()


def append_directions(chain: Chain, operators: Sequence[Operator]) -> None:
    """Adds a bidirectional layer, from what `directions_at` gives."""
    there, turned, back, turned_back, joined = operators
    _check_sequence(chain, there)
    if there.options["time_major"] != back.options["time_major"]:
        raise ModelError("its two LSTMs differ in the order of steps and batch")
    for op in (turned, turned_back):
        _check_turns_steps(op, 0 if there.options["time_major"] else 1)
    name = _name(chain, "lstm")
    directions = read_lstm(there, name), read_lstm(back, name + REVERSE)
    if directions[0].precision != directions[1].precision:
        raise ModelError("its two LSTMs differ in precision; one precision is read")
    layer: Recurrent[Any] = Recurrent(directions)
    _check_joins(joined, chain.value, layer.forward.output_size)
    _append_layer(chain, layer)
    (result,) = joined.outputs
    assert result is not None
    _check_matrix(chain, result.shape)
    chain.value = result


def _check_turns_steps(op: Operator, steps_axis: int) -> None:
    before, after = op.inputs[0], op.outputs[0]
    assert before is not None and after is not None
    _check_same_scale(before, after)
    if _integers(op, 1) not in ([steps_axis], [steps_axis - 3]) or before.shape != after.shape:
        raise ModelError("REVERSE_V2 reverses an axis that is not the steps")


def _check_joins(op: Operator, value: Tensor, width: int) -> None:
    """Whether a CONCATENATION puts the two outputs of each step side by side, as they are."""
    (result,) = op.outputs
    assert result is not None
    shapes = {tensor.shape for tensor in op.inputs if tensor is not None}
    if shapes != {(*value.shape[:-1], width)} or op.options["axis"] not in (2, -1):
        raise ModelError("CONCATENATION joins values that are not the outputs of a step")
    if op.options["activation"]:
        raise ModelError("CONCATENATION has an activation; none is read")
    if result.type != value.type:
        raise ModelError(f"it makes {result.type} of {value.type}; one type is read")
    for tensor in op.inputs:
        assert tensor is not None
        _check_same_scale(tensor, result)


def _name(chain: Chain, kind: str) -> str:
    held = (layer for layer in chain.layers if layer.parts)
    dense = (isinstance(layer, Dense | QuantizedDense) for layer in held)
    return layer_names([*("dense" if d else "lstm" for d in dense), kind])[-1]


def _append_lstm(chain: Chain, op: Operator) -> None:
    _check_sequence(chain, op)
    layer: Recurrent[Any] = Recurrent((read_lstm(op, _name(chain, "lstm")),))
    _append_layer(chain, layer)


def _check_sequence(chain: Chain, op: Operator) -> None:
    """Whether an LSTM takes all steps of the chain's value."""
    if chain.last_step:
        raise ModelError("it stands behind the selection of the last step")
    leading = (chain.steps, 1) if op.options["time_major"] else (1, chain.steps)
    if chain.value.shape[:-1] != leading:
        raise ModelError(
            f"its input has shape {chain.value.shape}; {(*leading, chain.width)} is needed"
        )


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
    integer, wanted = False, "float32"
    if isinstance(layer, QuantizedDense) and layer.input is not None:
        integer, wanted = True, layer.numbers.formats["output"].type
    if chain.value.type != wanted:
        raise ModelError(f"it takes {chain.value.type}, but the layer before it gives {wanted}")
    if op.name == "SOFTMAX" and op.options["beta"] != 1:
        raise ModelError(f"its beta is {op.options['beta']:.6g}; 1 is read")
    if integer and op.name == "RELU":
        _check_same_scale(chain.value, result)
    fixed = ACTIVATED.get((FUSED, ACTIVATIONS[op.name])) if integer else None
    if fixed and scale_of(result) != fixed:
        raise ModelError(
            f"its output needs scale 1/{1 / fixed.scale:.0f} and zero point {fixed.zero_point}"
        )
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
    if name in BOTH_DIRECTIONS:
        told += (
            "; it is read as a part of a bidirectional layer: an LSTM, a second one between two "
            "REVERSE_V2 of the steps, and one CONCATENATION of all their steps"
        )
    return told
