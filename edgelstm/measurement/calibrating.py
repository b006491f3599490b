"""Calibration: rates and calls of this machine, measured, as a device file for the profiler.

Networks of several sizes take turns. A call takes the time of its mode, one for each further layer,
and in each step its MACs and its activations at a rate each, those of padded units too, and a time
for each byte of weights that the first cache does not hold. What these laws miss by on the same
networks is their width.
"""

import dataclasses
import math
import pathlib
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cost.boards import (
    ACTIVATIONS_PER_US,
    AT_ONCE,
    CALIBRATED,
    CALLS,
    L1D_KIB,
    L2_READ,
    PER_US,
    SEQUENCE,
    STEP,
    STEP_RAW,
    padded_work,
)
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.traffic import beyond_first_level
from edgelstm.devices.device import Device, Figure
from edgelstm.errors import ModelError
from edgelstm.execution.caches import data_caches
from edgelstm.execution.fused import packed_layer
from edgelstm.formats import write
from edgelstm.measurement import machine, session
from edgelstm.measurement.engines import ENGINES
from edgelstm.measurement.fitting import STEPS, Laws, Point, fit
from edgelstm.measurement.job import Called, Job, Values
from edgelstm.measurement.reference_loops import CHUNK_BYTES
from edgelstm.model.sizes import shapes, with_random_weights
from edgelstm.quantization.quantizer import quantize

