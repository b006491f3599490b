"""From float layers to the fused form: a scale per role, as runtimes' LSTM operators have it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Direction
from edgelstm.layers.weights import INT8_WEIGHTS
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import Precision
from edgelstm.quantization.calibration import Range, Ranges
from edgelstm.quantization.fixedpoint import quantize_multiplier, quantize_reals, short_scale
from edgelstm.quantization.lower_fused import TABLES
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.rounding import TFLM
from edgelstm.quantization.saturation import saturation_of
from edgelstm.quantization.scales import Scale, asymmetric8
from edgelstm.quantization.weights import (
    Affine,
    Doubles,
    Floats,
    check_clip,
    fits_int64,
    kinds_of,
    quantized_direction,
)

CELL_LOG2 = (-15, -9)  # LiteRT computes other values outside, without an error
LARGEST_BIAS = {"int32": 2**30, "int64": 2**46}  # sums with it stay in the range of the rescaling


def _direction(
    layer: Direction, into: Scale, ranges: Ranges, precision: Precision
) -> QuantizedDirection:
    plan = plan_of(layer, precision)
    seen = {value: ranges[layer.name, value] for value in plan.sizes}
    scales = _value_scales(plan, into, seen)

    def affine(where: str, op: Op, weight: Floats, bias: Doubles) -> Affine:
        ends = scales[op.args[0]].scale, scales[op.result].scale
        return _quantize_affine(where, weight, bias, ends, precision)

    check_clip(layer, scales)
    return quantized_direction(layer, plan, affine, scales, saturation_of(plan, seen))


def _value_scales(plan: LayerPlan, into: Scale, seen: dict[str, Range]) -> dict[str, Scale]:
    """A fixed scale where the role has one; else one per role, from what calibration saw of it."""
    state_of = dict(zip(plan.states, plan.new_states, strict=True))
    by_role = {"input": into, "output": ends_of(plan.precision, seen[state_of[plan.states[0]]])}
    for state in plan.states[1:]:
        by_role["cell"] = power_of_two16(seen[state_of[state]].largest)
    return value_scales(plan, by_role)


def _integer_dense(
    layer: Dense, into: Scale, ranges: Ranges, precision: Precision, is_final: bool
) -> QuantizedDense:
    activation = None if layer.activation == "softmax" else layer.activation
    linear = ends_of(precision, ranges[layer.name, "linear"])
    if linear.type == "int16" and activation in TABLES:
        raise ModelError(
            f"layer '{layer.name}': no {activation} of free int16 scales is the same in all "
            'runtimes; use form="composed"'
        )
    scale, weight, bias = _quantize_affine(
        f"layer '{layer.name}': weight",
        layer.weight,
        layer.bias.astype(np.float64),
        (into.scale, linear.scale),
        precision,
    )
    return QuantizedDense(
        layer.name, weight, bias, scale, into, linear, activation, numbers=precision
    )


KINDS = kinds_of(_direction, _integer_dense)


# ---- scales


def value_scales(plan: LayerPlan, by_role: dict[str, Scale]) -> dict[str, Scale]:
    """Scale of every value of a plan: its role's, which may be fixed."""
    by_role = dict(by_role)
    for role, form in plan.precision.formats.items():
        if form.scale_log2 is not None:
            by_role[role] = Scale(2.0**form.scale_log2, 0, form.type)
    return {value: by_role[role] for value, role in plan.roles.items()}


def input_scale(precision: Precision, batches: Sequence[NDArray[np.float32]]) -> Scale:
    """Of the network's input, from all of its values."""
    seen = Range(math.inf)
    for batch in batches:
        seen.widen(batch)
    return ends_of(precision, seen)


def ends_of(precision: Precision, seen: Range) -> Scale:
    """Of what comes in or goes out: int8 with a zero point, int16 without."""
    if precision.formats["output"].type == "int8":
        return asymmetric8(*seen.ends)
    largest = seen.largest or 1.0  # of nothing but zeros any
    return Scale(short_scale(max(largest / 32767, 2.0**-100)), 0, "int16")


def power_of_two16(largest: float) -> Scale:
    """The int16 scale 2**p of a cell state whose magnitude reaches `largest`."""
    low, high = CELL_LOG2
    power = low if largest == 0 else math.ceil(math.log2(largest / 32767))
    return Scale(2.0 ** min(max(power, low), high), 0, "int16")


def _quantize_affine(
    where: str,
    weight: Floats,
    bias: Doubles,
    ends: tuple[float, float],
    precision: Precision,
) -> Affine:
    """Scale, int8 weights and bias; `ends` are the scales of what comes in and goes out.

    The scale is raised where the bias would leave its type, or the rescaled sum would.
    """
    into, out = ends
    is_wide = precision.bias_type == "int64"
    largest, largest_bias = float(np.abs(weight).max()), float(np.abs(bias).max())
    scale = short_scale(largest / 127) if largest / 127 > 2.0**-100 else short_scale(1 / 127)
    scale = max(scale, short_scale(largest_bias / (into * LARGEST_BIAS[precision.bias_type])))
    for _ in range(4):
        weight_q = quantize_reals(weight, scale, 0, INT8_WEIGHTS)
        bias_q = np.rint(bias / (scale * into)).astype(np.int64)
        ratio = TFLM.ratio(into, scale, out)
        if fits_int64(ratio) if is_wide else fits_int32(weight_q, bias_q, ratio):
            return scale, weight_q.astype(np.int8), bias_q.astype(precision.bias_type)
        scale = short_scale(2 * scale)
    reach = np.abs(weight).sum(1, np.float64) * 255 * into + np.abs(bias)
    raise ModelError(
        f"{where}: sums reach {reach.max():.3g}, more than int{64 if is_wide else 32} holds at a "
        f"step of {out:.3g}; such weights need float32 or hybrid"
    )


def fits_int32(weight: NDArray[Any], bias: NDArray[Any], ratio: float) -> bool:
    """Whether no accumulator leaves int32, also when it is shifted left for a ratio above 1."""
    _, shift = quantize_multiplier(ratio)
    reach = np.abs(weight.astype(np.int64)).sum(1) * 255 + np.abs(bias.astype(np.int64))
    return int(reach.max()) << max(shift, 0) < 2**31
