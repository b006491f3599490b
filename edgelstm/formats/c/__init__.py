"""The folder of C: a network without a runtime, for microcontrollers."""

from edgelstm.layers.recurrent import AnyDirection
from edgelstm.model.precision import HYBRID


def refusal(direction: AnyDirection, precision: str) -> str | None:
    """Why C has no form for a direction at a precision; None if it has one."""
    if precision == HYBRID.name:
        return "hybrid is for Raspberry Pis, and C is written for microcontrollers"
    return None
