"""What a source of power is, and the samples that it gives."""

import dataclasses
import pathlib
from typing import Protocol


@dataclasses.dataclass(frozen=True)
class Sample:
    """Power at a moment.

    Attributes:
        time_s: Unix time.
        watts: By domain; `all` is what energies are of.
        trigger: Whether a window is on, of loggers that see that; else None.
    """

    time_s: float
    watts: dict[str, float]
    trigger: bool | None = None


class Source(Protocol):
    """One source of power.

    Attributes:
        name: As in `--power`.
        period_s: From sample to sample.
        gross_only: Whether it changes too slowly for a difference to idle.
    """

    name: str
    period_s: float
    gross_only: bool

    def obstacle(self) -> str | None:
        """What it lacks here, with the line that opens it; None if it can be read."""

    def read(self, now: float) -> Sample | None:
        """A sample at Unix time `now`; None where there is none yet. `OSError` where it is lost."""

    def finish(self) -> list[Sample]:
        """Samples that come only when the windows are over."""


def number(path: pathlib.Path) -> float:
    """The number in a file of sysfs; `OSError` if there is none."""
    try:
        return float(path.read_text("ascii").strip())
    except ValueError as error:
        raise OSError(f"{path} holds no number") from error
