"""How a network is used: period, sleep, battery, and what its costs must keep to."""

import dataclasses
import math

from edgelstm.cost.duty import check_options
from edgelstm.cost.energy import check_kernels
from edgelstm.errors import ModelError

# Why a point is refused, in the order in which it is asked.
KINDS = ("unsupported", "flash", "ram", "period", "energy-unknown", "latency", "bound")
OBJECTIVES = ("accuracy", "energy", "latency", "flash", "ram")
ENERGY, LATENCY = "max_energy_uj", "max_latency_us"  # bounds by their names


@dataclasses.dataclass(frozen=True)
class Conditions:
    """How a network is used, and what its costs must keep to.

    Attributes:
        period_ms: From step to step; None: the step alone is costed.
        sleep: How a device waits between steps, `deep` or `clocks-on`, see `waits`.
        battery: `cr2032`, or a charge in mAh; None for none.
        kernels: One of `laws.KERNELS`; None: those of `default_kernels`.
        objectives: Of `OBJECTIVES`: a point of which one is not known is refused.
        max_energy_uj: Of a period where there is one, else of a step.
        max_latency_us: Of a step.

    Raises:
        ModelError: A bound is no number above 0, an objective is unknown.
        DeviceError: A period, sleep, battery or kernels that is none.
    """

    period_ms: float | None = None
    sleep: str = "deep"
    battery: str | float | None = None
    kernels: str | None = None
    objectives: tuple[str, ...] = ("accuracy", "energy")
    max_energy_uj: float | None = None
    max_latency_us: float | None = None

    def __post_init__(self) -> None:
        check_options(self.period_ms or 1.0, self.sleep, self.battery)
        timed = self.period_ms is not None
        check_options(self.period_ms, self.sleep if timed else None, self.battery)
        check_kernels(self.kernels)
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise ModelError(f"objective '{name}' is unknown; known: {', '.join(OBJECTIVES)}")
        if len(set(self.objectives)) < len(self.objectives):
            raise ModelError(f"objectives name one twice: {','.join(self.objectives)}")
        for name in (ENERGY, LATENCY):
            check_bound(getattr(self, name), name)

    @property
    def prices(self) -> tuple[str, ...]:
        """What accuracy is weighed against, the first one first; MACs where it stands alone."""
        return tuple(name for name in self.objectives if name != "accuracy") or ("macs",)


def check_bound(value: object, name: str) -> None:
    """`ModelError` unless a bound is a number above 0, or None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 < value < math.inf):  # type: ignore[operator]
        raise ModelError(f"{name} is {value!r}; a number above 0 is needed")
