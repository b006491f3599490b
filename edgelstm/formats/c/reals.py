"""float32 operations as calls: reads the traced list, for every cell and every dense layer."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.cells.spec import Op
from edgelstm.formats.c.calls import c_number
from edgelstm.formats.c.layer import Layer
from edgelstm.model.forward import WITH_CONSTANTS
from edgelstm.model.plan import LayerPlan

KERNEL, AROUND = "edgelstm_float32.c", "edgelstm_around_f32.c"


def append_reals(layer: Layer, plan: LayerPlan, part: Any) -> str:
    """The calls of a layer; returns the name of its output in the whole network."""
    for state in plan.states:
        layer.keep(state)
    for op in plan.ops:
        if op.side:
            _affine(layer, op, plan, part)
        elif op.kind in WITH_CONSTANTS:
            _with_numbers(layer, op, part)
        else:
            REALS.get(op.kind, _elementwise)(layer, op, part)
    layer.become(plan.states, plan.new_states)
    return layer.named(plan.result)


def _affine(layer: Layer, op: Op, plan: LayerPlan, part: Any) -> None:
    called, constants = f"{layer.part.name}_{op.result}", layer.constants
    values = part.matrix(op.side, op.gate).values.astype(np.float32)
    weight, bias = constants.array(f"{called}_weight", values), "0"
    if plan.biases[op.result]:
        total = plan.bias(op, part.biases).astype(np.float32)
        bias = constants.array(f"{called}_bias", total)
    fields = (weight, bias, *map(str, values.shape))
    description = constants.description("edgelstm_affine_float", called, fields)
    text = f"edgelstm_affine_f32(&{description}, {{0}}, {{r}});"
    layer.call(text, op.args, op.result, len(values), KERNEL, in_place=False)


def _scale(layer: Layer, op: Op, part: Any) -> None:
    values = part.peephole(op.gate).astype(np.float32)
    constant = layer.constants.array(f"{layer.part.name}_{op.result}_peephole", values)
    text = f"edgelstm_mul_f32({{0}}, {constant}, {{n}}, {{r}});"
    layer.call(text, op.args, op.result, len(values), KERNEL)


def _clip(layer: Layer, op: Op, part: Any) -> None:
    limit = c_number(np.float32(part.cell_clip))
    text = f"edgelstm_clip_f32({{0}}, {{n}}, {limit}, {{r}});"
    layer.call(text, op.args, op.result, layer.size(op.args[0]), KERNEL)


def _elementwise(layer: Layer, op: Op, part: Any) -> None:
    args = ", ".join(f"{{{k}}}" for k in range(len(op.args)))
    text = f"edgelstm_{op.kind}_f32({args}, {{n}}, {{r}});"
    kernel = AROUND if op.kind == "log_softmax" else KERNEL
    layer.call(text, op.args, op.result, layer.size(op.args[0]), kernel)


def _with_numbers(layer: Layer, op: Op, part: Any) -> None:
    """A function with numbers of its own, or with an array of them."""
    numbers, name = part.constants, f"{layer.part.name}_numbers"
    given = ", ".join(map(c_number, numbers))
    if op.kind == "layer_norm":
        given = layer.constants.array(name, numbers)
    text = f"edgelstm_{op.kind}_f32({{0}}, {{n}}, {given}, {{r}});"
    layer.call(text, op.args, op.result, layer.size(op.args[0]), AROUND)


# Kinds that need more than their arguments.
REALS: dict[str, Callable[[Layer, Op, Any], None]] = {"scale": _scale, "clip": _clip}
