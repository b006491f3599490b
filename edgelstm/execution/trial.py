"""Whether a team of threads is faster than one thread: the calls themselves tell."""

import statistics

TURNS = 5  # of each way, behind a first one that loads code and wakes threads
MARGIN = 0.9  # of the time of one thread: what a team must stay below, as it takes other cores
MOST_SLOW = 3  # calls of a team in a row


class Trial:
    """The choice for one network, in this process.

    The first calls take turns. Then the way of the shorter median stays; a team is given up for
    good where some of its calls in a row take longer than one thread took, as on cores that others
    use.
    """

    def __init__(self) -> None:
        self._alone: list[float] = []
        self._team: list[float] = []
        self._slow = 0
        self.prefers_team: bool | None = None  # None: it is not decided

    @property
    def wants_team(self) -> bool:
        """Whether the next call is a team's."""
        if self.prefers_team is None:
            return len(self._team) < len(self._alone)
        return self.prefers_team

    def note(self, us_per_step: float, *, team: bool) -> None:
        """What a call took."""
        if self.prefers_team is None:
            (self._team if team else self._alone).append(us_per_step)
            if min(len(self._alone), len(self._team)) > TURNS:
                self.prefers_team = _median(self._team) < MARGIN * _median(self._alone)
        elif team and self.prefers_team:
            self._slow = self._slow + 1 if us_per_step > _median(self._alone) else 0
            self.prefers_team = self._slow < MOST_SLOW


def _median(times: list[float]) -> float:
    return statistics.median(times[1:])
