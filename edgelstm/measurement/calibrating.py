"""Calibration: rates and calls of this machine, measured, as a device file for the profiler.

Networks of three sizes take turns. A sequence is its call and `MACs / rate` a step; what single
steps take beyond that is their call. What these laws miss by on the same networks is their width.
"""

import dataclasses
import pathlib
import platform
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgelstm.cost.boards import CALLS, PER_US, SEQUENCE, STEP, STEP_RAW
from edgelstm.cost.count_ops import count
from edgelstm.devices.device import Device, Figure
from edgelstm.errors import ModelError
from edgelstm.formats import write
from edgelstm.measurement import machine, session
from edgelstm.measurement.engines import ENGINES
from edgelstm.measurement.job import Called, Job, Values
from edgelstm.measurement.reference_loops import CHUNK_BYTES
from edgelstm.model.sizes import shapes, with_random_weights
from edgelstm.quantization.quantizer import quantize

SIZES = ((20, 24), (40, 56), (88, 120))  # none of them is one that predictions are tested on
STEPS = 60
PRECISIONS = ("float32", "hybrid", "int8", "int16x8")
NOISY = 0.20  # between the quartiles of CPU time, of the median
LEAST_WIDTH, WIDER = 0.05, 1.5  # than what was missed on the networks that made the law
ROUNDS = 400
MACHINES = {"x86_64": "x86-64", "AMD64": "x86-64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclasses.dataclass(frozen=True)
class Point:
    """A network in a precision, called in one way: microseconds of CPU time a call."""

    precision: str
    mode: str
    macs: int
    us: float

    @property
    def steps(self) -> int:
        """Of a call."""
        return STEPS if self.mode == SEQUENCE else 1


@dataclasses.dataclass(frozen=True)
class Laws:
    """What points tell: MACs a microsecond by precision, microseconds of a call by mode."""

    macs_per_us: Mapping[str, float]
    call_us: Mapping[str, float]
    half_width: float

    def predicted_us(self, point: Point) -> float:
        """Of a call of a point."""
        return (
            self.call_us[point.mode] + point.steps * point.macs / self.macs_per_us[point.precision]
        )


def fit(points: list[Point]) -> Laws:
    """The laws that miss the points by least; shares of each point's time count alike."""
    rates, calls = {}, []
    for precision in dict.fromkeys(point.precision for point in points):
        own = [p for p in points if (p.precision, p.mode) == (precision, SEQUENCE)]
        us = np.array([p.us for p in own])
        rows = np.array([[1, p.steps * p.macs] for p in own]) / us[:, None]
        (call, slope), *_ = np.linalg.lstsq(rows, np.ones(len(own)))
        if slope <= 0:
            raise ModelError(f"{precision}: larger networks were not slower; measure again")
        rates[precision] = float(1 / slope)
        calls.append(max(float(call), 0.0))
    found = {SEQUENCE: float(np.median(calls))}
    for mode in (STEP, STEP_RAW):
        over = [p.us - p.macs / rates[p.precision] for p in points if p.mode == mode]
        found[mode] = max(float(np.median(over)), 0.05)
    found[SEQUENCE] = max(found[SEQUENCE], 0.05)
    laws = Laws(rates, found, 0.0)
    missed = max(max(q := laws.predicted_us(p) / p.us, 1 / q) - 1 for p in points)
    return dataclasses.replace(laws, half_width=max(LEAST_WIDTH, WIDER * missed))


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
        entrants, arrays, about = _entrants(folder)
        job = Job(
            tuple(entrants), seconds, ROUNDS, 10.0, False, 1, cpu, 0, machine.last_level_kib()
        )
        record = session.measure(job, arrays, folder, tell)
    if record.interrupted is not None:
        raise KeyboardInterrupt
    if record.crashed or not record.rounds:
        raise ModelError(f"nothing was calibrated: {record.crashed}")
    here = machine.machine(cpu, before, {})
    if here.throttled and here.throttled.now:
        raise ModelError(f"the machine is held back: {'; '.join(machine.warnings(here, None))}")
    points = [
        Point(precision, mode, macs, _settled(record, k, (precision, mode)))
        for k, (precision, mode, macs) in enumerate(about)
    ]
    return _device(fit(points), record, len(about))


def _settled(record: session.Record, k: int, name: tuple[str, str]) -> float:
    """The median CPU time of a call; `ModelError` if it varies too much to be one."""
    low, median, high = np.percentile(record.times(k)[0], [25, 50, 75])
    if (high - low) / median > NOISY:
        told = f"{(high - low) / median:.0%} between the quartiles of {' '.join(name)}"
        raise ModelError(
            f"the machine is too busy to be calibrated: {told}, at most {NOISY:.0%}; end other "
            "programs, or choose another core with --cpu"
        )
    return float(median)


def _entrants(
    folder: pathlib.Path,
) -> tuple[list[Called], dict[str, Values], list[tuple[str, str, int]]]:
    """Calls, their arrays, and of each precision, mode and MACs of a step."""
    called: list[Called] = []
    arrays: dict[str, Values] = {}
    about: list[tuple[str, str, int]] = []
    rng = np.random.default_rng(0)
    for size in SIZES:
        network = with_random_weights(shapes("lstm", *size))
        x = rng.normal(size=(STEPS, size[0])).astype(np.float32)
        for precision in PRECISIONS:
            made: Any = network if precision == "float32" else quantize(network, x, precision)
            path = write(made, folder / f"{size[1]}_{precision}.npz")
            macs = count(made, precision=None if made is not network else precision).total.macs
            calls = {STEP: x[0], SEQUENCE: x}
            if made.input is not None:
                scale = made.input
                raw = np.clip(np.rint(x / scale.scale) + scale.zero_point, *scale.limits)
                calls = {
                    STEP: x[0],
                    STEP_RAW: raw[0].astype(scale.type),
                    SEQUENCE: raw.astype(scale.type),
                }
            for mode, values in calls.items():
                arrays[f"{len(called)} x"] = np.ascontiguousarray(values)
                preparer = ENGINES["numba"].preparers[precision]
                called.append(Called(preparer, str(path), None, False, ()))
                about.append((precision, mode, macs))
    return called, arrays, about


def _device(laws: Laws, record: session.Record, n: int) -> Device:
    source = "edgelstm bench --calibrate, on this machine"

    def figure(value: float, width: float = 0.0) -> Figure:
        value = float(f"{value:.4g}")
        return Figure(value / (1 + width), value, value * (1 + width), "measured", source)

    streaming = record.times(n + 1)[0]
    figures = {
        **{CALLS[mode]: figure(us, laws.half_width) for mode, us in laws.call_us.items()},
        **{PER_US + p: figure(rate, laws.half_width) for p, rate in laws.macs_per_us.items()},
        "speed.time_half_width_percent": figure(100 * laws.half_width),
        "memory.dram_read_mb_per_s": figure(CHUNK_BYTES / float(np.median(streaming))),
        "memory.last_level_kib": figure(machine.last_level_kib() or 1024.0),
        "clock.mhz": Figure(1000, 1000, 1000, "assumed", "not known; no measured rate hangs on it"),
    }
    core = MACHINES.get(platform.machine(), "aarch64")
    name = platform.node() or "this-machine"
    board = machine.board()
    texts = {"source": source, "board": board} if board else {"source": source}
    return Device(name, "sbc", core, 1, figures, texts)
