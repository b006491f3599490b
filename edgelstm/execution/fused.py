"""Which layers have a fused kernel, and their weights packed for it.

A fused kernel is a cell's own equations compiled on vectors, or the product and the activation of a
dense layer. Every float32 layer has one; an integer or hybrid layer where its cell and its scales
are written for, in one pass over the units. The program kernels run everything else.
"""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.cells import CELLS, same_cell
from edgelstm.cells.spec import relu, sigmoid, tanh, trace
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Part
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import COMPOSED, FLOAT32, FUSED, INT8
from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import Clip, Mul, Product, Table
from edgelstm.quantization.quantized import QuantizedPart
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection, weight_key

AnyPart = Part | QuantizedPart
INT8_CELL = "lstm"  # that the int8 kernel computes, in its rounding
SUM_LOG2 = -12  # gates are Q3.12 in the int8 kernel
_packed: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def packed_layer(layer: AnyPart) -> Any:
    """The layer for its fused kernel, None if it has no such kernel.

    Packed once per layer object, however many sessions run it.

    Returns:
        A `kernels.pack_layer.Packed`; of a dense layer a `kernels.pack_dense.PackedDense`.
    """
    if layer not in _packed:
        _packed[layer] = _pack(layer) if _can_read_arrays() else None
    return _packed[layer]


def _can_read_arrays() -> bool:
    from edgelstm.kernels.simd.arrays import layout_is_known

    return layout_is_known()


def _pack(layer: AnyPart) -> Any:
    pack = PACKS.get(layer.kind)
    return pack(layer) if pack else None


def _pack_direction(layer: Direction | QuantizedDirection) -> Any:
    plan = plan_of(layer, FLOAT32)
    # Kernels form each gate's products once, and show the equations nothing of x but those.
    if plan.shared_gate or plan.reads_input:
        return None
    if isinstance(layer, Direction):
        return _pack_float32(layer)
    from edgelstm.kernels.bind import FORMATS, has_phases

    if layer.form == COMPOSED:
        return _pack_composed(layer)
    form, cell = _form(layer), _cell(layer, layer.plan)
    if form is None or has_phases(cell, FORMATS[form]):
        return None
    return _pack_hybrid(cell, layer) if form == "hybrid" else _pack_int8(cell, layer)


def _pack_dense(layer: Dense | QuantizedDense) -> Any:
    from edgelstm.kernels import pack_dense

    if isinstance(layer, Dense):
        return pack_dense.pack_float32(layer.weight, layer.bias, layer.activation)
    if layer.input is not None:
        return _pack_int8_dense(layer)
    return pack_dense.pack_hybrid(layer.weight, layer.bias, layer.weight_scale, layer.activation)


# Kind of a layer to what packs a part of it; other kinds run in the program.
PACKS: dict[str, Callable[[Any], Any]] = {"recurrent": _pack_direction, "dense": _pack_dense}


def _pack_int8_dense(layer: QuantizedDense) -> Any:
    """Every number from the list of operations; None where the kernel is not written for them."""
    from edgelstm.kernels import pack_dense

    lowered = lower(layer)
    if (lowered.input.type, lowered.output.type, layer.form) != ("int8", "int8", FUSED):
        return None
    product, *others = lowered.ops
    assert isinstance(product, Product) and product.rescale.limits is not None
    numbers = pack_dense.Int8Numbers(
        input_zero=product.zero_point,
        output_zero=product.rescale.zero_point,
        multiplier=product.rescale.numbers,
        limits=product.rescale.limits,
        table=next((op.values for op in others if isinstance(op, Table)), None),
    )
    return pack_dense.pack_int8(product.weight, _bias(product), numbers)


def _form(layer: QuantizedDirection) -> str | None:
    """The format of kernels/ that has the layer's arithmetic."""
    if not layer.scales:
        return None if layer.projection_size or layer.weight_peephole is not None else "hybrid"
    is_known = (layer.precision, layer.form) == (INT8.name, INT8.form)
    return "int8" if is_known and same_cell(layer.cell_name, INT8_CELL) else None


def _cell(layer: Direction | QuantizedDirection, plan: LayerPlan) -> Any:
    """The equations and what tracing them gave; a clip is said by a flag, not by an operation."""
    from edgelstm.kernels.cell_ops import Cell

    spec = CELLS[layer.cell_name].using(layer.nonlinearity)
    traced = trace(spec)
    marks = "" if layer.nonlinearity == "tanh" else f"_{layer.nonlinearity}"
    return Cell(
        f"{layer.cell_name}{marks}",
        spec.equations,
        {"sigmoid": sigmoid, "tanh": tanh, "relu": relu},
        spec.gates,
        spec.states,
        traced.new_states,
        traced.ops,
        tuple(plan.roles.items()),
        layer.cell_clip > 0,
        spec.peepholes,
        any(op.side == "hr" for op in plan.ops),
    )