# None of them is one that predictions are tested on.
SIZES = ((10, 16), (20, 24), (100, 32), (40, 56), (24, 80), (88, 128))
HEADED = ((14, 16), (30, 56))  # with a dense layer behind
OUTPUTS = 5
NOISY = 0.20  # between the quartiles of CPU time, of the median
ROUNDS, LEAST_ROUNDS = 400, 20  # quartiles of fewer tell nothing of noise
LEAST_LAYER_US = 1e-3
USUAL_L1D_KIB = 32.0  # where the system does not tell
MACHINES = {"x86_64": "x86-64", "AMD64": "x86-64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclasses.dataclass(frozen=True)
class Tried:
    """What is called: a key of `CALIBRATED`, a mode, a step's counts, units with their padding."""

    precision: str
    mode: str
    counts: Counts
    padded_units: int


def calibrate(seconds: float, cpu: int | None, tell: Callable[[str], None]) -> Device:
    """Measures this machine; its device, by the name of the host.

    Args:
        seconds: For the turns.
        cpu: As for `measure`.
        tell: What is going on.

    Raises:
        ModelError: numba is missing, the machine is throttled, or too busy to be measured.
    """
    if obstacle := ENGINES["numba"].obstacle:
        raise ModelError(f"calibration measures edgelstm's kernels: {obstacle}")
    cpu = machine.allowed_cpus()[-1] if cpu is None else cpu
    before = machine.moment(cpu)
    with tempfile.TemporaryDirectory(prefix="edgelstm-bench-") as name:
        folder = pathlib.Path(name)
        tell("making networks")
        entrants, arrays, tried = _entrants(folder)
        job = Job(
            tuple(entrants), seconds, ROUNDS, 10.0, False, 1, cpu, 0, machine.last_level_kib()
        )
        record = session.measure(job, arrays, folder, tell)
    if record.interrupted is not None:
        raise KeyboardInterrupt
    if record.crashed or not record.rounds:
        raise ModelError(f"nothing was calibrated: {record.crashed}")
    if len(record.rounds) < LEAST_ROUNDS:
        raise ModelError(
            f"{len(record.rounds)} rounds in {seconds:g} s tell no rates; {LEAST_ROUNDS} are "
            "needed: give more --seconds, or end other programs"
        )
    here = machine.machine(cpu, before, {})
    if here.throttled and here.throttled.now:
        raise ModelError(f"the machine is held back: {'; '.join(machine.warnings(here, None))}")
    at_once = _at_once(tried)
    points = [_point(one, at_once, _settled(record, k, one)) for k, one in enumerate(tried)]
    return _device(fit(points), at_once, record, len(tried))


def _point(one: Tried, at_once: Mapping[str, int], us: float) -> Point:
    macs, activations = padded_work(one.counts, at_once[one.precision])
    missed = beyond_first_level(one.counts, _l1d_kib(), is_sequence=one.mode == SEQUENCE)
    further = len(one.counts.layers) - 1
    return Point(one.precision, one.mode, macs, activations, missed, further, us)


def _at_once(tried: Sequence[Tried]) -> dict[str, int]:
    """Units that are computed together: what divides every layer as its kernel has it."""
    found: dict[str, int] = {}
    for one in tried:
        found[one.precision] = math.gcd(found.get(one.precision, 0), one.padded_units)
    return found


def _settled(record: session.Record, k: int, one: Tried) -> float:
    """The median CPU time of a call; `ModelError` if it varies too much to be one."""
    low, median, high = np.percentile(record.times(k)[0], [25, 50, 75])
    if (high - low) / median > NOISY:
        told = f"{(high - low) / median:.0%} between the quartiles of {one.precision} {one.mode}"
        raise ModelError(
            f"the machine is too busy to be calibrated: {told}, at most {NOISY:.0%}; end other "
            "programs, or choose another core with --cpu"
        )
    return float(median)


def _entrants(folder: pathlib.Path) -> tuple[list[Called], dict[str, Values], list[Tried]]:
    """Calls, their arrays, and what they are."""
    called: list[Called] = []
    arrays: dict[str, Values] = {}
    tried: list[Tried] = []
    rng = np.random.default_rng(0)
    for size, outputs in [*((s, None) for s in SIZES), *((s, OUTPUTS) for s in HEADED)]:
        x = rng.normal(size=(STEPS, size[0])).astype(np.float32)
        for key in CALIBRATED:
            precision, _, form = key.partition("_")
            network = with_random_weights(shapes("gru" if form else "lstm", *size, outputs=outputs))
            made: Any = network if precision == "float32" else quantize(network, x, precision)
            path = write(made, folder / f"{size[0]}_{size[1]}_{key}.npz")
            counts = count(made, precision=None if made is not network else precision)
            units = packed_layer(made.layers[0].parts[0]).units
            for mode, values in _inputs(made, x).items():
                arrays[f"{len(called)} x"] = np.ascontiguousarray(values)
                preparer = ENGINES["numba"].preparers[precision]
                called.append(Called(preparer, str(path), None, False, ()))
                tried.append(Tried(key, mode, counts, units))
    return called, arrays, tried


def _inputs(made: Any, x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Of each way of calling a network: real steps, and integers where it computes with them."""
    if made.input is None:
        return {STEP: x[0], SEQUENCE: x}
    scale = made.input
    raw = np.clip(np.rint(x / scale.scale) + scale.zero_point, *scale.limits).astype(scale.type)
    return {STEP: x[0], STEP_RAW: raw[0], SEQUENCE: raw}


def _l1d_kib() -> float:
    found = [cache for cache in data_caches() if cache.level == 1]
    return found[0].size_bytes / 1024 if found else USUAL_L1D_KIB


def _device(laws: Laws, at_once: Mapping[str, int], record: session.Record, n: int) -> Device:
    name = platform.node() or "this-machine"
    source = f"edgelstm bench --calibrate, on {name}"

    def figure(value: float, width: float = 0.0) -> Figure:
        value = float(f"{value:.4g}")
        return Figure(value / (1 + width), value, value * (1 + width), "measured", source)

    streaming = record.times(n + 1)[0]
    figures = {
        **{CALLS[mode]: figure(us, laws.half_width) for mode, us in laws.call_us.items()},
        **{PER_US + p: figure(rate, laws.half_width) for p, rate in laws.macs_per_us.items()},
        **{ACTIVATIONS_PER_US + p: figure(r) for p, r in laws.activations_per_us.items()},
        **{k: figure(max(us, LEAST_LAYER_US), laws.half_width) for k, us in laws.layer_us.items()},
        **{AT_ONCE + p: figure(units) for p, units in at_once.items()},
        L1D_KIB: figure(_l1d_kib()),
        "speed.time_half_width_percent": figure(100 * laws.half_width),
        "memory.dram_read_mb_per_s": figure(CHUNK_BYTES / float(np.median(streaming))),
        "memory.last_level_kib": figure(machine.last_level_kib() or 1024.0),
        "clock.mhz": Figure(1000, 1000, 1000, "assumed", "not known; no measured rate hangs on it"),
    }
    if np.isfinite(laws.missed_bytes_per_us):
        figures[L2_READ] = figure(laws.missed_bytes_per_us)
    core = MACHINES.get(platform.machine(), "aarch64")
    board = machine.board()
    texts = {"source": source, "board": board} if board else {"source": source}
    return Device(name, "sbc", core, 1, figures, texts)
