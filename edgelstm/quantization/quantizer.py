"""quantize: from a float network and calibration data to integers, one scale per value."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import check_type
from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.layers.dense import Dense, final_activation
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.weights import INT8_WEIGHTS
from edgelstm.model.forms import refusal
from edgelstm.model.network import Network
from edgelstm.model.plan import LayerPlan, find_precision, plan_of
from edgelstm.model.precision import HYBRID, INT8, Precision
from edgelstm.quantization import hybrid
from edgelstm.quantization.calibration import Range, Ranges, Tell, calibration_sequences, observe
from edgelstm.quantization.fixedpoint import quantize_multiplier, quantize_reals, short_scale
from edgelstm.quantization.lower import integer_clip
from edgelstm.quantization.quantized import (
    QuantizedDense,
    QuantizedDirection,
    QuantizedLayer,
    QuantizedNetwork,
)
from edgelstm.quantization.rounding import TFLM
from edgelstm.quantization.scales import Saturation, Scale

CELL_LOG2 = (-15, -9)  # LiteRT computes other values outside, without an error
LARGEST_BIAS = 2**30


def quantize(
    network: Network, calibration: Any, precision: str = "int8", *, tell: Tell | None = None
) -> QuantizedNetwork:
    """The network in integers.

    Args:
        network: Float weights.
        calibration: Typical input, in one of the forms of `calibration_sequences`. `hybrid` reads
            no more than its length from it and takes None too.
        precision: `int8` or `hybrid`.
        tell: Called now and then with how many steps are done, and of how many, layer by layer.

    Returns:
        Integers, scales, and per gate how often calibration left their range. A final softmax is
        left off at `int8`: the results are logits, with the same arg max.

    Raises:
        ModelError: Calibration that cannot be used, a precision that a cell does not have, weights
            that no int8 scale can hold.
    """
    check_type(network, Network, "network", "quantize takes a float Network, as `read` gives it")
    chosen = find_precision(precision)
    _check_forms(network, chosen)
    given = calibration is not None
    batches = calibration_sequences(calibration, network.input_size) if given else []
    if chosen is HYBRID:
        layers = tuple(hybrid.KINDS[layer.kind](layer) for layer in network.layers)
    elif given:
        layers = _integer_layers(network, batches, tell)
    else:
        raise ModelError(f"precision '{precision}' needs calibration: typical input sequences")
    return QuantizedNetwork(
        layers,
        steps=max((b.shape[1] for b in batches), default=None),
        dropped_softmax=chosen is INT8 and final_activation(network.layers) == "softmax",
        assumed=network.assumed,
    )


def _check_forms(network: Network, precision: Precision) -> None:
    """`ModelError` unless each layer, and each of its parts, has a form in these integers."""
    if precision.weight_type == "float32":
        raise ModelError(
            f"precision '{precision.name}' is not quantized; "
            "a network as it was read is written and run in float32"
        )
    for layer in network.layers:
        if layer.kind not in (hybrid.KINDS if precision is HYBRID else KINDS):
            raise ModelError(
                f"layer '{layer.name}': a layer of the kind '{layer.kind}' has no form in "
                f"{precision.name} yet; what works for it: float32"
            )
        for part in layer.parts:
            if told := refusal(part, precision):
                raise ModelError(f"layer '{part.name}': {told}")


# ---- int8


def _integer_layers(
    network: Network, batches: list[NDArray[np.float32]], tell: Tell | None
) -> tuple[QuantizedLayer, ...]:
    """Each layer's input scale is the output scale of the layer before."""
    sums = INT8.formats["sum"].scale_log2
    assert sums is not None
    ranges = observe(network, batches, 2.0 ** (15 + sums), tell)
    into = asymmetric8(
        min(float(b.min(initial=0)) for b in batches), max(float(b.max(initial=0)) for b in batches)
    )
    layers: list[QuantizedLayer] = []
    for layer in network.layers:
        is_final = layer is network.layers[-1]
        layers.append(KINDS[layer.kind](layer, into, ranges, is_final))
        into = parts(layers)[-1].output
    return tuple(layers)


def _integer_recurrent(
    layer: Recurrent[Direction], into: Scale, ranges: Ranges, is_final: bool
) -> Recurrent[QuantizedDirection]:
    both = (_integer_direction(d, into, ranges, INT8) for d in layer.directions)
    return Recurrent(tuple(both))


def _integer_direction(
    layer: Direction, into: Scale, ranges: Ranges, precision: Precision
) -> QuantizedDirection:
    plan = plan_of(layer, precision)
    seen = {value: ranges[layer.name, value] for value in plan.sizes}
    scales = _value_scales(plan, into, seen)
    stacked = {"ih": layer.weight_ih, "hh": layer.weight_hh}
    biases = {side: bias.astype(np.float64) for side, bias in layer.biases.items()}
    weights_q = {side: np.zeros(w.shape, np.int8) for side, w in stacked.items()}
    biases_q = {side: np.zeros(b.shape, np.int32) for side, b in biases.items()}
    weight_scales = {}
    for op in plan.ops:
        if not op.side:
            continue
        side, rows, bias = op.side, plan.rows(op.gate), plan.bias(op, biases)
        where = f"layer '{layer.name}': weight_{side}, gate {op.gate}"
        ends = scales[op.args[0]].scale, scales[op.result].scale
        scale, w_q, b_q = _quantize_affine(where, layer.matrix(side, op.gate).values, bias, ends)
        weight_scales[f"{side} {op.gate}"] = scale
        weights_q[side][rows], biases_q[side][rows] = w_q, b_q
    _check_clip(layer, scales)
    return QuantizedDirection(
        plan,
        weights_q["ih"],
        weights_q["hh"],
        biases_q["ih"],
        biases_q["hh"],
        weight_scales,
        scales,
        layer.cell_clip,
        _saturation(plan, seen),
    )


