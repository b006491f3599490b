"""Cycles of one step on a microcontroller: published runtimes, or the law of one kernel set."""

import dataclasses

from edgelstm.counts import Counts, LayerCounts, Row
from edgelstm.device import Device, weakest


@dataclasses.dataclass(frozen=True)
class Law:
    """Cycles of a recurrent layer on a Cortex-M4 in int8, without flash wait states.

    ``per_mac * MACs + per_unit * H + per_layer``: instructions executed on an emulated core, times
    the cycles that the core's manual gives them (H 16 to 128, I 8 to 64).

    Attributes:
        per_unit: Of an LSTM; other cells in proportion to their element-wise operations.
        wait_key: The device's figure for what flash wait states add; "" where none is known.
    """

    per_mac: float
    per_unit: float
    per_layer: float
    wait_key: str


LAWS = {
    "cmsis-nn": Law(2.502, 677, 2440, "speed.flash_wait_fraction_cmsis_nn"),
    "portable": Law(8.000, 356, 0, ""),
    "edgelstm": Law(1.380, 251, 0, "speed.flash_wait_fraction_edgelstm"),
}
KERNELS = ("published", *LAWS)

LSTM_OPERATIONS = 8  # sigmoids, tanhs and element-wise products of one LSTM unit
CYCLES_PER_DENSE_OUTPUT = 20  # assumed
M4_CYCLES_PER_MAC = 3.44  # median of published runtimes: what other cores compare to
FLOAT32_HALF_WIDTH = 0.5  # assumed


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


def no_cycles(counts: Counts, device: Device, kernels: str) -> str | None:
    """Why `estimate_cycles` has no figure, None if it has one."""
    float32 = counts.precision == "float32"
    if counts.precision not in ("int8", "int16x8", "float32"):
        return f"{counts.precision} is not for microcontrollers: no figure is known for it there"
    if float32 and kernels != "published":
        return f"kernels '{kernels}' have no law for float32; 'published' has figures"
    needed = ["speed.cycles_per_mac_int8"]
    needed += ["speed.cycles_per_mac_float32"] if float32 else []
    needed += [] if kernels == "published" else ["speed.half_width_percent"]
    missing = [key for key in needed if device.figure(key) is None]
    return f"{device.name}: {', '.join(missing)} not known" if missing else None


def estimate_cycles(counts: Counts, device: Device, kernels: str) -> Spread:
    """Cycles of one step, where `no_cycles` has no reason against it."""
    if kernels == "published":
        return _published(counts, device)
    return _by_law(counts, device, LAWS[kernels])


def _published(counts: Counts, device: Device) -> Spread:
    """Lowest, median and highest of others' runtimes on this core, and the element-wise part."""
    figure = device.figures[f"speed.cycles_per_mac_{_key(counts)}"]
    operations = sum(_operations(layer.total) for layer in counts.layers if layer.gates)
    element_wise = LAWS["cmsis-nn"].per_unit * operations / LSTM_OPERATIONS * _to_m4(device)
    low, typical, high = (
        per_mac * counts.total.macs + element_wise
        for per_mac in (figure.low, figure.typical, figure.high)
    )
    if counts.precision == "float32":
        ends = around(typical, FLOAT32_HALF_WIDTH)
        return Spread(ends.low, typical, ends.high, None, "assumed")
    bases = [figure.basis, _basis(counts)] + ([_law_basis(device)] if operations else [])
    return Spread(low, typical, high, None, weakest(bases))


def _key(counts: Counts) -> str:
    return "float32" if counts.precision == "float32" else "int8"


def _basis(counts: Counts) -> str:
    """int16x8 is taken to be as fast as int8."""
    return "assumed" if counts.precision == "int16x8" else "measured"


def _by_law(counts: Counts, device: Device, law: Law) -> Spread:
    """Typical without flash wait states, which the upper end holds."""
    total = 0.0
    for layer in counts.layers:
        total += law.per_mac * layer.total.macs
        if layer.kind == "dense":
            total += CYCLES_PER_DENSE_OUTPUT * layer.hidden_size
        else:
            total += law.per_unit * _operations(layer.total) / LSTM_OPERATIONS + law.per_layer
    if _law_basis(device) == "assumed":
        total *= _to_m4(device)
    error = device.figures["speed.half_width_percent"]
    bases = [error.basis, _law_basis(device), _basis(counts)]
    bases += ["assumed" for layer in counts.layers if layer.kind == "dense"]
    added = device.figure(law.wait_key) if law.wait_key else None
    wait = added.typical if added else None
    ends = around(total, error.typical / 100, wait)
    return Spread(ends.low, total, ends.high, error.typical / 100, weakest(bases), wait)


def _to_m4(device: Device) -> float:
    """Cycles on this core for one on a Cortex-M4, from published runtimes."""
    return device.figures["speed.cycles_per_mac_int8"].typical / M4_CYCLES_PER_MAC


def _law_basis(device: Device) -> str:
    """The laws were found on a Cortex-M4 and hold on a Cortex-M33; elsewhere they are scaled."""
    return "derived" if device.core in ("cortex-m4", "cortex-m33") else "assumed"


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
        law = Law(1, 0, 0, "")
    elif no_cycles(counts, device, kernels):
        return None
    elif kernels == "published":
        scale = LAWS["cmsis-nn"].per_unit * _to_m4(device)
        law = Law(device.figures[f"speed.cycles_per_mac_{_key(counts)}"].typical, scale, 0, "")
    else:
        law = LAWS[kernels]
    cycles = {
        (layer.name, row.name): _row_cycles(row, layer, law, kernels)
        for layer in counts.layers
        for row in (*layer.gates, layer.cell)
    }
    total = sum(cycles.values())
    return {place: n / total for place, n in cycles.items()}


def _row_cycles(row: Row, layer: LayerCounts, law: Law, kernels: str) -> float:
    cycles = law.per_mac * row.macs
    if layer.gates:
        cycles += law.per_unit * _operations(row) / LSTM_OPERATIONS
        return cycles + (law.per_layer if row.name == "cell" else 0)
    extra = CYCLES_PER_DENSE_OUTPUT if kernels != "published" and law.per_unit else 0
    return cycles + extra * layer.hidden_size
