"""What operators in a row build: a chain of recurrent and dense layers.

At batch 1 every value of such a chain is a matrix (rows, width): one row per time step, or one in
all behind the last step. Axes of length 1 come and go without moving a value. The two branches of a
bidirectional layer are one link of the chain (`branches`).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.formats.following.appending import kind_of
from edgelstm.formats.tflite.activations import READ as ALONE
from edgelstm.formats.tflite.activations import fused_clamp, read_activation
from edgelstm.formats.tflite.layers import (
    READS,
    read_dense,
    read_lstm,
    read_of,
    read_rnn,
    scale_of,
)
from edgelstm.formats.tflite.looped.layer import read_loop
from edgelstm.formats.tflite.looped.weights import AS_REALS, with_real_weights
from edgelstm.formats.tflite.model import WAY_OUT, Graph, Operator, Tensor
from edgelstm.formats.tflite.slices import integers
from edgelstm.formats.tflite.views import (
    check_end,
    check_order,
    check_same_scale,
    check_takes_last_step,
)
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.read_steps import Repeat, reading, reads_last
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.network import Layer, layer_names
from edgelstm.model.precision import FUSED
from edgelstm.quantization.quantized import QuantizedLayer
from edgelstm.quantization.quantized_dense import ACTIVATED, QuantizedDense
from edgelstm.text import counted

FREE = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE")
ACTIVATIONS = {"RELU": "relu", "LOGISTIC": "sigmoid", "TANH": "tanh", "SOFTMAX": "softmax"}
ENDS = ("QUANTIZE", "DEQUANTIZE")
FUSED_LAYERS = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("lstm", read_lstm),
    "UNIDIRECTIONAL_SEQUENCE_RNN": ("rnn", read_rnn),
}
LEFT_BY_CONVERTERS = ("IF", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "UNPACK")
NO_CHAIN = "it does not take the result of the operator before it; only a chain is read"
REVERSE_V2 = "REVERSE_V2"
BOTH_DIRECTIONS = (
    *("UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
    *(REVERSE_V2, REVERSE_V2, "CONCATENATION"),
)
SUPPORTED = (
    *(*FUSED_LAYERS, "WHILE", "FULLY_CONNECTED", "STRIDED_SLICE", REVERSE_V2, "PACK"),
    *dict.fromkeys((*ACTIVATIONS, *ALONE)),
    *(*FREE, *ENDS, *READS),
)
PART = (
    "it is read as a part of a bidirectional layer: a recurrent layer, a second one behind a "
    "REVERSE_V2 of the steps, and one CONCATENATION of all their steps, in order again by a second "
    "REVERSE_V2, or of where each of them ends"
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
        graphs: Of the whole file, for loops.
        readers: By identity of a tensor who reads it: operators, and None for the graph's end.
        turned: The value's steps are in reverse order.
        notes: What to say in `Network.assumed`.
    """

    value: Tensor
    steps: int
    rows: int
    width: int
    layers: list[Layer | QuantizedLayer] = dataclasses.field(default_factory=list)
    last_step: bool = False
    dropped_softmax: bool = False
    graphs: Sequence[Graph] = ()
    readers: Mapping[int, Sequence[Operator | None]] = dataclasses.field(default_factory=dict)
    turned: bool = False
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def has_loops(self) -> bool:
        """Whether the file has more graphs than one."""
        return len(self.graphs) > 1


