"""How the time of a run is shared among measuring processes, of which one is alive at a time."""

import dataclasses

MOST_PROCESSES = 8
LEAST_SHARE = 0.04  # of a run's seconds, that a process takes turns: 0.8 of 20 s are some 45 rounds


@dataclasses.dataclass(frozen=True)
class Share:
    """Of one process: how long it takes turns, and how many processes follow it."""

    turns_s: float
    following: int


def share(left_s: float, opening_s: float, most_following: int, least_s: float) -> Share:
    """As many processes as can be opened and then take turns for `least_s` each, all as long.

    Args:
        left_s: For turns of this and of all that follow, and for opening these.
        opening_s: That opening one takes.
        most_following: How many may follow.
        least_s: Of turns.

    >>> share(12.0, 2.0, 7, 1.0)
    Share(turns_s=1.5, following=3)
    """
    fit = int((left_s - least_s) / (opening_s + least_s))
    following = max(0, min(fit, most_following))
    return Share(max(0.0, left_s - following * opening_s) / (following + 1), following)
