"""Time of a step on a Raspberry Pi: a call, then the longer of multiplying and reading RAM."""

import dataclasses
import math

from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.laws import (
    A53_MACS_PER_CYCLE,
    BOARD_KERNELS,
    BOARD_LAWS,
    MEASURED_WIDTH,
    SPLIT_US,
    CallLaw,
)
from edgelstm.cost.traffic import beyond_first_level, constant_bytes, fits_cache
from edgelstm.devices.device import Device
from edgelstm.model.precision import COMPOSED, INT8

STEP, STEP_RAW, SEQUENCE = "step", "step_raw", "sequence"
# A step of real values, one of the network's own integers, a whole sequence.
CALLS = {mode: f"speed.call_us_{mode}" for mode in (STEP, STEP_RAW, SEQUENCE)}
PER_US, ACTIVATIONS_PER_US = "speed.macs_per_us_", "speed.activations_per_us_"
L1D_KIB, L2_READ = "memory.l1d_kib", "memory.l2_read_mb_per_s"
CALIBRATED = ("float32", "hybrid", "int8", "int8_composed")  # arithmetics with these figures
# A layer behind the first; the second figure is of composed integers.
LAYERS = LAYER_US, COMPOSED_LAYER_US = "speed.call_us_layer", "speed.call_us_layer_composed"
AT_ONCE = "speed.units_at_once_"  # of each of them


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Where a step stands between computing and reading RAM; assumed rates.

    Attributes:
        macs: Of one step; where the machine was measured, with those of padded units.
        missed_bytes: Weights and biases read from RAM in each step; 0 if they stay in the cache.
        macs_per_us, bytes_per_us: What the cores and the RAM can do.
        streaming: Whether the weights miss the cache.
        limit: `RAM` or `cores`: which of both takes longer.
        cores: That share the step; 1 where sharing would take longer.
    """

    macs: int
    missed_bytes: int
    macs_per_us: float
    bytes_per_us: float
    streaming: bool
    limit: str
    cores: int = 1

    @property
    def microseconds(self) -> float:
        """Time of a step: the longer of multiplying and reading RAM."""
        return max(self.macs / self.macs_per_us, self.missed_bytes / self.bytes_per_us)


@dataclasses.dataclass(frozen=True)
class BoardTime:
    """Time of one step: the whole and the part of its call, and how the rest is bound."""

    latency_us: Interval
    call_us: Interval
    roofline: Roofline


def no_time(counts: Counts, device: Device, kernels: str) -> str | None:
    """Why `board_time` has no figure, None if it has one."""
    if kernels not in BOARD_KERNELS:
        return f"{device.name} has figures for {' and '.join(BOARD_KERNELS)}, not for '{kernels}'"
    key = _rate_key(counts, device, kernels)
    needed = (key, "memory.last_level_kib", "memory.dram_read_mb_per_s")
    if any(device.figure(key) is None for key in needed):
        return f"{device.name}: {key}, cache or RAM bandwidth not known"
    return None


def board_time(
    counts: Counts, device: Device, kernels: str, clock_mhz: float, cores: int, mode: str = STEP
) -> BoardTime:
    """Time of one step, called by itself, where `no_time` has no reason against it.

    Several cores share a step where that is faster in spite of `SPLIT_US`. Whose call it is, `mode`
    says: a key of `CALLS`.
    """
    law = BOARD_LAWS[kernels]
    alone = roofline(counts, device, kernels, clock_mhz)
    shared = roofline(counts, device, kernels, clock_mhz, cores) if cores > 1 else alone
    gains = shared.microseconds + SPLIT_US < alone.microseconds
    bound, split = (shared, SPLIT_US) if gains else (alone, 0.0)
    call = _call_us(law, device, clock_mhz, mode, counts)
    computing = bound.microseconds + split + _measured_us(counts, device, kernels, clock_mhz, mode)
    assert call.typical is not None
    width = 1 + _half_width(law, device)
    latency = Interval(
        call.low + computing / width, call.typical + computing, call.high + computing * width
    )
    return BoardTime(latency, call, bound)


def is_calibrated(device: Device, kernels: str) -> bool:
    """Whether rates and calls of these kernels were measured on the machine itself."""
    return (
        BOARD_LAWS[kernels].reference_macs_per_us is None
        and device.figure(MEASURED_WIDTH) is not None
    )


def arithmetic(counts: Counts) -> str:
    """Whose rates hold: a precision, with its form where that is not the usual one."""
    is_composed = counts.form == COMPOSED and counts.precision == INT8.name
    return f"{counts.precision}_{COMPOSED}" if is_composed else counts.precision


def padded_work(counts: Counts, at_once: float) -> tuple[float, float]:
    """MACs, and sigmoids and tanhs, of a step, where recurrent units are computed in groups.

    Args:
        counts: Of a step.
        at_once: Units of a group; the last one of a layer is padded.
    """
    macs = activations = 0.0
    for layer in counts.layers:
        groups = math.ceil(layer.hidden_size / at_once)
        more = groups * at_once / layer.hidden_size if layer.kind == "recurrent" else 1.0
        macs += more * layer.total.macs
        activations += more * (layer.total.sigmoids + layer.total.tanhs)
    return macs, activations


def _measured_us(
    counts: Counts, device: Device, kernels: str, clock_mhz: float, mode: str
) -> float:
    """Of activations and of the first cache's misses, where the machine itself was measured.

    Elsewhere both are within the rate.
    """
    key, us = arithmetic(counts), 0.0
    if key not in CALIBRATED or not is_calibrated(device, kernels):
        return 0.0
    if rate := device.figure(f"{ACTIVATIONS_PER_US}{key}"):
        us += padded_work(counts, _at_once(counts, device))[1] / rate.typical
    cache, read = device.figure(L1D_KIB), device.figure(L2_READ)
    if cache and read:
        missed = beyond_first_level(counts, cache.typical, is_sequence=mode == SEQUENCE)
        us += missed / read.typical  # 1 MB/s is 1 byte per us
    return us * device.clock.typical / clock_mhz


def _at_once(counts: Counts, device: Device) -> float:
    figure = device.figure(f"{AT_ONCE}{arithmetic(counts)}")
    return figure.typical if figure else 1.0


def _half_width(law: CallLaw, device: Device) -> float:
    own = device.figure(MEASURED_WIDTH)
    return own.typical / 100 if own and law.reference_macs_per_us is None else law.half_width


def layer_key(key: str) -> str:
    """Of `LAYERS`, for a key of `CALIBRATED`."""
    return COMPOSED_LAYER_US if key.endswith(COMPOSED) else LAYER_US


def _call_us(law: CallLaw, device: Device, clock_mhz: float, mode: str, counts: Counts) -> Interval:
    """Of one call, with what each layer behind the first takes."""
    own = device.figure(CALLS[mode]) or device.figure(CALLS[STEP])
    if law.reference_macs_per_us is None:
        if own is None:
            return Interval(*law.call_us)
        more, further = device.figure(layer_key(arithmetic(counts))), len(counts.layers) - 1
        low, typical, high = (more.low, more.typical, more.high) if more else (0.0, 0.0, 0.0)
        return Interval(
            own.low + further * low, own.typical + further * typical, own.high + further * high
        )
    slower = law.reference_macs_per_us / (_int8_rate(device) * clock_mhz)
    return Interval(*(us * slower for us in law.call_us))


def _int8_rate(device: Device) -> float:
    return device.figures["speed.macs_per_cycle_int8"].typical


def roofline(
    counts: Counts, device: Device, kernels: str, clock_mhz: float, cores: int = 1
) -> Roofline:
    """Computing against reading RAM, where `no_time` has no reason against it."""
    law = BOARD_LAWS[kernels]
    key = _rate_key(counts, device, kernels)
    rate = device.figures[key].typical
    macs: float = counts.total.macs
    if key.startswith(PER_US):  # measured at the device's clock
        rate /= device.clock.typical
        macs = padded_work(counts, _at_once(counts, device))[0]
    if law.macs_per_cycle is not None:
        rate = law.macs_per_cycle[_precision(counts)] * _int8_rate(device) / A53_MACS_PER_CYCLE
    weights = constant_bytes(counts)
    streaming = not fits_cache(weights, device.figures["memory.last_level_kib"].typical)
    made = Roofline(
        round(macs),
        weights if streaming else 0,
        rate * clock_mhz * cores,
        device.figures["memory.dram_read_mb_per_s"].typical,  # 1 MB/s is 1 byte per us
        streaming,
        "cores",
        cores,
    )
    reads_longer = made.missed_bytes / made.bytes_per_us > made.macs / made.macs_per_us
    return dataclasses.replace(made, limit="RAM") if reads_longer else made


def _precision(counts: Counts) -> str:
    return "int8" if counts.precision == "int16x8" else counts.precision


def _rate_key(counts: Counts, device: Device, kernels: str) -> str:
    measured = f"{PER_US}{arithmetic(counts)}"
    known = arithmetic(counts) in CALIBRATED and device.figure(measured)
    if known and is_calibrated(device, kernels):
        return measured
    return f"speed.macs_per_cycle_{'float32' if counts.precision == 'float32' else 'int8'}"
