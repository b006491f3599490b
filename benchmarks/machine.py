"""The machine that figures belong to; times are taken in `edgelstm.measurement.turns`."""

import os
import pathlib
import platform
from typing import Any


def machine() -> dict[str, Any]:
    """What the figures belong to."""
    from edgelstm.kernels.simd import target

    cpu = pathlib.Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    model = next((v.split(": ")[1] for v in lines if v.startswith("model name")), "")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": model or platform.processor(),
        "code_for": target.CPU,
        "instruction_set": target.describe(),
        "load": load,
    }
