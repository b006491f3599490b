"""Which parts of a network have a form in a precision: asked of their operations, not of names."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from edgelstm.cells import same_cell
from edgelstm.errors import ModelError
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Part
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import (
    COMPOSED,
    FORMS,
    FUSED,
    INT8,
    INT8_COMPOSED,
    PRECISIONS,
    Precision,
    find_precision,
)

FUSED_CELL = "lstm"  # that the runtimes' integer operators compute


def precision_for(parts: Iterable[Any], name: str, form: str | None = None) -> Precision:
    """The precision of a network in the form that is asked for, or that fits it.

    Args:
        parts: Of the network, float or quantized.
        name: Key of `PRECISIONS`.
        form: `fused`, `composed`; None: `fused` at int8 where every cell is a plain LSTM and no
            activation is in the way, else `composed`.

    Raises:
        ModelError: An unknown precision, or one without this form.

    >>> from edgelstm.model.sizes import direction
    >>> precision_for([direction("gru", "gru1", (40, 64), None)], "int8").form
    'composed'
    """
    if form is None and find_precision(name).is_integer:
        form = FUSED if name == "int8" and all(map(is_fused, parts)) else COMPOSED
    return find_precision(name, form)


def is_fused(part: Any) -> bool:
    """Whether a part does not keep its network from the form `fused` at int8."""
    if part.kind == "recurrent":
        return is_plain(part)
    kinds = {op.kind for op in part.sizes.operations.ops} & set(INT8_COMPOSED.kinds or ())
    return kinds <= set(INT8.kinds or ())


def is_plain(direction: Any) -> bool:
    """Whether a direction computes a plain LSTM, with or without a clip of its cell."""
    return same_cell(direction.cell_name, FUSED_CELL) and not direction.projection_size


def refusal(part: Part, precision: Precision) -> str | None:
    """Why a part has no form in a precision, and what works for it; None if it has one.

    >>> from edgelstm.model.precision import INT8
    >>> from edgelstm.model.sizes import direction
    >>> print(refusal(direction("gru", "gru1", (40, 64), None), INT8))
    a gru has no fused int8 form: operation 'sub' has none; what works for it: float32, composed \
int8, composed int16x8, hybrid
    """
    return plan_refusal(plan_of(part, precision))


def checked_plan(direction: Direction, precision: Precision) -> LayerPlan:
    """The plan of a direction; `ModelError` if it has no form in this precision."""
    made = plan_of(direction, precision)
    if told := plan_refusal(made):
        raise ModelError(f"layer '{direction.name}': {told}")
    return made


def plan_refusal(plan: LayerPlan) -> str | None:
    """What `refusal` says of the part with this plan."""
    reason = _reason(plan)
    if reason is None:
        return None
    every = [p for p in PRECISIONS.values() if not p.is_integer] + list(FORMS.values())
    every.sort(key=lambda p: list(PRECISIONS).index(p.name))
    others = (dataclasses.replace(plan, precision=precision) for precision in every)
    works = ", ".join(_called(p.precision) for p in others if _reason(p) is None)
    named = plan.ops[0].kind if plan.kind == "activation" else plan.cell_name or plan.kind
    article = "an" if named[0] in "aeio" else "a"
    what = f"{article} {named} has no {_called(plan.precision)} form"
    return f"{what}: {reason}; what works for it: {works}"


def _called(precision: Precision) -> str:
    return f"{precision.form} {precision.name}" if precision.form else precision.name


def _reason(plan: LayerPlan) -> str | None:
    """Of the first operation that has no form."""
    kinds = plan.precision.kinds
    for op in plan.ops:
        if kinds is not None and op.kind not in kinds:
            return "a projection has none" if op.side == "hr" else f"operation '{op.kind}' has none"
    if plan.precision.weight_type == "int8" and (shared := plan.shared_gate):
        side, gate = shared
        return f"weight_{side} of gate {gate} multiplies two values, and one bias is stored of it"
    if not plan.states or not plan.precision.is_integer:
        return None
    if found := plan.reads_input:
        return f"operation '{found.kind}' reads x, whose scale is that of the input"
    return _unlike(plan) if plan.precision.form == FUSED else _unbounded(plan)


def _unlike(plan: LayerPlan) -> str | None:
    """Where integers of unlike formats would meet, which no runtime is known to compute.

    Roles have fixed formats, as the LSTM kernels of TFLM and LiteRT have them: what is multiplied,
    added and looked up is int16, sums have the scale of what they add up, and a table gives an
    activation.
    """
    roles, wide = plan.roles, {v for v in plan.roles if plan.format(v).type == "int16"}
    for op in plan.ops:
        if op.kind == "relu":
            return "operation 'relu' has none"
        narrow = {op.result} - wide if op.side else set(op.args) - wide
        if narrow:
            does = "gives" if op.side else "reads"
            return f"operation '{op.kind}' {does} {', '.join(sorted(narrow))}, which is not int16"
        if op.kind in ("add", "clip") and {roles[a] for a in op.args} != {roles[op.result]}:
            return f"operation '{op.kind}' has no integer form for values of different scales"
        if op.kind in ("sigmoid", "tanh", "relu") and roles[op.result] != "activation":
            return f"the result of '{op.kind}' is the new {roles[op.result]}, of another scale"
    for state, new in zip(plan.states, plan.new_states, strict=True):
        if roles[state] != roles[new]:
            return f"state {state} has another scale than the value that becomes it"
    return None


def _unbounded(plan: LayerPlan) -> str | None:
    """Where the equations do not say how large a value gets."""
    for op in plan.ops:
        if op.kind == "scale" and plan.roles[op.result] != "sum":
            return "a peephole that leads to no activation has none"
    kinds = {op.result: op.kind for op in plan.ops}
    h, *others = plan.new_states
    for state, new in zip(plan.states[1:], others, strict=True):
        if new == h or kinds.get(new) in (None, "sigmoid", "tanh"):
            return f"state {state} has another scale than the value that becomes it"
    return None if h in kinds else f"state {plan.states[0]} becomes {h}, which no operation gives"
