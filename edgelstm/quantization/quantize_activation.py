"""Which activations by themselves have integers, and at which scales: one line of a table each.

A clip keeps the scale of what it cuts, so that its limits are integers and nothing is rounded. All
else is a table, or a product and the larger of two values, where runtimes agree on every bit.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.layers.activation import LEFT_OFF, Activation
from edgelstm.model.precision import COMPOSED, FUSED, Precision
from edgelstm.quantization.calibration import Range, Ranges
from edgelstm.quantization.fixedpoint import short_scale
from edgelstm.quantization.formats import UNLIKE_LOG2
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import ACTIVATED
from edgelstm.quantization.scales import Scale, asymmetric8, mantissa_bits, next_log2
from edgelstm.quantization.tables8 import elu8_steps

# Beside a tie, in steps of the result, runtimes' float32 functions may round to either side.
LEAST_FROM_TIE = 2.0**-12
TRIES = 64
REAL = "use precision float32 or hybrid"
ELU_LAST = (
    "no elu of int16 values is the same in all runtimes, so that one of integers in the form "
    f"'composed' stands at the end of the network alone; {REAL}"
)
CUTS = ("relu", "clamp")  # what keeps the scale


@dataclasses.dataclass(frozen=True)
class Made:
    """A function of integers.

    Attributes:
        function, numbers: As in `QuantizedActivation`.
        activated: Scale of the result; None: from calibration.
    """

    function: str
    numbers: tuple[float, ...]
    activated: Scale | None


def quantize_activation(
    layer: Activation, into: Scale, ranges: Ranges, precision: Precision, is_final: bool
) -> QuantizedActivation:
    """An activation on integers of scale `into`.

    Raises:
        ModelError: It has no integers that all runtimes compute alike.
    """
    made = made_of(layer.name, layer.function, layer.numbers, (into, precision))
    if reads_narrow(layer) and precision.form == COMPOSED and not is_final:
        raise ModelError(f"layer '{layer.name}': {ELU_LAST}")
    seen, narrowed = ranges[layer.name, "activated"], None
    activated = made.activated or _clear_of_ties(layer.name, into, seen)
    if is_final and precision.narrows and activated.type == "int16":
        narrowed = ACTIVATED.get((FUSED, made.function)) or asymmetric8(*seen.ends)
    return QuantizedActivation(
        layer.name,
        layer.input_size,
        *(made.function, made.numbers, into, activated, precision, narrowed),
    )


def made_of(
    name: str, function: str, numbers: tuple[float, ...], ends: tuple[Scale, Precision]
) -> Made:
    """The function in integers.

    Args:
        name: Of the layer.
        function, numbers: As in `Activation`.
        ends: Scale of what comes in, and the precision.

    Raises:
        ModelError: It has none.
    """
    if function not in FUNCTIONS:
        raise ModelError(
            f"layer '{name}': {function} of integers is left off at the end of a network, and "
            f"differs from runtime to runtime elsewhere; {REAL}"
        )
    return FUNCTIONS[function](f"layer '{name}'", Made(function, numbers, None), *ends)


def reads_narrow(layer: Any) -> bool:
    """Whether a layer reads int8 values also in the composed form."""
    return isinstance(layer, Activation) and layer.function == "elu"


def narrowing(layers: Iterable[Any]) -> Any:
    """The layer whose result a composed int8 network stores narrower; None: no layer's.

    Args:
        layers: Of the network, float or quantized; what is left off of integers has no part in it.
    """
    held = [layer for layer in layers if layer.parts and _function(layer) not in LEFT_OFF]
    while held and _function(held[-1]) == "elu":
        held.pop()
    is_wide = False
    for layer in held:
        if layer.kind in ("recurrent", "embedding"):
            is_wide = False
        elif _function(layer) not in CUTS:
            is_wide = True
    return held[-1] if is_wide else None


def _function(layer: Any) -> str | None:
    """Of an activation by itself."""
    found: str | None = getattr(layer, "function", None)
    return found


def is_clear_of_ties(into: Scale, out: Scale) -> bool:
    """Whether each result of an int8 elu is further from a tie than runtimes' functions differ."""
    steps = elu8_steps(into.scale, into.zero_point, out.scale)
    return bool(np.abs(steps - np.floor(steps) - 0.5).min() > LEAST_FROM_TIE)