def append(chain: Chain, op: Operator) -> None:
    """Adds what one operator does; `ModelError` if it does not belong in a chain."""
    if op.name not in SUPPORTED:
        raise ModelError(_unsupported(op.name, chain.has_loops))
    if op.name == "WHILE":
        _append_loop(chain, op)
        return
    if op.inputs[:1] != (chain.value,) or len(op.outputs) != 1 or op.outputs[0] is None:
        raise ModelError(f"{NO_CHAIN}; {PART}" if op.name == REVERSE_V2 else NO_CHAIN)
    result = op.outputs[0]
    if result.type != chain.value.type and op.name not in ENDS:
        raise ModelError(f"it makes {result.type} of {chain.value.type}; one type is read")
    if op.name in FUSED_LAYERS:
        _append_fused(chain, op)
    elif op.name == "FULLY_CONNECTED":
        _append_dense(chain, op)
    elif op.name in ACTIVATIONS and (op.name not in ALONE or _is_bare(chain)):
        _apply_activation(chain, op, result)
    elif op.name in ALONE:
        _append_activation(chain, op)
    elif op.name == "STRIDED_SLICE":
        check_same_scale(chain.value, result)
        check_takes_last_step(op, chain.value.shape)
        chain.last_step, chain.rows = True, 1
    elif op.name in ENDS:
        check_end(op, (chain.value.type, result.type), is_first=not chain.layers)
    elif op.name == REVERSE_V2:
        _check_sequence(chain)
        result = turned_back(chain, op)
        chain.layers.append(ReverseSteps(chain.width))
    elif op.name == "PACK":
        check_same_scale(chain.value, result)
        _append_repeat(chain, op, result)
    else:
        check_same_scale(chain.value, result)
        if read := read_of(op, chain.rows, chain.width):
            chain.layers.append(read)
            chain.rows, chain.width = 1, read.output_size
        check_order(op, chain.value.shape, result.shape)
    check_matrix(chain, result.shape)
    chain.value = result


def turned_back(chain: Chain, op: Operator) -> Tensor:
    """The result of REVERSE_V2 of the steps, which are the axis that is not of length 1."""
    before, after = op.inputs[0], (*op.outputs, None)[0]
    if before is not chain.value or after is None:
        raise ModelError(PART)
    check_same_scale(before, after)
    rank = len(before.shape)
    (axis, *others) = [k % rank for k in integers(op, 1) if -rank <= k < rank] or [rank - 1]
    if others or axis == rank - 1 or before.shape[axis] != chain.rows:
        raise ModelError("REVERSE_V2 reverses an axis that is not the steps")
    if before.shape != after.shape:
        raise ModelError("REVERSE_V2 reverses an axis that is not the steps")
    return after


def _name(chain: Chain, kind: str) -> str:
    held = [kind_of(layer) for layer in chain.layers if layer.parts]  # type: ignore[arg-type]
    name = layer_names([*held, kind])[-1]
    return name + REVERSE if chain.turned else name


def _append_fused(chain: Chain, op: Operator) -> None:
    kind, read = FUSED_LAYERS[op.name]
    _check_sequence(chain)
    leading = (chain.steps, 1) if op.options["time_major"] else (1, chain.steps)
    if chain.value.shape[:-1] != leading:
        raise ModelError(
            f"its input has shape {chain.value.shape}; {(*leading, chain.width)} is needed"
        )
    layer: Recurrent[Any] = Recurrent((read(op, _name(chain, kind)),))
    append_layer(chain, layer)


def _append_loop(chain: Chain, op: Operator) -> None:
    """A WHILE, of which one output is read: each step's, or the last one's."""
    _check_sequence(chain)
    if chain.value not in op.inputs:
        raise ModelError(NO_CHAIN)
    loop = read_loop(op, chain.graphs, chain.value, (chain.steps, chain.width))
    read = [k for k, tensor in enumerate(op.outputs) if id(tensor) in chain.readers]
    if len(read) != 1 or read[0] not in loop.gives:
        raise ModelError(
            f"{counted(len(read), 'output')} of its loop are read; each step's output is, or that "
            f"of the last step; {WAY_OUT}"
        )
    result = op.outputs[read[0]]
    assert result is not None
    append_layer(chain, Recurrent((loop.direction(_name(chain, loop.matched.cell_name)),)))
    _note(chain, loop.has_integers)
    if loop.gives[read[0]] == "last":
        chain.last_step, chain.rows = True, 1
    check_matrix(chain, result.shape)
    chain.value = result


