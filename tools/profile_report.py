"""What `profile` says; `to_dict` gives the object of `--json`.

Tables, charts and the page read the types; nothing but `to_dict` knows the names of JSON keys.
"""

import dataclasses
from typing import Any

from edgelstm.cost.boards import Roofline
from edgelstm.cost.counts import Counts
from edgelstm.cost.energy import Energy
from edgelstm.cost.memory import Fit, Part
from edgelstm.cost.other_tools import Foreign
from edgelstm.cost.traffic import Traffic
from edgelstm.cost.variants import Advice
from edgelstm.tools.answer import Answer, kernels_dict
from edgelstm.tools.assumptions import Assumption


@dataclasses.dataclass(frozen=True)
class RuntimeFit:
    """Whether the device holds the network with a runtime."""

    runtime: str
    fit: Fit

    def to_dict(self) -> dict[str, Any]:
        """An object of `runtimes`."""
        return {"runtime": self.runtime, **self.fit.to_dict()}


@dataclasses.dataclass(frozen=True)
class Share:
    """A row's part of a step, from 0 to 1; of time and energy None where they are not known."""

    layer: str
    row: str
    share: float
    latency_us: float | None
    energy_uj: float | None


@dataclasses.dataclass(frozen=True)
class ProfileReport:
    """One network on one device.

    Attributes:
        answer: What stands first.
        command, version: That made the report.
        core, clock_mhz: Of the device.
        counts: Operations and bytes.
        traffic: Nearest level first.
        memory: What lies where, with the runtime whose kernels are counted.
        runtimes: The fit with each runtime.
        by_kernels: Time and energy with each class of kernels beside the chosen one.
        advice: What would help.
        assumed: What the file did not say.
        shares: Of each row; None where the speed is not known.
        roofline: On a Raspberry Pi, where its time is known.
        assumptions: What the figures stand on.
        counters: What other tools print; None where nobody asked.
    """

    answer: Answer
    command: str
    version: str
    core: str
    clock_mhz: float
    counts: Counts
    traffic: tuple[Traffic, ...]
    memory: tuple[Part, ...]
    runtimes: tuple[RuntimeFit, ...]
    by_kernels: tuple[Energy, ...]
    advice: tuple[Advice, ...]
    assumed: tuple[str, ...]
    shares: tuple[Share, ...] | None
    roofline: Roofline | None
    assumptions: tuple[Assumption, ...]
    counters: tuple[Foreign, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """The object of `profile --json`."""
        answer = self.answer
        made = {
            "model": answer.model,
            "precision": answer.precision,
            "device": answer.device,
            "device_kind": answer.device_kind,
            "command": self.command,
            "version": self.version,
            **self.counts.to_dict(),
            "traffic": [level.to_dict() for level in self.traffic],
            "fit": answer.fit.to_dict(),
            "memory": [dataclasses.asdict(part) for part in self.memory],
            "runtimes": [fit.to_dict() for fit in self.runtimes],
            **answer.energy.to_dict(),
            "file_reason": answer.file_reason,
            "by_kernels": [kernels_dict(energy) for energy in self.by_kernels],
            "advice": [advice.to_dict() for advice in self.advice],
            "core": self.core,
            "clock_mhz": self.clock_mhz,
            "assumed": list(self.assumed),
            "shares": None if self.shares is None else [dataclasses.asdict(s) for s in self.shares],
            "roofline": self.roofline and dataclasses.asdict(self.roofline),
            "assumptions": [dataclasses.asdict(row) for row in self.assumptions],
        }
        if self.counters is not None:
            made["counters"] = [found.to_dict() for found in self.counters]
        return made
