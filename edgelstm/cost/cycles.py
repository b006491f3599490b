"""Cycles of one step on a microcontroller: the law of a class of kernels, with its width."""

import dataclasses
import math

from edgelstm.cost.counts import Counts, LayerCounts, Row
from edgelstm.cost.laws import (
    BOARD_KERNELS,
    FLOAT32_HALF_WIDTH,
    LAWS,
    LSTM_OPERATIONS,
    M4_CHIPS,
    M4_CYCLES_PER_MAC,
    MEASURED_WIDTH,
    SCALED_HALF_WIDTH,
    WITHOUT_FPU,
    Law,
    usual_kernels,
)
from edgelstm.devices.device import Device, weakest


@dataclasses.dataclass(frozen=True)
class Interval:
    """low <= typical <= high; typical is None where only a range can be said."""

    low: float
    typical: float | None
    high: float


@dataclasses.dataclass(frozen=True)
class Spread:
    """An estimated number.

    Attributes:
        low, typical, high: Its interval.
        half_width: Of typical, if it stands for one case; None if low and high are the ends that
            many cases reached.
        basis: How well it is known.
        wait: What flash wait states add at the upper end, as a fraction of it; None if not known.
    """

    low: float
    typical: float
    high: float
    half_width: float | None
    basis: str
    wait: float | None = 0.0


def around(typical: float, half_width: float, wait: float | None = None) -> Interval:
    """A factor of 1 + half_width either way; `wait` comes on top of the upper end.

    >>> around(10, 0.25)
    Interval(low=8.0, typical=10, high=12.5)
    """
    factor = 1 + half_width
    return Interval(typical / factor, typical, typical * factor * (1 + (wait or 0)))


def default_kernels(counts: Counts, device: Device) -> str:
    """The class of kernels that people run these counts with; on a calibrated board, ours."""
    if device.kind == "sbc" and device.figure(MEASURED_WIDTH) is not None:
        return "edgelstm"
    cells = tuple(layer.cell_name for layer in counts.layers if layer.cell_name)
    projected = any(layer.gates and layer.cell.macs for layer in counts.layers)
    cells += ("projection",) if projected else ()
    return usual_kernels(counts.precision, cells, board=device.kind == "sbc")


def no_cycles(counts: Counts, device: Device, kernels: str) -> str | None:
    """Why `estimate_cycles` has no figure, None if it has one."""
    if counts.precision not in ("int8", "int16x8", "float32"):
        return f"{counts.precision} is not for microcontrollers: no figure is known for it there"
    if kernels == "interpreter-python":
        return f"kernels '{kernels}' are for a Raspberry Pi, and {device.name} is none"
    precision = _precision(counts)
    if kernels == "published":
        return _missing(device, f"speed.cycles_per_mac_{precision}", "speed.cycles_per_mac_int8")
    law = law_of(counts, kernels)
    if law is None:
        return f"kernels '{kernels}' have no law for {precision}; 'tflm' and 'published' have"
    if _chip(device) in law.factors:
        return None
    if precision == "float32" and device.core in WITHOUT_FPU:
        return (
            f"{device.name}: its core has no float unit, and no run of '{kernels}' in float32 on "
            "it is published"
        )
    needed = ["speed.cycles_per_mac_int8"]
    needed += [] if law.half_width else ["speed.half_width_percent"]
    return _missing(device, *needed)


def _missing(device: Device, *keys: str) -> str | None:
    missing = [key for key in dict.fromkeys(keys) if device.figure(key) is None]
    return f"{device.name}: {', '.join(missing)} not known" if missing else None


def estimate_cycles(counts: Counts, device: Device, kernels: str) -> Spread:
    """Cycles of one step, where `no_cycles` has no reason against it."""
    if kernels == "published":
        return _published(counts, device)
    law = law_of(counts, kernels)
    assert law is not None
    return _by_law(counts, device, law)


def _published(counts: Counts, device: Device) -> Spread:
    """Lowest, median and highest of others' runtimes on this core, and the element-wise part."""
    figure = device.figures[f"speed.cycles_per_mac_{_precision(counts)}"]
    operations = sum(_operations(layer.total) for layer in counts.layers if layer.gates)
    element_wise = _element_wise(device) * operations / LSTM_OPERATIONS
    low, typical, high = (
        per_mac * counts.total.macs + element_wise
        for per_mac in (figure.low, figure.typical, figure.high)
    )
    if counts.precision == "float32":
        ends = around(typical, FLOAT32_HALF_WIDTH)
        return Spread(ends.low, typical, ends.high, None, "assumed")
    bases = [figure.basis, _basis(counts)]
    if operations:
        bases.append("derived" if device.core in _cmsis_nn().cores else "assumed")
    return Spread(low, typical, high, None, weakest(bases))


def _cmsis_nn() -> Law:
    return LAWS["cmsis-nn", "int8"]


def _element_wise(device: Device) -> float:
    """Cycles per LSTM unit in CMSIS-NN."""
    return _cmsis_nn().per_lstm_unit * _to_m4(device, "int8")


def law_of(counts: Counts, kernels: str) -> Law | None:
    """That of the integers' own form where there is one, else of all integers or of float32."""
    own = LAWS.get((kernels, f"{counts.precision} {counts.form}"))
    return own or LAWS.get((kernels, _precision(counts)))