def _note(chain: Chain, has_integers: bool) -> None:
    if has_integers and AS_REALS not in chain.notes:
        chain.notes.append(AS_REALS)


def _check_sequence(chain: Chain) -> None:
    if chain.last_step:
        raise ModelError("it stands behind the selection of the last step")


def _append_repeat(chain: Chain, op: Operator, result: Tensor) -> None:
    """PACK of what was read of the steps, as each step of a new sequence."""
    n, read = len(op.inputs), reads_last(chain.layers)
    is_row = chain.rows == 1 and (chain.last_step or read)
    if not is_row or set(op.inputs) != {chain.value} or result.shape != (1, n, chain.width):
        raise ModelError("it joins other values than one row, read of all steps, again and again")
    before = reading(chain.layers, last_step=True) if chain.last_step else chain.layers
    chain.layers = [*before, Repeat(chain.width, n)]
    chain.last_step, chain.rows, chain.steps = False, n, n


def _append_dense(chain: Chain, op: Operator) -> None:
    given = with_real_weights(op) if chain.has_loops else op
    append_layer(chain, read_dense(given, _name(chain, "dense")))
    _note(chain, given is not op)
    if kind := fused_clamp(op):
        _append_activation(chain, Operator(kind, op.outputs, op.outputs))


def append_layer(chain: Chain, layer: Layer | QuantizedLayer) -> None:
    """Adds a layer with numbers, of the width of the value."""
    if chain.dropped_softmax:
        raise ModelError("it stands behind an int8 SOFTMAX, which is read at the end alone")
    if layer.input_size != chain.width:
        raise ModelError(
            f"its weights take {counted(layer.input_size, 'value')}, "
            f"but a time step has {chain.width}"
        )
    chain.layers.append(layer)
    chain.width = layer.output_size


def _is_bare(chain: Chain) -> bool:
    """Whether a dense layer without an activation comes before."""
    layer = chain.layers[-1] if chain.layers else None
    return isinstance(layer, Dense | QuantizedDense) and not layer.activation


def _append_activation(chain: Chain, op: Operator) -> None:
    before = chain.layers[-1] if chain.layers else None
    layer, joins = read_activation(op, _name(chain, "activation"), before)
    if joins:
        chain.layers.pop()
    append_layer(chain, layer)


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
        check_same_scale(chain.value, result)
    fixed = ACTIVATED.get((FUSED, ACTIVATIONS[op.name])) if integer else None
    if fixed and scale_of(result) != fixed:
        raise ModelError(
            f"its output needs scale 1/{1 / fixed.scale:.0f} and zero point {fixed.zero_point}"
        )
    if integer and op.name == "SOFTMAX":
        chain.dropped_softmax = True
    else:
        chain.layers[-1] = dataclasses.replace(layer, activation=ACTIVATIONS[op.name])


def check_matrix(chain: Chain, shape: tuple[int, ...]) -> None:
    """`ModelError` unless a result of this shape has the chain's rows and width."""
    if not shape or shape[-1] != chain.width or math.prod(shape[:-1]) != chain.rows:
        raise ModelError(
            f"its result has shape {shape}; the {chain.width} values of a step must stay the last "
            f"axis, {chain.rows} of them in all (a layer over all steps at once is not supported)"
        )


def _unsupported(name: str, has_loops: bool) -> str:
    told = f"it is not supported; supported are {', '.join(SUPPORTED)}"
    if name in LEFT_BY_CONVERTERS or name.startswith("CUSTOM Flex"):
        told += f"; convert with batch 1 and a fixed number of steps, without unroll, or {WAY_OUT}"
    elif has_loops:
        told += f"; {WAY_OUT}"
    return f"{told}; {PART}" if name in BOTH_DIRECTIONS else told
