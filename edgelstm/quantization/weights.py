"""From the weights of a float direction to those of a quantized one, whatever rounds a matrix."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.errors import ModelError
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.plan import LayerPlan
from edgelstm.model.precision import COMPOSED, Precision
from edgelstm.quantization.calibration import Ranges
from edgelstm.quantization.fixedpoint import quantize_multiplier
from edgelstm.quantization.quantize_activation import quantize_activation
from edgelstm.quantization.quantized_direction import QuantizedDirection, weight_key
from edgelstm.quantization.scales import Saturation, Scale, integer_clip

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Affine = tuple[float, NDArray[np.int8], NDArray[Any]]  # scale, weights, bias
Round = Callable[[str, Op, Floats, Doubles], Affine]
# A gate's peephole weights to their scale, None for real ones, and to what is stored of them.
Peephole = Callable[[Floats], tuple[float | None, NDArray[Any]]]

MOST_SHIFT = 7  # to the left, of a rescaling of int64 sums


def quantized_direction(
    layer: Direction,
    plan: LayerPlan,
    affine: Round,
    scales: Mapping[str, Scale],
    saturation: Mapping[str, Saturation],
    peephole: Peephole | None = None,
) -> QuantizedDirection:
    """The direction with each gate's matrix, bias and peephole rounded.

    Args:
        layer: Float weights.
        plan: In the precision that is wanted.
        affine: (where, operation, weights, bias) to scale, int8 weights and stored bias.
        scales, saturation: As in `QuantizedDirection`.
        peephole: What rounds peephole weights; None where the precision has none.
    """
    weights, biases, weight_scales = _rounded(layer, plan, affine)
    stored = []
    if peephole is not None:
        for gate in layer.spec.peepholes:
            scale_of, rounded = peephole(layer.peephole(gate))
            stored.append(rounded)
            if scale_of is not None:
                weight_scales[weight_key("peephole", gate)] = scale_of
    return QuantizedDirection(
        plan,
        weights["ih"],
        weights["hh"],
        biases["ih"],
        biases["hh"],
        weight_scales,
        scales,
        layer.cell_clip,
        saturation,
        weights.get("hr"),
        np.concatenate(stored) if stored else None,
        layer.nonlinearity,
    )


Arrays = dict[str, NDArray[Any]]  # by side, stacked gate by gate


def _rounded(
    layer: Direction, plan: LayerPlan, affine: Round
) -> tuple[Arrays, Arrays, dict[str, float]]:
    """Weights, biases and the scales of the weights."""
    biases = {side: bias.astype(np.float64) for side, bias in layer.biases.items()}
    kind = plan.precision.bias_type
    weights_q: dict[str, Any] = {}
    biases_q = {side: np.zeros(bias.shape, kind) for side, bias in biases.items()}
    weight_scales: dict[str, float] = {}
    for op in plan.ops:
        if not op.side:
            continue
        side, gate, rows = op.side, op.gate, plan.rows(op.gate)
        where = f"layer '{layer.name}': weight_{side}" + (f", gate {gate}" if gate else "")
        values = layer.matrix(side, gate).values
        scale, w_q, b_q = affine(where, op, values, plan.bias(op, biases))
        weight_scales[weight_key(side, gate)] = scale
        whole = getattr(layer, f"weight_{side}")
        weights_q.setdefault(side, np.zeros(whole.shape, np.int8))[rows] = w_q
        if side in biases_q:
            biases_q[side][rows] = b_q
    return weights_q, biases_q, weight_scales


Unnumbered = ReadSteps | Repeat | ReverseSteps
# (layer, scale of its input, ranges, precision, whether it is the last one) -> its integers.
Quantize = Callable[[Any, Scale, Ranges, Precision, bool], Any]


def kinds_of(
    direction: Callable[[Direction, Scale, Ranges, Precision], QuantizedDirection], dense: Quantize
) -> dict[str, Quantize]:
    """Kind of a layer to what makes its integers, in a form."""

    def recurrent(
        layer: Any, into: Scale, ranges: Ranges, precision: Precision, is_final: bool
    ) -> Recurrent[QuantizedDirection]:
        return Recurrent(tuple(direction(d, into, ranges, precision) for d in layer.directions))

    return {
        "recurrent": recurrent,
        "dense": dense,
        "read_steps": _copied,
        "repeat": _copied,
        "reverse_steps": _copied,
        "activation": quantize_activation,
    }


def _copied(
    layer: Unnumbered, into: Scale, ranges: Ranges, precision: Precision, is_final: bool
) -> Unnumbered:
    """As it is: integers that are chosen, compared, copied or averaged keep their scale.

    Raises:
        ModelError: The mean, which each runtime rounds in its own way in the fused form.
    """
    if isinstance(layer, ReadSteps) and "mean" in layer.reads and precision.form != COMPOSED:
        raise ModelError(
            f"layer '{layer.name}': the mean of integers has no form in fused {precision.name}; "
            "what works for it: float32, hybrid, integers of the other form: "
            f"quantize(..., '{precision.name}', form='composed')"
        )
    return layer


def check_clip(layer: Direction, scales: Mapping[str, Scale]) -> None:
    """`ModelError` if the integer cell would be cut to zero."""
    if layer.cell_clip and integer_clip(layer.cell_clip, scales["c"]) == 0:
        raise ModelError(
            f"layer '{layer.name}': cell_clip {layer.cell_clip} is below one step of the integer "
            f"cell ({scales['c'].scale}), which would set it to zero; use a larger clip or float32"
        )


def fits_int64(ratio: float) -> bool:
    """Whether an int64 sum can be rescaled by a ratio, as runtimes do it with 16 bits of it."""
    _, shift = quantize_multiplier(ratio)
    return shift <= MOST_SHIFT
