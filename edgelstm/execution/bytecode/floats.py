"""Rows for kernels/float_program.py: float32, and hybrid with its int8 weights."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.execution.bytecode.builder import Builder, Program, Slot
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Part
from edgelstm.model.plan import structure
from edgelstm.model.precision import FLOAT32
from edgelstm.quantization.quantized import QuantizedDense, QuantizedDirection, QuantizedPart

POOLS = {"weights": "float32", "weights_q": "int8", "biases": "float32", "constants": "float32"}


def builder() -> Builder:
    """An empty program for the float kernel."""
    from edgelstm.kernels import float_program

    return Builder(float_program)


def program(built: Builder, ends: tuple[Slot, Slot]) -> Program:
    """The finished program."""
    return built.program(POOLS, "float32", ends)


def add(built: Builder, part: Part | QuantizedPart, x: Slot) -> Slot:
    """The rows of a part of a network; returns where its result lies."""
    made: Any = _dense if isinstance(part, Dense | QuantizedDense) else _recurrent
    return made(built, part, x)  # type: ignore[no-any-return]


def _recurrent(built: Builder, layer: Direction | QuantizedDirection, x: Slot) -> Slot:
    """One row per operation, then the new states move to the places of the old."""
    plan = structure(layer, FLOAT32) if isinstance(layer, Direction) else layer.plan
    places = {"x": x}
    for state in plan.states:
        places[state] = built.state(plan.name, state, plan.sizes[state], start=0)
    for op in plan.ops:
        places[op.result] = built.place(plan.sizes[op.result])
        _operation(built, layer, op, places)
    for state, new in zip(plan.states, plan.new_states, strict=True):
        built.row("COPY", places[state], places[new])
    return places[plan.states[0]]


def _dense(built: Builder, layer: Dense | QuantizedDense, x: Slot) -> Slot:
    """The rows of a dense layer; returns where its result lies."""
    out = built.place(layer.output_size)
    scale = layer.weight_scale if isinstance(layer, QuantizedDense) else None
    _affine(built, out, x, (layer.weight, layer.bias, scale))
    if layer.activation is None:
        return out
    activated = built.place(layer.output_size)
    built.row(layer.activation.upper(), activated, out)
    return activated


def _operation(
    built: Builder, layer: Direction | QuantizedDirection, op: Op, places: Mapping[str, Slot]
) -> None:
    out, args = places[op.result], [places[a] for a in op.args]
    if op.kind == "scale":
        assert isinstance(layer, Direction) and layer.weight_peephole is not None
        weight = layer.weight_peephole[structure(layer, FLOAT32).peephole(op.gate)]
        built.row("SCALE", out, *args, CONSTANT=built.constant("constants", weight))
    elif not op.side:
        clip = op.kind == "clip"
        columns = {"CONSTANT": built.constant("constants", layer.cell_clip)} if clip else {}
        built.row(op.kind.upper(), out, *args, **columns)
    elif isinstance(layer, QuantizedDirection):
        rows = layer.plan.rows(op.gate)
        weight = getattr(layer, f"weight_{op.side}")[rows]
        bias = getattr(layer, f"bias_{op.side}")[rows]
        scale = layer.weight_scales[f"{op.side} {op.gate}"]
        _affine(built, out, args[0], (weight, bias, scale))
    else:
        plan = structure(layer, FLOAT32)
        weight = getattr(layer, f"weight_{op.side}")[plan.rows(op.gate)]
        bias = plan.bias(op, {"ih": layer.bias_ih, "hh": layer.bias_hh})
        _affine(built, out, args[0], (weight, bias, None))


def _affine(
    built: Builder,
    out: Slot,
    x: Slot,
    constants: tuple[NDArray[Any], NDArray[Any], float | None],
) -> None:
    """A weight scale means int8 weights."""
    weight, bias, scale = constants
    columns = {"COLUMNS": x.size, "BIAS": built.constant("biases", bias)}
    if scale is None:
        built.row("AFFINE", out, x, WEIGHT=built.constant("weights", weight), **columns)
    else:
        columns["CONSTANT"] = built.constant("constants", scale)
        built.row("AFFINE_ROUNDED", out, x, WEIGHT=built.constant("weights_q", weight), **columns)
