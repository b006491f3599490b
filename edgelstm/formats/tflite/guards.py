"""What runtimes accept and then compute wrongly: refused here, when a file is written or read."""

import math

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.quantization import CELL_LOG2, fits_int32, integer_clip
from edgelstm.quantized import QuantizedDense, QuantizedRecurrent

SMALLEST_OUTPUT_SCALE = 2.0**-30  # below, o * tanh(c) would have to be shifted left, out of int32


def check_target(target: str | None, precision: str, *, streaming: bool) -> None:
    """`ModelError` if a target would run a file of this precision wrongly."""
    if precision == "hybrid" and target in ("tflm", "cmsis-nn"):
        raise ModelError(
            f"target '{target}' loads a hybrid LSTM and returns NaN without an error; "
            "use precision int8 or float32"
        )
    if precision == "int8" and target == "cmsis-nn" and streaming:
        raise ModelError(
            "target 'cmsis-nn' cannot run an int8 LSTM step by step: TensorFlow Lite Micro passes "
            "no state to CMSIS-NN, so every call starts from zero; write whole sequences, "
            "not streaming, use float32, or target 'tflm' with its reference kernels"
        )


def check_recurrent(layer: QuantizedRecurrent) -> None:
    """`ModelError` if runtimes would disagree on an int8 layer, or compute rubbish."""
    where = f"layer '{layer.name}'"
    _check_cell(where, layer)
    if layer.output.scale < SMALLEST_OUTPUT_SCALE:
        raise ModelError(
            f"{where}: the output has scale {layer.output.scale:.3g}; "
            f"at least {SMALLEST_OUTPUT_SCALE:.3g} is needed"
        )
    sides = {"ih": (layer.weight_ih, layer.bias_ih), "hh": (layer.weight_hh, layer.bias_hh)}
    for op in layer.plan.ops:
        if op.side:
            rows, (weight, bias) = layer.plan.rows(op.gate), sides[op.side]
            into, out = layer.scales[op.args[0]].scale, layer.scales[op.result].scale
            ratio = into * layer.weight_scales[f"{op.side} {op.gate}"] / out
            gate = f"{where}: weight_{op.side}, gate {op.gate}"
            _check_sums(gate, weight[rows], bias[rows], ratio)


def check_dense(layer: QuantizedDense) -> None:
    """`ModelError` if an int8 layer's sums could overflow."""
    assert layer.input is not None and layer.linear is not None
    ratio = layer.input.scale * layer.weight_scale / layer.linear.scale
    _check_sums(f"layer '{layer.name}': weight", layer.weight, layer.bias, ratio)


def _check_cell(where: str, layer: QuantizedRecurrent) -> None:
    cell = layer.scales["c"]
    low, high = CELL_LOG2
    mantissa, exponent = math.frexp(cell.scale)
    if mantissa != 0.5 or not low <= exponent - 1 <= high or cell.zero_point != 0:
        raise ModelError(
            f"{where}: the cell state has scale {cell.scale:.6g} and zero point {cell.zero_point}; "
            f"LiteRT needs a power of two from 2**{low} to 2**{high} and 0, "
            "and computes other values without an error"
        )
    if layer.cell_clip and integer_clip(layer.cell_clip, cell) == 0:
        raise ModelError(
            f"{where}: cell_clip {layer.cell_clip:.6g} is below one step of the cell state "
            f"({cell.scale:.6g}), which would make it zero; use a larger clip"
        )


def _check_sums(
    where: str, weight: NDArray[np.signedinteger], bias: NDArray[np.generic], ratio: float
) -> None:
    if not fits_int32(weight, bias, ratio):
        raise ModelError(
            f"{where}: its sums, rescaled by {ratio:.3g}, can be more than int32 holds, "
            "so runtimes overflow; such a layer needs float32 or hybrid"
        )
