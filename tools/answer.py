"""What `export` and `profile` both say of a network on a device."""

import dataclasses
from typing import Any

from edgelstm.cost.cycles import Interval
from edgelstm.cost.energy import Energy
from edgelstm.cost.laws import CLASSES
from edgelstm.cost.memory import Fit


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a network costs on a device: what both commands say first.

    Attributes:
        model, device: Their names.
        device_kind: `mcu` or `sbc`.
        precision: Of the network.
        fit: Whether the device holds it.
        energy: Time and energy of a step.
        file_reason: Why no file of it runs on the device; None if one does.
        steps: Of an inference, which is one call.
        inference_us: Microseconds of an inference; None where those of a step are not known.
    """

    model: str
    device: str
    device_kind: str
    precision: str
    fit: Fit
    energy: Energy
    file_reason: str | None
    steps: int
    inference_us: Interval | None


def kernels_dict(energy: Energy) -> dict[str, Any]:
    """An object of `by_kernels` in both reports: an estimate for one class of kernels."""
    every = energy.to_dict()
    keys = ("latency_us", "energy_uj", "energy_net_uj", "latency_reason", "energy_reason", "basis")
    about = {"kernels": energy.kernels, "what": CLASSES[energy.kernels]}
    return about | {key: every[key] for key in keys}
