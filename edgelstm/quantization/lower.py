"""lower: from a quantized layer to one list of integer operations with their numbers.

Here alone a scale becomes a ratio, a zero point, a limit or a table. Whoever computes or writes a
layer's integers reads the list, and knows no role, no scale and no cell: the oracle, the program of
the generic kernel, the numbers of the fused one, ONNX's loop.
"""

from collections.abc import Callable

import numpy as np

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.model.forms import plan_refusal
from edgelstm.quantization.operations import (
    Add,
    Clip,
    Lowered,
    Mul,
    Operation,
    Product,
    Rescale,
    Stored,
    Table,
)
from edgelstm.quantization.quantized import QuantizedDense, QuantizedDirection, QuantizedPart
from edgelstm.quantization.rounding import TFLM, Arithmetic
from edgelstm.quantization.scales import Scale


def lower(layer: QuantizedPart, arithmetic: Arithmetic = TFLM) -> Lowered:
    """The integer operations of a dense layer, or of one direction of a recurrent one.

    Args:
        layer: With scales: a hybrid layer computes in real numbers.
        arithmetic: The runtime whose bits are wanted.

    Raises:
        ModelError: The layer has no integer form.
    """
    if isinstance(layer, QuantizedDense):
        return _lower_dense(layer, arithmetic)
    plan, scales = layer.plan, layer.scales
    if told := plan_refusal(plan):
        raise ModelError(f"layer '{plan.name}': {told}")

    def stored(value: str) -> Stored:
        return Stored(value, plan.sizes[value], scales[value].type, scales[value].zero_point)

    return Lowered(
        plan.name,
        stored("x"),
        stored(plan.new_states[0]),
        tuple(FUSED[op.kind](layer, op, arithmetic) for op in plan.ops),
        tuple(map(stored, plan.states)),
        plan.new_states,
    )


# ---- dense layers


def _lower_dense(layer: QuantizedDense, arithmetic: Arithmetic) -> Lowered:
    assert layer.input is not None and layer.linear is not None
    if layer.activation == "softmax":
        raise ModelError(
            f"layer '{layer.name}': runtimes differ on an int8 softmax; leave it off, "
            "the arg max stays the same"
        )
    into, out, (low, high) = layer.input, layer.linear, layer.linear.limits
    ratio = arithmetic.dense_ratio(into.scale, layer.weight_scale, out.scale)
    limits = (out.zero_point if layer.activation == "relu" else low, high)
    rescale = Rescale(arithmetic.dense, ratio, out.zero_point, limits)
    ops: tuple[Operation, ...] = (
        Product("linear", ("x",), layer.weight, layer.bias, into.zero_point, into.type, rescale),
    )
    if layer.activation == "sigmoid":
        name, ends = f"{layer.name}/table", (out.scale, out.zero_point)
        ops += (Table(layer.plan.result, ("linear",), "logistic8", ends, name, layer.output.type),)
    output = layer.output
    return Lowered(
        layer.name,
        Stored("x", layer.input_size, into.type, into.zero_point),
        Stored(ops[-1].result, layer.output_size, output.type, output.zero_point),
        ops,
    )


# ---- the fused form: formats by role, as the LSTM kernels of TFLM and LiteRT have them


def integer_clip(clip: float, scale: Scale) -> int:
    """The integer at which a cell state is cut, as TFLM and LiteRT truncate it; 0 for none."""
    return min(int(float(np.float32(clip)) / scale.scale), scale.limits[1])


def _product(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Product:
    side, gate = str(op.side), str(op.gate)
    matrix, bias = layer.matrix(side, gate), layer.biases[side][layer.plan.rows(gate)]
    into, out = layer.scales[op.args[0]], layer.scales[op.result]
    assert matrix.scale is not None
    cut = op.side == "ih" or arithmetic.saturates_recurrent
    rescale = Rescale(
        arithmetic.affine,
        arithmetic.ratio(into.scale, matrix.scale, out.scale),
        out.zero_point,
        out.limits if cut else None,
    )
    return Product(
        op.result,
        op.args,
        matrix.values,
        bias if layer.plan.biases[op.result] else None,
        into.zero_point,
        into.type,
        rescale,
        op.side,
        op.gate,
    )


def _add(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Add:
    return Add(op.result, op.args, layer.scales[op.result].limits)


def _mul(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Mul:
    (a, b), out = (layer.scales[v].scale for v in op.args), layer.scales[op.result]
    becomes_output = layer.plan.roles[op.result] == "output"
    rounding = arithmetic.output if becomes_output else arithmetic.cell
    ratio = arithmetic.ratio(a, b, out.scale)
    return Mul(op.result, op.args, Rescale(rounding, ratio, out.zero_point, out.limits))


def _table(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Table:
    into, function = layer.scales[op.args[0]], getattr(arithmetic, op.kind)
    name = f"{op.kind}_2^{into.log2}"
    return Table(op.result, op.args, function, (into.log2,), name, layer.scales[op.result].type)


def _clip(layer: QuantizedDirection, op: Op, arithmetic: Arithmetic) -> Clip:
    limit = integer_clip(layer.cell_clip, layer.scales[op.result])
    return Clip(op.result, op.args, (-limit, limit))


# Kind of a traced operation to its row of the list. Another form of values is another table.
FUSED: dict[str, Callable[[QuantizedDirection, Op, Arithmetic], Operation]] = {
    "affine_ih": _product,
    "affine_hh": _product,
    "add": _add,
    "mul": _mul,
    "sigmoid": _table,
    "tanh": _table,
    "clip": _clip,
}