def _value_scales(plan: LayerPlan, into: Scale, seen: dict[str, Range]) -> dict[str, Scale]:
    """A fixed scale where the role has one; else one per role, from what calibration saw of it."""
    state_of = dict(zip(plan.states, plan.new_states, strict=True))
    by_role = {"input": into, "output": asymmetric8(*seen[state_of[plan.states[0]]].ends)}
    for state in plan.states[1:]:
        by_role["cell"] = power_of_two16(seen[state_of[state]].largest)
    return value_scales(plan, by_role)


def _saturation(plan: LayerPlan, seen: dict[str, Range]) -> dict[str, Saturation]:
    """Per gate: what goes into its activation, and what comes from U h alone."""
    found = {}
    for op in plan.ops:
        if op.side == "hh":
            total = next(o.args[0] for o in plan.ops if _activates(plan, o, op.result))
            found[str(op.gate)] = Saturation(
                seen[total].values, seen[total].beyond, seen[op.result].beyond
            )
    return found


def _activates(plan: LayerPlan, activation: Op, value: str) -> bool:
    """Whether a sum reaches this activation without another one between."""
    if activation.kind not in ("sigmoid", "tanh"):
        return False
    reached = {activation.args[0]}
    for op in reversed(plan.ops):
        if op.result in reached and plan.roles[op.result] == "sum":
            reached |= set(op.args)
    return value in reached


def _integer_dense(layer: Dense, into: Scale, ranges: Ranges, is_final: bool) -> QuantizedDense:
    if layer.activation == "softmax" and not is_final:
        raise ModelError(
            f"layer '{layer.name}': no int8 softmax between layers is the same in all runtimes; "
            "use precision hybrid or float32"
        )
    linear = asymmetric8(*ranges[layer.name, "linear"].ends)
    scale, weight, bias = _quantize_affine(
        f"layer '{layer.name}': weight",
        layer.weight,
        layer.bias.astype(np.float64),
        (into.scale, linear.scale),
    )
    activation = None if layer.activation == "softmax" else layer.activation
    return QuantizedDense(layer.name, weight, bias, scale, into, linear, activation)


# Kind of a layer to its integers: (layer, scale of its input, ranges, is it the last one).
KINDS: dict[str, Callable[[Any, Scale, Ranges, bool], QuantizedLayer]] = {
    "recurrent": _integer_recurrent,
    "dense": _integer_dense,
    "read_steps": lambda layer, into, ranges, is_final: layer,
}


def _check_clip(layer: Direction, scales: dict[str, Scale]) -> None:
    if layer.cell_clip and integer_clip(layer.cell_clip, scales["c"]) == 0:
        raise ModelError(
            f"layer '{layer.name}': cell_clip {layer.cell_clip} is below one step of the int8 cell "
            f"({scales['c'].scale}), which would set it to zero; use a larger clip or float32"
        )


# ---- scales


def value_scales(plan: LayerPlan, by_role: dict[str, Scale]) -> dict[str, Scale]:
    """Scale of every value of a plan: its role's, which may be fixed."""
    by_role = dict(by_role)
    for role, form in plan.precision.formats.items():
        if form.scale_log2 is not None:
            by_role[role] = Scale(2.0**form.scale_log2, 0, form.type)
    return {value: by_role[role] for value, role in plan.roles.items()}


def asymmetric8(low: float, high: float) -> Scale:
    """The int8 scale and zero point whose range holds low, high and 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return Scale(short_scale(1 / 255), -128, "int8")
    scale = short_scale(max((high - low) / 255, 2.0**-100))
    return Scale(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)), "int8")


def power_of_two16(largest: float) -> Scale:
    """The int16 scale 2**p of a cell state whose magnitude reaches `largest`."""
    low, high = CELL_LOG2
    power = low if largest == 0 else math.ceil(math.log2(largest / 32767))
    return Scale(2.0 ** min(max(power, low), high), 0, "int16")


def _quantize_affine(
    where: str, weight: NDArray[np.float32], bias: NDArray[np.float64], ends: tuple[float, float]
) -> tuple[float, NDArray[np.int8], NDArray[np.int32]]:
    """Scale, int8 weights and int32 bias; `ends` are the scales of what comes in and goes out.

    The scale is raised where the bias would leave int32, or the rescaled sum would.
    """
    into, out = ends
    largest, largest_bias = float(np.abs(weight).max()), float(np.abs(bias).max())
    scale = short_scale(largest / 127) if largest / 127 > 2.0**-100 else short_scale(1 / 127)
    scale = max(scale, short_scale(largest_bias / (into * LARGEST_BIAS)))
    for _ in range(4):
        weight_q = quantize_reals(weight, scale, 0, INT8_WEIGHTS)
        bias_q = np.rint(bias / (scale * into)).astype(np.int64)
        if fits_int32(weight_q, bias_q, TFLM.ratio(into, scale, out)):
            return scale, weight_q.astype(np.int8), bias_q.astype(np.int32)
        scale = short_scale(2 * scale)
    reach = np.abs(weight).sum(1, np.float64) * 255 * into + np.abs(bias)
    raise ModelError(
        f"{where}: sums reach {reach.max():.3g}, more than int32 holds at a step of {out:.3g}; "
        "such weights need float32 or hybrid"
    )


def fits_int32(weight: NDArray[Any], bias: NDArray[Any], ratio: float) -> bool:
    """Whether no accumulator leaves int32, also when it is shifted left for a ratio above 1."""
    _, shift = quantize_multiplier(ratio)
    reach = np.abs(weight.astype(np.int64)).sum(1) * 255 + np.abs(bias.astype(np.int64))
    return int(reach.max()) << max(shift, 0) < 2**31
