"""Which composed integers a file may hold: those for which all runtimes compute the same bits."""

import math

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.quantization.formats import CELL_LOG2, READ_LOG2
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import Product
from edgelstm.quantization.quantize_composed import (
    INPUT_BITS,
    NARROWED,
    NARROWING,
    PRODUCT_BITS,
    direction_scales,
)
from edgelstm.quantization.quantized import QuantizedPart
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.scales import Scale, integer_clip, mantissa_bits
from edgelstm.quantization.weights import fits_int64

LARGEST_SUM = 2**47  # that runtimes rescale without overflow


def check_composed(part: QuantizedPart) -> None:
    """`ModelError` if a part's scales are not those of the rules, or its sums could overflow."""
    where = f"layer '{part.name}'"
    assert part.input is not None
    _check_input(where, part.input)
    if isinstance(part, QuantizedDense):
        _check_dense(where, part)
    elif isinstance(part, QuantizedDirection):
        _check_direction(where, part)
    made = lower(part)
    for op in made.ops:
        if isinstance(op, Product):
            named = f"weight_{op.side}" + (f", gate {op.gate}" if op.gate else "")
            _check_product(f"{where}: {named}", op, made.scales[op.args[0]])


def _check_input(where: str, scale: Scale) -> None:
    bits = INPUT_BITS if scale.type == "int8" else 0
    if scale.zero_point or mantissa_bits(scale.scale) > bits:
        raise ModelError(
            f"{where}: its input has scale {scale.scale:.6g} and zero point {scale.zero_point}; "
            f"composed integers need zero point 0 and a mantissa of {bits} bits"
        )


def _check_direction(where: str, layer: QuantizedDirection) -> None:
    plan, scales = layer.plan, layer.scales
    h, *others = plan.states
    hidden = _log2(f"{where}: state {h}", scales[h])
    if plan.precision.narrows:
        hidden -= NARROWING
    cells = {_log2(f"{where}: state {state}", scales[state]) for state in others}
    if not cells <= set(CELL_LOG2) or len(cells) > 1:
        raise ModelError(
            f"{where}: states {', '.join(others)} have scales 2**{sorted(cells)}; one of "
            f"2**{list(CELL_LOG2)} is needed: runtimes read others with a tanh of their own"
        )
    needed = direction_scales(plan, scales["x"], cells.pop() if cells else -15, hidden)
    for value, scale in needed.items():
        if scales[value] != scale:
            raise ModelError(
                f"{where}: value '{value}' has {_said(scales[value])}; {_said(scale)} follows from "
                "the cell's operations"
            )
    if layer.cell_clip and integer_clip(layer.cell_clip, scales["c"]) == 0:
        raise ModelError(
            f"{where}: cell_clip {layer.cell_clip:.6g} is below one step of the cell state "
            f"({scales['c'].scale:.6g}), which would make it zero; use a larger clip"
        )


def _check_dense(where: str, layer: QuantizedDense) -> None:
    assert layer.linear is not None
    log2 = _log2(f"{where}: its sums", layer.linear)
    read = READ_LOG2.get(str(layer.activation), log2)
    if layer.linear.type != "int16" or log2 != read:
        raise ModelError(
            f"{where}: its sums have {_said(layer.linear)}; int16 of 2**{read} is needed"
        )
    check_narrowed(where, layer.activation, layer.narrowed)


def check_narrowed(where: str, activation: str | None, narrowed: Scale | None) -> None:
    """`ModelError` if a result is stored in a narrower type, and not at the scale it needs."""
    needed = NARROWED.get(str(activation), narrowed)
    if narrowed is not None and (narrowed.type != "int8" or narrowed != needed):
        raise ModelError(f"{where}: its result has {_said(narrowed)}; int8 is needed")


def _check_product(where: str, op: Product, into: Scale) -> None:
    bits = mantissa_bits(op.weight_scale * into.scale)
    if not 0 < bits <= PRODUCT_BITS:
        raise ModelError(
            f"{where}: the scale of its products has a mantissa of {bits} bits; at most "
            f"{PRODUCT_BITS}, and no power of two, is needed: runtimes round others differently"
        )
    reach = np.abs(op.weight.astype(np.int64)).sum(1) * 2**15
    if op.bias is not None:
        reach = reach + np.abs(op.bias)
    if not fits_int64(op.rescale.ratio) or int(reach.max()) >= LARGEST_SUM:
        raise ModelError(
            f"{where}: its sums, rescaled by {op.rescale.ratio:.3g}, can be more than runtimes "
            "hold; such a layer needs float32 or hybrid"
        )


def _log2(where: str, scale: Scale) -> int:
    mantissa, exponent = math.frexp(scale.scale)
    if mantissa != 0.5 or scale.zero_point:
        raise ModelError(
            f"{where} has {_said(scale)}; composed integers need a power of two and zero point 0"
        )
    return exponent - 1


def _said(scale: Scale) -> str:
    return f"{scale.type} scale {scale.scale:.6g} and zero point {scale.zero_point}"
