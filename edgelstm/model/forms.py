"""Which parts of a network have a form in a precision: asked of their operations, not of names."""

import dataclasses

from edgelstm.errors import ModelError
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Part
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import PRECISIONS, Precision


def refusal(part: Part, precision: Precision) -> str | None:
    """Why a part has no form in a precision, and what works for it; None if it has one.

    >>> from edgelstm.model.precision import INT8
    >>> from edgelstm.model.sizes import direction
    >>> print(refusal(direction("gru", "gru1", (40, 64), None), INT8))
    a gru has no form in int8 yet: operation 'sub' has none; what works for it: float32, hybrid
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
    others = (dataclasses.replace(plan, precision=precision) for precision in PRECISIONS.values())
    works = ", ".join(p.precision.name for p in others if _reason(p) is None)
    what = f"a {plan.cell_name or plan.kind} has no form in {plan.precision.name} yet"
    return f"{what}: {reason}; what works for it: {works}"


def _reason(plan: LayerPlan) -> str | None:
    """Of the first operation that has no form."""
    kinds = plan.precision.kinds
    for op in plan.ops:
        if kinds is not None and op.kind not in kinds:
            return "a projection has none" if op.side == "hr" else f"operation '{op.kind}' has none"
    is_fixed = plan.precision.formats["sum"].scale_log2 is not None
    return _unlike(plan) if plan.states and is_fixed else None


def _unlike(plan: LayerPlan) -> str | None:
    """Where integers of unlike formats would meet, which no runtime is known to compute.

    Roles have fixed formats, as the LSTM kernels of TFLM and LiteRT have them: what is multiplied,
    added and looked up is int16, sums have the scale of what they add up, and a table gives an
    activation.
    """
    roles, wide = plan.roles, {v for v in plan.roles if plan.format(v).type == "int16"}
    for op in plan.ops:
        narrow = {op.result} - wide if op.side else set(op.args) - wide
        if narrow:
            does = "gives" if op.side else "reads"
            return f"operation '{op.kind}' {does} {', '.join(sorted(narrow))}, which is not int16"
        if op.kind in ("add", "clip") and {roles[a] for a in op.args} != {roles[op.result]}:
            return f"operation '{op.kind}' has no integer form for values of different scales"
        if op.kind in ("sigmoid", "tanh") and roles[op.result] != "activation":
            return f"the result of '{op.kind}' is the new {roles[op.result]}, of another scale"
    for state, new in zip(plan.states, plan.new_states, strict=True):
        if roles[state] != roles[new]:
            return f"state {state} has another scale than the value that becomes it"
    return None