def _clear_of_ties(name: str, into: Scale, seen: Range) -> Scale:
    """The scale of the result of an elu, as little above that of its range as can be."""
    out = asymmetric8(*seen.ends)
    for _ in range(TRIES):
        if is_clear_of_ties(into, out):
            return out
        out = dataclasses.replace(out, scale=short_scale(out.scale * (1 + 2.0**-13)))
    raise ModelError(f"layer '{name}': no scale keeps its elu from ties; {REAL}")


def _cut(where: str, asked: Made, into: Scale, precision: Precision) -> Made:
    """Limits as whole steps; at the ends of the type nothing is cut."""
    low, high = (0.0, math.inf) if asked.function == "relu" else asked.numbers
    return clip_of(into, into.integer(min(low, high)), into.integer(high))


def clip_of(into: Scale, low: int, high: int) -> Made:
    """A clip at two integers."""
    least, most = into.limits
    reals = [float(into.scale * (limit - into.zero_point)) for limit in (low, high)]
    low_real = -math.inf if low == least else reals[0]
    return Made("clamp", (low_real, math.inf if high == most else reals[1]), into)


def _looked_up(where: str, asked: Made, into: Scale, precision: Precision) -> Made:
    """A sigmoid or tanh; of int16 values at the scales alone at which all take one table."""
    function, form = asked.function, precision.form
    if form == COMPOSED:
        _check_power(where, asked, into)
    if form == FUSED and into.type == "int16":
        raise ModelError(
            f"{where}: no {function} of free int16 scales is the same in all runtimes; use "
            'form="composed"'
        )
    if form == COMPOSED and into.log2 in UNLIKE_LOG2[function]:
        raise ModelError(
            f"{where}: reads values of 2**{into.log2}, whose {function} differs from runtime to "
            f"runtime; {REAL}"
        )
    return Made(function, (), ACTIVATED[form, function])


def _leaky(where: str, asked: Made, into: Scale, precision: Precision) -> Made:
    """The larger of v and slope * v, of int16 values; the slope as 16 bits hold it."""
    _check_power(where, asked, into)
    (slope,) = asked.numbers
    if not -1 <= slope <= 1:
        raise ModelError(f"{where}: leaky_relu of slope {slope:g}; of integers at most 1; {REAL}")
    if not (scale := slope_scale(slope)):
        return clip_of(into, into.zero_point, into.limits[1])
    kept = round(slope / scale) * scale
    return Made(asked.function, (kept,), dataclasses.replace(into, type="int16"))


def slope_scale(slope: float) -> float:
    """Of a slope as int16: a power of two; 0 where it is next to nothing."""
    return 2.0 ** next_log2(abs(slope) / 32767) if abs(slope) > 2.0**-30 else 0.0


def _elu(where: str, asked: Made, into: Scale, precision: Precision) -> Made:
    """Of int8 values, with the slope that runtimes' operator has."""
    if asked.numbers != (1.0,):
        raise ModelError(f"{where}: elu of {asked.numbers[0]:g}; integers have that of 1; {REAL}")
    if into.type != "int8":
        raise ModelError(f"{where}: {ELU_LAST}")
    return Made("elu", (1.0,), None)


def _alone(where: str, asked: Made, into: Scale, precision: Precision) -> Made:
    """A hard_sigmoid that no dense layer took."""
    raise ModelError(
        f"{where}: hard_sigmoid of integers is a part of a dense layer directly in front, and "
        f"none without an activation stands there; {REAL}"
    )


def _check_power(where: str, asked: Made, into: Scale) -> None:
    if mantissa_bits(into.scale) or into.zero_point:
        raise ModelError(
            f"{where}: {asked.function} in the form 'composed' reads powers of two, and not the "
            f"network's input of scale {into.scale:.6g}; {REAL}"
        )


FUNCTIONS: dict[str, Callable[[str, Made, Scale, Precision], Made]] = {
    "relu": _cut,
    "clamp": _cut,
    "sigmoid": _looked_up,
    "tanh": _looked_up,
    "leaky_relu": _leaky,
    "elu": _elu,
    "hard_sigmoid": _alone,
}
