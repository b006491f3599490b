"""From a .tflite file to a network: a chain of fused LSTMs and dense layers, this toolkit's or others'.

At batch 1 every value of such a chain is a matrix (rows, width): one row per time step, or one in
all behind the last step. Axes of length 1 come and go without moving a value.
"""

import dataclasses
import math
import pathlib

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.layers import read_dense, read_lstm, scale_of
from edgelstm.formats.tflite.model import Model, Operator, Tensor, unpack
from edgelstm.network import Dense, Network, Recurrent, layer_names
from edgelstm.quantized import (
    SIGMOID_OUTPUT,
    QuantizedDense,
    QuantizedNetwork,
    QuantizedRecurrent,
)

FREE = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE")
ACTIVATIONS = {"RELU": "relu", "LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}
ENDS = ("QUANTIZE", "DEQUANTIZE")
SUPPORTED = (
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "FULLY_CONNECTED",
    "STRIDED_SLICE",
    *ACTIVATIONS,
    *FREE,
    *ENDS,
)
MOST_SHARING = 8  # how often a file may use its bytes: more is no network, and would fill memory

Layer = Recurrent | Dense | QuantizedRecurrent | QuantizedDense


def read(
    path: pathlib.Path, last_step: bool | None, activation: str | None
) -> Network | QuantizedNetwork:
    """The network of a .tflite file.

    Args:
        path: Fused LSTMs (float32, hybrid or int8) and dense layers, batch 1.
        last_step, activation: What the caller knows of the file, which states both itself.

    Returns:
        Scales and zero points as the file has them. A final int8 softmax is left off
        (`dropped_softmax`).

    Raises:
        ModelError: A damaged file, an operator that is not supported, a contradiction.
    """
    model = open_model(path)
    try:
        network = _network(model, MOST_SHARING * path.stat().st_size)
        _check_stated(network, last_step, activation)
    except ModelError as error:
        raise ModelError(f"{path.name}: {error}") from None
    return network


def open_model(path: pathlib.Path) -> Model:
    """Tensors and operators of a file; `ModelError` if it is damaged or not of this format."""
    try:
        return unpack(path.read_bytes())
    except ModelError as error:
        raise ModelError(f"{path.name}: {error}") from None


def steps_of(path: pathlib.Path, model: Model) -> int:
    """Time steps per call, from the shape of the file's input."""
    try:
        return _input_rows(model)
    except ModelError as error:
        raise ModelError(f"{path.name}: {error}") from None


@dataclasses.dataclass
class _Chain:
    """What the operators so far have built, and the value the next one takes."""

    value: Tensor
    steps: int
    rows: int
    width: int
    layers: list[Layer] = dataclasses.field(default_factory=list)
    last_step: bool = False
    dropped_softmax: bool = False

    def name(self, kind: str) -> str:
        kinds = ["dense" if hasattr(layer, "activation") else "lstm" for layer in self.layers]
        return layer_names([*kinds, kind])[-1]


def _network(model: Model, most_bytes: int) -> Network | QuantizedNetwork:
    rows = _input_rows(model)
    chain = _Chain(model.input, rows, rows, model.input.shape[-1])
    for k, op in enumerate(model.operators):
        most_bytes -= sum(t.data.nbytes for t in op.inputs if t is not None and t.data is not None)
        try:
            if most_bytes < 0:
                raise ModelError("the operators so far name the same constants again and again")
            _append(chain, op)
        except ModelError as error:
            raise ModelError(f"operator {k} ({op.name}): {error}") from None
    if chain.value is not model.output:
        raise ModelError(
            f"the result is tensor '{model.output.name}', "
            "which is not what the last operator computes"
        )
    return _assembled(chain)


def _input_rows(model: Model) -> int:
    shape = model.input.shape
    if len(shape) not in (2, 3) or shape[0] != 1 or min(shape) < 1:
        raise ModelError(
            f"its input '{model.input.name}' has shape {shape}; (1, steps, values) is read: "
            "convert it with batch 1"
        )
    return math.prod(shape[:-1])


def _append(chain: _Chain, op: Operator) -> None:
    if op.name not in SUPPORTED:
        raise ModelError(_unsupported(op.name))
    if op.inputs[:1] != (chain.value,) or len(op.outputs) != 1 or op.outputs[0] is None:
        raise ModelError("it does not continue the chain; one operator after the other is read")
    result = op.outputs[0]
    if op.name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        _append_lstm(chain, op)
    elif op.name == "FULLY_CONNECTED":
        _append_layer(chain, read_dense(op, chain.name("dense")))
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
        _check_free(op, chain.value.shape, result.shape)
    _check_matrix(chain, result)
    chain.value = result


def _append_lstm(chain: _Chain, op: Operator) -> None:
    if chain.last_step:
        raise ModelError("it stands behind the selection of the last step")
    leading = (chain.steps, 1) if op.options["time_major"] else (1, chain.steps)
    if chain.value.shape[:-1] != leading:
        raise ModelError(
            f"its input has shape {chain.value.shape}; {(*leading, chain.width)} is needed"
        )
    _append_layer(chain, read_lstm(op, chain.name("lstm")))


def _append_layer(chain: _Chain, layer: Layer) -> None:
    if chain.dropped_softmax:
        raise ModelError("it stands behind an int8 SOFTMAX, which is read at the end alone")
    if layer.input_size != chain.width:
        raise ModelError(
            f"its weights take {layer.input_size} values, but a time step has {chain.width}"
        )
    chain.layers.append(layer)
    chain.width = layer.output_size


def _apply_activation(chain: _Chain, op: Operator, result: Tensor) -> None:
    layer = chain.layers[-1] if chain.layers else None
    if not isinstance(layer, Dense | QuantizedDense) or layer.activation or chain.dropped_softmax:
        raise ModelError("it stands neither in nor directly behind a FULLY_CONNECTED")
    integer = isinstance(layer, QuantizedDense) and layer.input is not None
    wanted = "int8" if integer else "float32"
    if (chain.value.type, result.type) != (wanted, wanted):
        raise ModelError(f"it takes {chain.value.type} and gives {result.type}, not {wanted}")
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


def _check_end(chain: _Chain, op: Operator, result: Tensor) -> None:
    """QUANTIZE from float32 in front of all layers, DEQUANTIZE to float32 behind them."""
    types = chain.value.type, result.type
    at_front = op.name == "QUANTIZE" and not chain.layers and types == ("float32", "int8")
    at_end = op.name == "DEQUANTIZE" and chain.layers and types == ("int8", "float32")
    if not at_front and not at_end:
        raise ModelError(
            f"it converts {types[0]} to {types[1]}; read are a QUANTIZE of the float32 input and a "
            "DEQUANTIZE of the int8 result"
        )


def _check_takes_last_step(op: Operator, shape: tuple[int, ...]) -> None:
    """Of each axis the last entry, of the last axis all."""
    vectors = [t.data for t in op.inputs[1:4] if t is not None and t.data is not None]
    masks = op.options
    if len(vectors) != 3 or any(v.shape != (len(shape),) for v in vectors):
        raise ModelError("its begin, end and strides are not constants, one number per axis")
    if masks["ellipsis_mask"] or masks["new_axis_mask"] or masks["offset"]:
        raise ModelError("it adds axes or counts from an offset; plain slices are read")
    for axis, (size, begin, end, stride) in enumerate(zip(shape, *vectors, strict=True)):
        bit = 1 << axis
        if masks["shrink_axis_mask"] & bit:
            taken = range(size)[int(begin) :][:1] if begin >= -size else range(0)
        else:
            first = None if masks["begin_mask"] & bit else int(begin)
            behind = None if masks["end_mask"] & bit else int(end)
            taken = range(size)[first : behind : int(stride) or 1]
        if taken != (range(size) if axis == len(shape) - 1 else range(size - 1, size)):
            raise ModelError("it takes another part than the last time step")


def _check_free(op: Operator, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """A TRANSPOSE moves no value if only axes of length 1 change places."""
    if op.name != "TRANSPOSE":
        return
    order = op.inputs[1].data if len(op.inputs) > 1 and op.inputs[1] is not None else None
    axes = [] if order is None else order.ravel().tolist()
    if sorted(axes) != list(range(len(before))) or tuple(before[k] for k in axes) != after:
        raise ModelError(f"it makes shape {after} of {before} by an unknown order of axes")
    long = [k for k in axes if before[k] != 1]
    if long != sorted(long):
        raise ModelError(f"it changes the order of values: {before} to {after}")


def _check_same_scale(before: Tensor, after: Tensor) -> None:
    kinds = [(t.type, t.scale, t.zero_point) for t in (before, after)]
    if kinds[0] != kinds[1]:
        raise ModelError("its result has another type, scale or zero point than its input")


def _check_matrix(chain: _Chain, result: Tensor) -> None:
    shape = result.shape
    if not shape or shape[-1] != chain.width or math.prod(shape[:-1]) != chain.rows:
        raise ModelError(
            f"its result has shape {shape}; {chain.rows} x {chain.width} values, those of one time "
            "step on the last axis, are needed"
        )


def _unsupported(name: str) -> str:
    told = f"it is not supported; supported are {', '.join(SUPPORTED)}"
    if name in ("WHILE", "IF", "CALL_ONCE") or name.startswith("CUSTOM Flex"):
        told += ". A loop over steps is no fused LSTM: convert with a fixed batch and sequence length"
    return told


def _assembled(chain: _Chain) -> Network | QuantizedNetwork:
    layers = tuple(chain.layers)
    kinds = {layer.name: _precision(layer) for layer in layers}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise ModelError(f"its layers differ in precision ({told}); one precision is read")
    recurrent = any(isinstance(layer, Recurrent | QuantizedRecurrent) for layer in layers)
    if chain.last_step and not recurrent:
        raise ModelError("it takes the last step, but has no recurrent layer")
    floats = tuple(layer for layer in layers if isinstance(layer, Recurrent | Dense))
    integers = tuple(layer for layer in layers if isinstance(layer, QuantizedRecurrent | QuantizedDense))
    if not integers:
        return Network(floats, chain.last_step)
    precision = kinds[integers[0].name]
    return QuantizedNetwork(
        integers, chain.last_step, precision, dropped_softmax=chain.dropped_softmax
    )


def _precision(layer: Layer) -> str:
    if isinstance(layer, Recurrent | Dense):
        return "float32"
    if isinstance(layer, QuantizedDense):
        return "hybrid" if layer.input is None else "int8"
    return "int8" if layer.scales else "hybrid"


def _check_stated(
    network: Network | QuantizedNetwork, last_step: bool | None, activation: str | None
) -> None:
    if last_step is not None and last_step != network.last_step:
        raise ModelError(
            f"last_step={last_step} contradicts the file, which gives "
            f"{'the last step' if network.last_step else 'each step'}; leave it out"
        )
    last = network.layers[-1]
    stated = last.activation if isinstance(last, Dense | QuantizedDense) else None
    if isinstance(network, QuantizedNetwork) and network.dropped_softmax:
        stated = "softmax"
    if activation is not None and activation != stated:
        raise ModelError(
            f"activation='{activation}' contradicts the file, which ends in {stated or 'none'}; "
            "leave it out"
        )
