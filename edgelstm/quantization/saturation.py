"""Where the range of a gate's integers ends, and how often calibration leaves it."""

from edgelstm.cells.spec import Op
from edgelstm.model.plan import LayerPlan
from edgelstm.model.precision import COMPOSED
from edgelstm.quantization.calibration import Range
from edgelstm.quantization.formats import formats
from edgelstm.quantization.scales import Saturation


def limits(plan: LayerPlan) -> dict[str, float]:
    """Values that lead to a sigmoid or tanh to the magnitude that their integers hold."""
    sums = [value for value, role in plan.roles.items() if role == "sum"]
    if not plan.states or not plan.precision.is_integer:
        return {}
    if plan.precision.form == COMPOSED:
        powers = formats(plan, -15, -15)  # neither has a part in what leads to an activation
        return {value: 2.0 ** (15 + powers[value]) for value in sums}
    power = plan.precision.formats["sum"].scale_log2
    assert power is not None
    return dict.fromkeys(sums, 2.0 ** (15 + power))


def gate_sums(plan: LayerPlan) -> dict[str, tuple[str, str]]:
    """Gate to what goes into its activation, and to what comes from U h alone."""
    found = {}
    for op in plan.ops:
        reads = (o.args[0] for o in plan.ops if _activates(plan, o, op.result))
        total = next(reads, None) if op.side == "hh" else None
        if total is not None:
            found[str(op.gate)] = total, op.result
    return found


def saturation_of(plan: LayerPlan, seen: dict[str, Range]) -> dict[str, Saturation]:
    """Per gate: how many of its sums, and of their recurrent parts, were beyond the limits."""
    return {
        gate: Saturation(seen[total].values, seen[total].beyond, seen[part].beyond)
        for gate, (total, part) in gate_sums(plan).items()
    }


def _activates(plan: LayerPlan, activation: Op, value: str) -> bool:
    """Whether a sum reaches this activation without another one between."""
    if activation.kind not in ("sigmoid", "tanh"):
        return False
    reached = {activation.args[0]}
    for op in reversed(plan.ops):
        if op.result in reached and plan.roles[op.result] == "sum":
            reached |= set(op.args)
    return value in reached
