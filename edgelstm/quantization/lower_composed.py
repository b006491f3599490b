"""The composed form as a list of operations: what operators that compute one each do to int16.

The arithmetic is that of TensorFlow Lite's operators of int16 values and int8 weights, where all
runtimes agree on the bits: TensorFlow Lite Micro, LiteRT, tflite-runtime.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.model.forms import plan_refusal
from edgelstm.quantization.lower_fused import activation_table, integer_limits
from edgelstm.quantization.operations import (
    HEADROOM,
    Clip,
    Constant,
    Lowered,
    Maximum,
    Mul,
    Narrow,
    Operation,
    Product,
    Rescale,
    Stored,
    Sum,
    Table,
    Widen,
)
from edgelstm.quantization.quantize_activation import slope_scale
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection, weight_key
from edgelstm.quantization.scales import Scale, integer_clip, wide

WIDE = (-32768, 32767)
ONE = 32767  # the 1 of 1 - v in 2**-15, as near as int16 comes to it


# What is computed of int8 values as they are.
NARROW = ("clamp", "elu")


def lower_composed(layer: QuantizedDirection | QuantizedDense | QuantizedActivation) -> Lowered:
    """One direction of a recurrent layer, or a layer without states.

    Raises:
        ModelError: It has no composed form.
    """
    if told := plan_refusal(layer.plan):
        raise ModelError(f"layer '{layer.name}': {told}")
    return _Composer(layer).lowered()


class _Composer:
    """Collects the operations of a layer, and the scale of each value."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.plan = layer, layer.plan
        self.scales: dict[str, Scale] = {}
        self.ops: list[Operation] = []
        self._inside: dict[str, str] = {}  # value of the plan to what stands for it, int16

    def lowered(self) -> Lowered:
        """The whole list."""
        plan = self.plan
        for value in ("x", *plan.states):
            self.scales[value] = self.layer.scales[value]
            is_narrow = plan.ops[0].kind in NARROW and value in plan.ops[0].args
            self._inside[value] = value if is_narrow else self._widened(value)
        for op in plan.ops:
            self._inside[op.result] = COMPOSED[op.kind](self, op)
        new_states = [self._inside[new] for new in plan.new_states]
        result = self._inside[plan.result]
        if plan.states:
            new_states[0] = result = self._narrowed(new_states[0], self.scales[plan.states[0]])
        else:
            result = self._narrowed(result, self.layer.output)
        output = self.scales[result]
        return Lowered(
            plan.name,
            self._stored("x"),
            Stored(result, plan.sizes[plan.result], output.type, output.zero_point),
            tuple(self.ops),
            self.scales,
            tuple(self._stored(state) for state in plan.states),
            tuple(new_states),
        )

    def append(self, op: Operation, scale: Scale) -> str:
        """One more operation; returns the name of its result."""
        self.ops.append(op)
        self.scales[op.result] = scale
        return op.result

    def args(self, op: Op) -> tuple[str, ...]:
        """The int16 values that a traced operation reads."""
        return tuple(self._inside[a] for a in op.args)

    def ratio(self, *factors: float, out: Scale) -> float:
        """Exact: the rules for scales keep mantissas short."""
        return float(np.prod(factors)) / out.scale

    def _stored(self, value: str) -> Stored:
        scale = self.scales[value]
        return Stored(value, self.plan.sizes[value], scale.type, scale.zero_point)

    def _widened(self, value: str) -> str:
        scale = self.scales[value]
        if scale.type == "int16":
            return value
        return self.append(
            Widen(f"{value}_wide", (value,)), dataclasses.replace(scale, type="int16")
        )

    def _narrowed(self, value: str, scale: Scale) -> str:
        if scale.type == self.scales[value].type:
            return value
        ratio = self.ratio(self.scales[value].scale, out=scale)
        rescale = Rescale("requantize", ratio, scale.zero_point, scale.limits)
        return self.append(Narrow(f"{value}_narrow", (value,), rescale), scale)


def _product(made: _Composer, op: Op) -> str:
    layer, side, out = made.layer, str(op.side), made.layer.scales[op.result]
    matrix, (arg,) = layer.matrix(side, op.gate), made.args(op)
    bias = layer.plan.bias(op, layer.biases) if layer.plan.biases[op.result] else None
    into = made.scales[arg]
    rescale = _wide("requantize64", made.ratio(into.scale, matrix.scale, out=out))
    product = Product(
        op.result,
        (arg,),
        matrix.values,
        matrix.scale,
        bias,
        0,
        into.type,
        rescale,
        op.side,
        op.gate,
    )
    return made.append(product, out)


