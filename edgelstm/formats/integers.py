"""Which integers a file may hold: checked alike in every format, when it is written and read."""

import math

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.composed import check_composed, check_narrowed
from edgelstm.layers.directions import computing
from edgelstm.model.forms import plan_refusal
from edgelstm.model.precision import COMPOSED, HYBRID
from edgelstm.quantization.lower import lower
from edgelstm.quantization.lower_fused import WIDE_SUMS
from edgelstm.quantization.operations import Product
from edgelstm.quantization.quantize_activation import is_clear_of_ties, made_of
from edgelstm.quantization.quantize_fused import CELL_LOG2, fits_int32, value_scales
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.scales import integer_clip
from edgelstm.quantization.weights import fits_int64


def check_integers(network: QuantizedNetwork) -> None:
    """`ModelError` if some format or runtime would make another network of a quantized one."""
    for part in computing(network.layers):
        where = f"layer '{part.name}'"
        if isinstance(part, QuantizedActivation):
            check_activation(part)
            continue
        is_dense = isinstance(part, QuantizedDense)
        own = [part.input, part.linear] if is_dense else [part.scales or None]
        if own.count(None) != (len(own) if network.precision == HYBRID.name else 0):
            raise ModelError(f"{where}: its scales are not those of precision {network.precision}")
        if isinstance(part, QuantizedDirection):
            _check_merged(where, part)
        if own[0] is None:
            continue
        if part.form == COMPOSED:
            check_composed(part)
        elif is_dense:
            check_dense(part)
        else:
            check_recurrent(part)
    _check_joints(network)


def check_recurrent(layer: QuantizedDirection) -> None:
    """`ModelError` if runtimes would disagree on an int8 layer, or compute rubbish."""
    where = f"layer '{layer.name}'"
    _check_cell(where, layer)
    _check_roles(where, layer)
    for op in lower(layer).ops:
        if isinstance(op, Product):
            _check_sums(f"{where}: weight_{op.side}, gate {op.gate}", op)


def check_dense(layer: QuantizedDense) -> None:
    """`ModelError` if runtimes would disagree on an int8 layer, or its sums could overflow."""
    assert layer.input is not None and layer.linear is not None
    product = lower(layer).ops[0]
    assert isinstance(product, Product)
    needed = layer.numbers.formats["output"].type
    if {layer.input.type, layer.linear.type} != {needed}:
        raise ModelError(
            f"layer '{layer.name}': its values are {layer.input.type} and {layer.linear.type}; "
            f"{needed} is needed"
        )
    _check_sums(f"layer '{layer.name}': weight", product)


def check_activation(layer: QuantizedActivation) -> None:
    """`ModelError` if runtimes would disagree on an activation by itself."""
    where, ends = f"layer '{layer.name}'", (layer.input, layer.numbers)
    if told := plan_refusal(layer.plan):
        raise ModelError(f"{where}: {told}")
    made = made_of(layer.name, layer.function, layer.given, ends)
    if (made.function, made.numbers) != (layer.function, layer.given):
        raise ModelError(f"{where}: its numbers {layer.given} are no whole steps of its integers")
    if layer.activated != (made.activated or layer.activated):
        raise ModelError(f"{where}: its result has another scale than its function gives")
    if made.activated is None and not (
        layer.activated.type == "int8" and is_clear_of_ties(layer.input, layer.activated)
    ):
        raise ModelError(f"{where}: a result of its elu is near a tie, which runtimes round apart")
    if layer.form == COMPOSED:
        check_narrowed(where, layer.function, layer.narrowed)
    elif layer.narrowed is not None:
        raise ModelError(f"{where}: its result is stored narrower, which is of the other form")


def _check_cell(where: str, layer: QuantizedDirection) -> None:
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


def _check_sums(where: str, product: Product) -> None:
    bias = np.zeros(1, np.int32) if product.bias is None else product.bias
    if product.rescale.rounding == WIDE_SUMS:
        if not fits_int64(product.rescale.ratio):
            raise ModelError(f"{where}: its sums cannot be rescaled by {product.rescale.ratio:.3g}")
        return
    if not fits_int32(product.weight, bias, product.rescale.ratio):
        raise ModelError(
            f"{where}: its sums, rescaled by {product.rescale.ratio:.3g}, can be more than int32 "
            "holds, so runtimes overflow; such a layer needs float32 or hybrid"
        )


def _check_merged(where: str, layer: QuantizedDirection) -> None:
    """A bias that the plan adds elsewhere is zero where it stood: files store one."""
    for op in layer.plan.ops:
        if op.side not in layer.biases or op.side in layer.plan.biases[op.result]:
            continue
        if layer.biases[op.side][layer.plan.rows(op.gate)].any():
            raise ModelError(
                f"{where}: bias_{op.side} of gate {op.gate} is not zero, but merged into the other"
            )


def _check_roles(where: str, layer: QuantizedDirection) -> None:
    """All values of one role have one scale, which may be fixed."""
    plan = layer.plan
    by_role = {plan.roles[value]: layer.scales[value] for value in ("x", *plan.states)}
    for value, needed in value_scales(plan, by_role).items():
        if layer.scales[value] != needed or needed.type != plan.format(value).type:
            raise ModelError(
                f"{where}: value '{value}' has another scale, zero point or type than its role "
                f"'{plan.roles[value]}' needs"
            )


def _check_joints(network: QuantizedNetwork) -> None:
    """What goes into a layer is what comes out of the one before it."""
    held = (computing((layer,)) for layer in network.layers)
    layers = [directions[0] for directions in held if directions]
    for before, layer in zip(layers, layers[1:], strict=False):
        if layer.input is not None and layer.input != before.output:
            raise ModelError(
                f"layer '{layer.name}': its input has another scale or zero point than the output "
                f"of '{before.name}' before it; one is needed"
            )
    last = layers[-1]
    is_linear = isinstance(last, QuantizedDense) and last.input and not last.activation
    if network.dropped_softmax and not is_linear:
        raise ModelError(
            f"layer '{last.name}': a softmax can have been left off only behind an int8 dense "
            "layer without activation"
        )
