"""Which layers have a fused kernel, and their weights packed for it.

A fused kernel is a cell's own equations compiled on vectors. Every float32 layer has one; an
integer or hybrid layer where its cell and its scales are written for, in one pass over the units.
The program kernels run everything else.
"""

import weakref
from typing import Any

import numpy as np

from edgelstm.cells import CELLS
from edgelstm.cells.spec import Op, sigmoid, tanh, trace
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Part
from edgelstm.model.plan import RecurrentPlan, recurrent_plan
from edgelstm.model.precision import FLOAT32
from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.quantized import QuantizedDirection, QuantizedPart
from edgelstm.quantization.quantizer import integer_clip
from edgelstm.quantization.rounding import TFLM

AnyPart = Part | QuantizedPart
INT8_CELLS = ("lstm",)
_packed: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def packed_layer(layer: AnyPart) -> Any:
    """The layer for its fused kernel, a `kernels.pack_layer.Packed`; None if it has no such kernel.

    Packed once per layer object, however many sessions run it.
    """
    if not isinstance(layer, Direction | QuantizedDirection):
        return None
    if layer not in _packed:
        _packed[layer] = _pack(layer) if _can_read_arrays() else None
    return _packed[layer]


def _can_read_arrays() -> bool:
    from edgelstm.kernels.simd.arrays import layout_is_known

    return layout_is_known()


def _pack(layer: Direction | QuantizedDirection) -> Any:
    if isinstance(layer, Direction):
        return _pack_float32(layer)
    from edgelstm.kernels.bind import has_phases

    form, cell = _form(layer), _cell(layer.plan, clips=layer.cell_clip > 0)
    if form is None or has_phases(cell, form):
        return None
    return _pack_hybrid(cell, layer) if form == "hybrid" else _pack_int8(cell, layer)


def _form(layer: QuantizedDirection) -> str | None:
    """The format of kernels/ that has the layer's arithmetic."""
    if not layer.scales:
        return "hybrid"
    fixed = {"sum": ("int16", -12), "activation": ("int16", -15)}
    for value, role in layer.plan.roles.items():
        scale = layer.scales[value]
        if role in fixed and (scale.type, scale.scale) != (fixed[role][0], 2.0 ** fixed[role][1]):
            return None
        if role in ("input", "output") and scale.type != "int8":
            return None
    return "int8" if layer.plan.cell_name in INT8_CELLS else None


def _cell(plan: RecurrentPlan, *, clips: bool) -> Any:
    """The equations and what tracing them gave; a clip is said by a flag, not by an operation."""
    from edgelstm.kernels.cell_ops import Cell

    spec = CELLS[plan.cell_name]
    traced = trace(spec)
    return Cell(
        plan.cell_name,
        spec.equations,
        {"sigmoid": sigmoid, "tanh": tanh},
        spec.gates,
        spec.states,
        traced.new_states,
        traced.ops,
        tuple(plan.roles.items()),
        clips,
        spec.peepholes,
        any(op.side == "hr" for op in plan.ops),
    )


def _pack_float32(layer: Direction) -> Any:
    from edgelstm.kernels import pack_layer

    plan = recurrent_plan(layer, FLOAT32)
    given = {"ih": layer.bias_ih, "hh": layer.bias_hh}
    biases = {side: np.zeros_like(bias) for side, bias in given.items()}
    for op in plan.ops:
        if op.side in biases:
            biases[op.side][plan.rows(op.gate)] = plan.bias(op, given)
    return pack_layer.pack_float32(
        _cell(plan, clips=layer.cell_clip > 0),
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

    scales = [layer.weight_scales[f"{side} {gate}"] for side in ("ih", "hh") for gate in cell.gates]
    return pack_layer.pack_hybrid(
        cell,
        (layer.weight_ih, layer.weight_hh),
        (layer.bias_ih, layer.bias_hh),
        scales=np.array(scales, np.float32),
        clip=layer.cell_clip,
    )


def _pack_int8(cell: Any, layer: QuantizedDirection) -> Any:
    from edgelstm.kernels import pack_layer

    c = layer.scales["c"]
    if c.type != "int16" or c.log2 not in range(-15, -7):
        return None
    numbers = pack_layer.Int8Scales(
        input_zero=layer.scales["x"].zero_point,
        hidden_zero=layer.scales["h"].zero_point,
        multipliers=tuple(_multipliers(cell.gates, layer)),
        cell_log2=c.log2,
        cell_limit=integer_clip(layer.cell_clip, c) if layer.cell_clip else 0,
        sigmoid_table=fx.SIGMOID_TABLE[:256],
    )
    weights, biases = (layer.weight_ih, layer.weight_hh), (layer.bias_ih, layer.bias_hh)
    return pack_layer.pack_int8(cell, weights, biases, numbers)


def _multipliers(gates: tuple[str, ...], layer: QuantizedDirection) -> Any:
    """Of the products of x gate by gate, of those of h, and of the output."""
    affines = {(op.side, op.gate): op for op in layer.plan.ops if op.side}
    for side in ("ih", "hh"):
        for gate in gates:
            op = affines[side, gate]
            weight = layer.weight_scales[f"{side} {gate}"]
            yield _multiplier(layer, op, layer.scales[op.args[0]].scale, weight)
    last = next(op for op in layer.plan.ops if op.result == layer.plan.new_states[0])
    yield _multiplier(layer, last, *(layer.scales[a].scale for a in last.args))


def _multiplier(layer: QuantizedDirection, op: Op, first: float, second: float) -> tuple[int, int]:
    return fx.quantize_multiplier(TFLM.ratio(first, second, layer.scales[op.result].scale))