def _sum(made: _Composer, op: Op) -> str:
    return _summed(made, op, made.args(op), -1 if op.kind == "sub" else 1)


def _complement(made: _Composer, op: Op) -> str:
    values = np.full(made.plan.sizes[op.result], ONE, np.int16)
    one = made.append(Constant(f"{op.result}_one", (), values), wide(-15))
    return _summed(made, op, (one, *made.args(op)), -1)


def _summed(made: _Composer, op: Op, args: tuple[str, ...], sign: int) -> str:
    out = made.layer.scales[op.result]
    scales = [made.scales[a].scale for a in args]
    common = 2 * max(scales)
    left, right = (Rescale("requantize", scale / common, 0, None) for scale in scales)
    rescale = _wide("requantize", common / (2**HEADROOM * out.scale))
    return made.append(Sum(op.result, args, sign, left, right, rescale), out)


def _mul(made: _Composer, op: Op) -> str:
    return _multiplied(made, op, made.args(op))


def _scale(made: _Composer, op: Op) -> str:
    layer, gate = made.layer, str(op.gate)
    constant = Constant(f"{op.result}_peephole", (), layer.peephole(gate))
    scale = Scale(layer.weight_scales[weight_key("peephole", gate)], 0, "int16")
    return _multiplied(made, op, (*made.args(op), made.append(constant, scale)))


def _multiplied(made: _Composer, op: Op, args: tuple[str, ...]) -> str:
    out = made.layer.scales[op.result]
    ratio = made.ratio(*(made.scales[a].scale for a in args), out=out)
    return made.append(Mul(op.result, args, _wide("requantize", ratio)), out)


def _table(made: _Composer, op: Op) -> str:
    args = made.args(op)
    log2 = made.scales[args[0]].log2
    table = Table(op.result, args, f"table_{op.kind}", (log2,), f"{op.kind}_2^{log2}", "int16")
    return made.append(table, made.layer.scales[op.result])


def _relu(made: _Composer, op: Op) -> str:
    return made.append(Clip(op.result, made.args(op), (0, WIDE[1])), made.layer.scales[op.result])


def _clamp(made: _Composer, op: Op) -> str:
    return made.append(
        Clip(op.result, made.args(op), integer_limits(made.layer)), made.layer.scales[op.result]
    )


def _leaky(made: _Composer, op: Op) -> str:
    """The larger of v and slope * v."""
    scale = slope_scale(*made.layer.given)
    values = np.full(made.plan.sizes[op.result], round(made.layer.given[0] / scale), np.int16)
    slope = made.append(Constant("slope", (), values), Scale(scale, 0, "int16"))
    (value,) = made.args(op)
    out = made.layer.scales[op.result]
    ratio = made.ratio(made.scales[value].scale, scale, out=out)
    scaled = made.append(Mul("scaled", (value, slope), _wide("requantize", ratio)), out)
    return made.append(Maximum(op.result, (value, scaled)), out)


def _elu(made: _Composer, op: Op) -> str:
    return made.append(activation_table(made.layer), made.layer.scales[op.result])


def _clip(made: _Composer, op: Op) -> str:
    scale = made.layer.scales[op.result]
    limit = integer_clip(made.layer.cell_clip, scale)
    return made.append(Clip(op.result, made.args(op), (-limit, limit)), scale)


def _wide(rounding: str, ratio: float) -> Rescale:
    return Rescale(rounding, ratio, 0, WIDE)


# Kind of a traced operation to its rows of the list; the value that the last one gives.
COMPOSED: dict[str, Callable[[_Composer, Op], str]] = {
    "affine_ih": _product,
    "affine_hh": _product,
    "affine_hr": _product,
    "affine_dense": _product,
    "add": _sum,
    "sub": _sum,
    "complement": _complement,
    "mul": _mul,
    "scale": _scale,
    "sigmoid": _table,
    "tanh": _table,
    "relu": _relu,
    "clip": _clip,
    "clamp": _clamp,
    "leaky_relu": _leaky,
    "elu": _elu,
}
