"""Rows for kernels/integer_program.py: one function per kind of layer or operation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.execution.bytecode.builder import Builder, Program, Slot
from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.quantized import QuantizedDense, QuantizedDirection
from edgelstm.quantization.quantizer import integer_clip
from edgelstm.quantization.rounding import TFLM
from edgelstm.quantization.scales import Scale

WIDE = {"LOW": -32768, "HIGH": 32767}
POOLS = {"weights": "int8", "biases": "int32", "tables": "int16"}


def builder() -> Builder:
    """An empty program for the integer kernel."""
    from edgelstm.kernels import integer_program

    return Builder(integer_program)


def program(built: Builder, ends: tuple[Slot, Slot]) -> Program:
    """The finished program."""
    return built.program(POOLS, "int16", ends)


def operation(
    built: Builder, layer: QuantizedDirection, op: Op, places: Mapping[str, Slot]
) -> None:
    """The row of one operation of a recurrent layer."""
    out, scale = places[op.result], layer.scales[op.result]
    args, into = [places[a] for a in op.args], [layer.scales[a] for a in op.args]
    if op.side:
        rows = layer.plan.rows(op.gate)
        weight = getattr(layer, f"weight_{op.side}")[rows]
        bias = getattr(layer, f"bias_{op.side}")[rows]
        weight_scale = layer.weight_scales[f"{op.side} {op.gate}"]
        columns = _rescaled(TFLM.ratio(into[0].scale, weight_scale, scale.scale), scale)
        _affine(built, out, args[0], (weight, bias, into[0].zero_point), columns)
    elif op.kind == "add":
        built.row("ADD", out, *args, **_limits(scale))
    elif op.kind == "mul":
        ratio = TFLM.ratio(into[0].scale, into[1].scale, scale.scale)
        built.row("MUL", out, *args, **_rescaled(ratio, scale))
    elif op.kind == "clip":
        limit = integer_clip(layer.cell_clip, scale)
        built.row("CLIP", out, *args, LOW=-limit, HIGH=limit)
    elif op.kind in ("sigmoid", "tanh"):
        table = built.table(fx.whole_table, getattr(TFLM, op.kind), into[0].log2)
        built.row("TABLE", out, *args, TABLE_ROW=table, **WIDE)
    else:
        raise ModelError(f"layer '{layer.name}': operation '{op.kind}' has no integer form yet")


def dense(built: Builder, layer: QuantizedDense, x: Slot) -> Slot:
    """The rows of a dense layer; returns where its result lies."""
    assert layer.input is not None and layer.linear is not None
    out, scale = built.place(layer.output_size), layer.linear
    columns = _rescaled(TFLM.dense_ratio(layer.input.scale, layer.weight_scale, scale.scale), scale)
    if layer.activation == "relu":
        columns["LOW"] = scale.zero_point
    _affine(built, out, x, (layer.weight, layer.bias, layer.input.zero_point), columns)
    if layer.activation != "sigmoid":
        return out
    table = built.table(_logistic16, scale.scale, scale.zero_point)
    activated = built.place(layer.output_size)
    built.row("TABLE", activated, out, TABLE_ROW=table, **WIDE)
    return activated


def _affine(
    built: Builder,
    out: Slot,
    x: Slot,
    constants: tuple[NDArray[Any], NDArray[Any], int],
    columns: dict[str, int],
) -> None:
    """The input's zero point is folded into the bias."""
    weight, bias, zero_point = constants
    folded = bias.astype(np.int64) - zero_point * weight.astype(np.int64).sum(1)
    weights, biases = built.constant("weights", weight), built.constant("biases", fx.wrap32(folded))
    built.row("AFFINE", out, x, COLUMNS=x.size, WEIGHT=weights, BIAS=biases, **columns)


def _rescaled(ratio: float, scale: Scale) -> dict[str, int]:
    multiplier, shift = fx.quantize_multiplier(ratio)
    return {"MULTIPLIER": multiplier, "SHIFT": shift, **_limits(scale)}


def _limits(scale: Scale) -> dict[str, int]:
    low, high = scale.limits
    return {"LOW": low, "HIGH": high, "ZERO": scale.zero_point}


def _logistic16(scale: float, zero_point: int) -> fx.Int64s:
    """`logistic8` at the indices of an int16 table; values outside int8 never come up."""
    return fx.logistic8(scale, zero_point)[fx.saturate8(fx.INT16) + 128]
