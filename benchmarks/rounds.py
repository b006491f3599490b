"""CPU time of several calls, in turns, on the machine that is named."""

import os
import pathlib
import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.measurement import clocks, turns

BATCH_SECONDS = 0.01


def microseconds(
    calls: Sequence[Callable[[], Any]], rounds: int, *, batch_seconds: float = BATCH_SECONDS
) -> NDArray[np.float64]:
    """(rounds, calls): CPU time of one call, all threads of the process together.

    In each round each call has a turn of about `batch_seconds`, in random order.
    """
    counts = [clocks.batch_size(call, batch_seconds * 1e9) for call in calls]
    with turns.no_collection():
        each = turns.rounds(calls, counts, np.random.default_rng(0))
        return np.array([next(each)[0] for _ in range(rounds)])


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
