"""From float layers to the composed form: powers of two by rule, int8 weights of short scales.

The product of a weight's scale with that of what it multiplies has an odd mantissa of 15 bits: then
all runtimes round a sum of int16 values alike.
"""

from collections.abc import Sequence

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
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.formats import CELL_LOG2, READ_LOG2, bounded_by_one, formats
from edgelstm.quantization.quantized_dense import ACTIVATED, QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.saturation import saturation_of
from edgelstm.quantization.scales import (
    Scale,
    asymmetric8,
    mantissa_bits,
    next_log2,
    odd_scale,
    wide,
)
from edgelstm.quantization.weights import (
    MOST_SHIFT,
    Affine,
    Doubles,
    Floats,
    check_clip,
    fits_int64,
    kinds_of,
    quantized_direction,
)

PRODUCT_BITS = 15  # of the mantissa of (scale of the input) * (scale of the weights)
INPUT_BITS = 4  # of an int8 input's part of them
# With int8 inputs sums fit int32, so that a kernel may add them there.
LARGEST_BIAS = {"int8": 2**30, "int16": 2**46}
LEAST_LOG2 = -30  # of a scale, where calibration saw next to nothing
NARROWING = 8  # int16 to int8: this many bits


def input_scale(precision: Precision, batches: Sequence[NDArray[np.float32]]) -> Scale:
    """Of the network's input, which has zero point 0."""
    largest = max(float(np.abs(batch).max(initial=0)) for batch in batches)
    if precision.formats["input"].type == "int8":
        return Scale(odd_scale(max(largest / 127, 2.0**LEAST_LOG2), INPUT_BITS), 0, "int8")
    return wide(_log2(largest))


def _log2(largest: float) -> int:
    """Of the int16 scale that holds a magnitude; of nothing but zeros any."""
    return max(next_log2(largest / 32767), LEAST_LOG2) if largest else -15


def _direction(
    layer: Direction, into: Scale, ranges: Ranges, precision: Precision
) -> QuantizedDirection:
    plan = plan_of(layer, precision)
    seen = {value: ranges[layer.name, value] for value in plan.sizes}
    scales = direction_scales(plan, into, *_calibrated(plan, seen))

    def affine(where: str, op: Op, weight: Floats, bias: Doubles) -> Affine:
        into = scales[op.args[0]]
        return _quantize_affine(where, weight, bias, (into, scales[op.result]))

    check_clip(layer, scales)
    saturation = saturation_of(plan, seen)
    return quantized_direction(layer, plan, affine, scales, saturation, _peephole)


def _calibrated(plan: LayerPlan, seen: dict[str, Range]) -> tuple[int, int]:
    """log2 of the scales of the cell and of h."""
    new_h, *others = plan.new_states
    largest = max((seen[value].largest for value in others), default=0.0)
    needed = _log2(largest)
    cell = next((power for power in CELL_LOG2 if power >= needed), CELL_LOG2[-1])
    is_bounded = bounded_by_one(plan) and seen[new_h].largest <= 1
    return cell, -15 if is_bounded else _log2(seen[new_h].largest)


def direction_scales(
    plan: LayerPlan, into: Scale, cell_log2: int, hidden_log2: int
) -> dict[str, Scale]:
    """Of every value of a plan: x as it comes in, h as it is stored, all others by the rule."""
    scales = {name: wide(log2) for name, log2 in formats(plan, cell_log2, hidden_log2).items()}
    if plan.precision.narrows:
        scales[plan.states[0]] = Scale(2.0 ** (hidden_log2 + NARROWING), 0, "int8")
    return {"x": into} | scales


def _peephole(weight: Floats) -> tuple[float, NDArray[np.int16]]:
    scale = 2.0 ** _log2(float(np.abs(weight).max()))
    return scale, quantize_reals(weight, scale, 0, (-32767, 32767)).astype(np.int16)


def _dense(
    layer: Dense, into: Scale, ranges: Ranges, precision: Precision, is_final: bool
) -> QuantizedDense:
    seen, exact_bias = ranges[layer.name, "linear"], layer.bias.astype(np.float64)
    # What comes out may be far smaller than the sums: behind a relu, or where terms cancel.
    least = next_log2(_weight_scale(layer.weight, exact_bias, into) * into.scale) - MOST_SHIFT
    linear = wide(READ_LOG2.get(str(layer.activation), max(_log2(seen.largest), least)))
    where = f"layer '{layer.name}': weight"
    scale, weight, bias = _quantize_affine(where, layer.weight, exact_bias, (into, linear))
    activation = None if layer.activation == "softmax" else layer.activation
    narrowed = None
    if is_final and precision.narrows:
        narrowed = NARROWED.get(str(activation)) or asymmetric8(*seen.ends)
    return QuantizedDense(
        layer.name, weight, bias, scale, into, linear, activation, precision, narrowed
    )


# Scale of an activation's result at the end of an int8 network: as of the fused form's operators.
NARROWED = {name: scale for (form, name), scale in ACTIVATED.items() if scale.type == "int8"}

KINDS = kinds_of(_direction, _dense)


def _quantize_affine(
    where: str, weight: Floats, bias: Doubles, ends: tuple[Scale, Scale]
) -> Affine:
    """Scale, int8 weights and int64 bias; `ends` are the scales of what comes in and goes out."""
    into, out = ends
    scale = _weight_scale(weight, bias, into)
    if not fits_int64(scale * into.scale / out.scale):
        reach = float(np.abs(weight).sum(1, np.float64).max()) * into.scale * into.limits[1]
        raise ModelError(
            f"{where}: sums reach {reach:.3g}, more than can be rescaled to a step of "
            f"{out.scale:.3g}; such weights need float32 or hybrid"
        )
    weight_q = quantize_reals(weight, scale, 0, INT8_WEIGHTS).astype(np.int8)
    return scale, weight_q, np.rint(bias / (scale * into.scale)).astype(np.int64)


def _weight_scale(weight: Floats, bias: Doubles, into: Scale) -> float:
    """Holds the largest weight, and a bias that is not too large for its sum."""
    bits = PRODUCT_BITS - mantissa_bits(into.scale)
    largest = float(np.abs(weight).max()) or 1.0
    least = float(np.abs(bias).max()) / (into.scale * LARGEST_BIAS[into.type])
    return odd_scale(max(largest / 127, least, 2.0**-100), bits)
