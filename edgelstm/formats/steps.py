"""How many time steps a file computes in one call."""

from typing import Any

from edgelstm.arguments import MOST_STEPS, is_whole
from edgelstm.errors import ModelError

LONGEST_CALL = 5_000  # beyond, a calibration sequence is a recording, and not what a call gets


def check_streaming(streaming: object) -> None:
    """`ModelError` unless it is one of the forms of time that `write` takes."""
    if not isinstance(streaming, bool) and streaming != "io":
        raise ModelError(f"streaming is {streaming!r:.100}; False, True or 'io' is needed")


def check_steps(steps: int, streaming: bool | str, fixed: int | None = None) -> None:
    """`ModelError` unless a file can have so many steps a call.

    `fixed`: how many a network reads side by side.
    """
    if not is_whole(steps) or steps > (1 if streaming else MOST_STEPS):
        needed = "1, or left out, when streaming" if streaming else f"from 1 to {MOST_STEPS:,}"
        raise ModelError(f"steps is {steps}; it must be {needed}")
    if fixed not in (None, steps):
        raise ModelError(
            f"steps is {steps}; this network reads all of them side by side and takes {fixed}"
        )


def default_steps(network: Any, streaming: bool | str) -> int:
    """Steps of a file when none are asked for."""
    return 1 if streaming else network.fixed_steps or calibrated_steps(network.steps)


def calibrated_steps(longest: int | None) -> int:
    """Steps of a calibrated file: those of the longest sequence, unless it is a long recording."""
    return longest if longest and longest <= LONGEST_CALL else 100