def _precision(counts: Counts) -> str:
    return "float32" if counts.precision == "float32" else "int8"


def _basis(counts: Counts, law: Law | None = None) -> str:
    """How well a precision's cycles are known: without a law of its own int16x8 takes int8's."""
    is_own = law is not None and law in (
        found for (_, of), found in LAWS.items() if of == f"{counts.precision} {counts.form}"
    )
    return "assumed" if counts.precision == "int16x8" and not is_own else "measured"


def _by_law(counts: Counts, device: Device, law: Law) -> Spread:
    """Cycles of a step by a law: flash wait states are in the upper end, not in typical."""
    scale, half_width, basis = _on(device, law, _precision(counts))
    total = law_cycles(counts, law) * scale
    bases = [basis, _basis(counts, law)]
    if law.per_output:
        bases += ["assumed" for layer in counts.layers if layer.kind == "dense"]
    added = device.figure(law.wait_key) if law.wait_key else None
    wait = added.typical if added else 0.0 if law.half_width else None
    ends = around(total, half_width, wait)
    return Spread(ends.low, total, ends.high, half_width, weakest(bases), wait)


def _on(device: Device, law: Law, precision: str) -> tuple[float, float, str]:
    """A device's time over the law's, its half-width, and the basis of both."""
    own = law.factors.get(_chip(device))
    if own is not None:
        assert law.half_width is not None
        return own, law.half_width, law.basis
    if device.core in law.cores and law.half_width is not None:
        return 1.0, law.half_width, law.basis
    if law.half_width is not None:
        return scaled_factor(device, law, precision), SCALED_HALF_WIDTH, "assumed"
    error = device.figures["speed.half_width_percent"]
    if device.core in law.cores:
        return 1.0, error.typical / 100, weakest([law.basis, error.basis])
    return _to_m4(device, precision), error.typical / 100, "assumed"


def how_known(counts: Counts, device: Device, kernels: str) -> str | None:
    """What a law's time on this device leaves open, in a sentence; None if nothing more is said."""
    law = law_of(counts, kernels)
    if law is None or law.half_width is None or device.core in law.cores:
        return None
    if _chip(device) in law.factors:
        return (
            "as built for the published runs on this chip; other flags may need 2.6 times as long"
        )
    return (
        "no run of these kernels on this chip is published: scaled from a Cortex-M4, within a "
        f"factor of {1 + SCALED_HALF_WIDTH:g}"
    )


def scaled_factor(device: Device, law: Law, precision: str) -> float:
    """Time over a law's of a chip without a run of its own, from its core.

    The middle of the builds that were measured on a Cortex-M4, of which flags alone make 2.6.
    """
    known = [law.factors[chip] for chip in M4_CHIPS if chip in law.factors]
    build = math.exp(sum(map(math.log, known)) / len(known)) if known else 1.0
    return build * _to_m4(device, precision)


def law_cycles(counts: Counts, law: Law) -> float:
    """What a law gives for a step, on the chip that it was found on."""
    return sum(_row_cycles(layer.total, layer, law) for layer in counts.layers)


def _chip(device: Device) -> str:
    return device.texts.get("chip", "")


def _to_m4(device: Device, precision: str) -> float:
    """Cycles on this core for one on a Cortex-M4, from published runtimes."""
    own = device.figure(f"speed.cycles_per_mac_{precision}")
    if own is not None:
        return own.typical / M4_CYCLES_PER_MAC[precision]
    return device.figures["speed.cycles_per_mac_int8"].typical / M4_CYCLES_PER_MAC["int8"]


def _operations(row: Row) -> int:
    """Sigmoids, tanhs and element-wise products, of a recurrent layer or a part of it."""
    return row.sigmoids + row.tanhs + row.muls - row.macs


def shares(counts: Counts, device: Device, kernels: str) -> dict[tuple[str, str], float] | None:
    """Which part of a step's time, and so of its energy, each row takes: a share of an estimate.

    Returns:
        (layer, row) to its share, rows being gates and `cell`; they add up to 1. It follows the
        cycles of a microcontroller, and the multiplications alone on a Raspberry Pi. None where the
        speed is not known.
    """
    if device.kind == "sbc":
        if kernels not in BOARD_KERNELS:
            return None
        law = Law(1)
    elif no_cycles(counts, device, kernels):
        return None
    elif kernels == "published":
        figure = device.figures[f"speed.cycles_per_mac_{_precision(counts)}"]
        law = Law(figure.typical, per_lstm_unit=_element_wise(device))
    else:
        own = law_of(counts, kernels)
        assert own is not None, "no_cycles knows"
        law = own
    cycles = {
        (layer.name, row.name): _row_cycles(row, layer, law)
        for layer in counts.layers
        for row in (*layer.gates, layer.cell)
    }
    total = sum(cycles.values())
    return {place: n / total for place, n in cycles.items()}


def _row_cycles(row: Row, layer: LayerCounts, law: Law) -> float:
    cycles = law.per_mac * row.macs + law.per_activation * (row.sigmoids + row.tanhs)
    if not layer.gates:
        return cycles + law.per_output * layer.hidden_size
    cycles += law.per_requantization * row.requantizations
    cycles += law.per_lstm_unit * _operations(row) / LSTM_OPERATIONS
    whole = law.per_unit * layer.hidden_size + law.per_layer
    return cycles + (whole if row.name in ("cell", "total") else 0)