def _pack_float32(layer: Direction) -> Any:
    from edgelstm.kernels import pack_layer

    plan = plan_of(layer, FLOAT32)
    biases = {side: np.zeros_like(bias) for side, bias in layer.biases.items()}
    for op in plan.ops:
        if op.side in biases:
            biases[op.side][plan.rows(op.gate)] = plan.bias(op, layer.biases)
    return pack_layer.pack_float32(
        _cell(layer, plan),
        pack_layer.Float32Layer(
            (layer.weight_ih, layer.weight_hh),
            (biases["ih"], biases["hh"]),
            layer.cell_clip,
            layer.weight_hr,
            layer.weight_peephole,
        ),
    )


def _pack_hybrid(cell: Any, layer: QuantizedDirection) -> Any:
    from edgelstm.kernels import pack_layer

    scales = [layer.matrix(side, gate).scale for side in ("ih", "hh") for gate in cell.gates]
    return pack_layer.pack_hybrid(
        cell,
        (layer.weight_ih, layer.weight_hh),
        (layer.bias_ih, layer.bias_hh),
        scales=np.array(scales, np.float32),
        clip=layer.cell_clip,
    )


def _pack_int8(cell: Any, layer: QuantizedDirection) -> Any:
    """Every number from the list of operations; None where the kernel is not written for them."""
    from edgelstm.kernels import pack_layer

    lowered = lower(layer)
    h, c = lowered.new_states
    tables = {op.args[0]: op.numbers[0] for op in lowered.ops if isinstance(op, Table)}
    shares = {op.result: op.rescale for op in lowered.ops if isinstance(op, Mul)}
    cell_log2, output = tables.pop(c), shares.pop(h)
    written_for = (
        (lowered.input.type, lowered.output.type) == ("int8", "int8")
        and set(tables.values()) == {SUM_LOG2}
        and cell_log2 in range(-15, -7)
        and {s.ratio for s in shares.values()} == {2.0**-15, 2.0 ** (-30 - cell_log2)}
    )
    if not written_for:
        return None
    made = {(op.side, op.gate): op for op in lowered.ops if isinstance(op, Product)}
    products = [[made[side, gate] for gate in cell.gates] for side in ("ih", "hh")]
    clip = next((op for op in lowered.ops if isinstance(op, Clip)), None)
    numbers = pack_layer.Int8Scales(
        input_zero=lowered.input.zero_point,
        hidden_zero=lowered.output.zero_point,
        multipliers=(*(op.rescale.numbers for side in products for op in side), output.numbers),
        cell_log2=cell_log2,
        cell_limit=clip.limits[1] if clip else 0,
        sigmoid_table=fx.SIGMOID_TABLE[:256],
    )
    ih, hh = (np.concatenate([op.weight for op in side]) for side in products)
    bias_ih, bias_hh = (np.concatenate([_bias(op) for op in side]) for side in products)
    return pack_layer.pack_int8(cell, (ih, hh), (bias_ih, bias_hh), numbers)


def _pack_composed(layer: QuantizedDirection) -> Any:
    """Every number from the list of operations; None where the kernel is not written for them."""
    from edgelstm.kernels.pack_composed import ComposedNumbers, pack_composed

    lowered, plan = lower(layer), layer.plan
    if (lowered.input.type, lowered.output.type) != ("int8", "int8") or layer.projection_size:
        return None
    log2s = {value: scale.log2 for value, scale in layer.scales.items() if value != "x"}
    for gate in CELLS[layer.cell_name].peepholes:
        key = weight_key("peephole", gate)
        log2s[key] = fx.log2(layer.weight_scales[key])
    cell = _cell(layer, plan)
    made = {(op.side, op.gate): op for op in lowered.ops if isinstance(op, Product)}
    products = [[made[side, gate] for gate in cell.gates] for side in ("ih", "hh")]
    clip = next((op for op in lowered.ops if isinstance(op, Clip) and op.limits[0] < 0), None)
    multipliers = [op.rescale.numbers for side in products for op in side]
    numbers = ComposedNumbers(
        tuple((fx.multiplier16(q), shift) for q, shift in multipliers),
        log2s,
        clip.limits[1] if clip else 0,
        layer.weight_peephole,
        fx.SIGMOID_TABLE[:256],
    )
    ih, hh = (np.concatenate([op.weight for op in side]) for side in products)
    bias_ih, bias_hh = (np.concatenate([_bias(op) for op in side]) for side in products)
    return pack_composed(cell, (ih, hh), (bias_ih, bias_hh), numbers)


def _bias(op: Product) -> Any:
    return np.zeros(len(op.weight), np.int32) if op.bias is None else op.bias
