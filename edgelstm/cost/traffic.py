"""Traffic: bytes that one step moves at each level of a device's memory, by a model of its own.

Batch 1 reads every weight once per step. At the first level x and h are read again for every group
of rows that a kernel handles together; below it only what missed above, once.
"""

import dataclasses
from typing import Any

from edgelstm.cost.counts import Counts, LayerCounts
from edgelstm.devices.device import Device
from edgelstm.model.precision import PRECISIONS

CACHE_SHARE = 0.7  # of a cache, assumed; the rest is for data and the system

# Picojoules per 64 bits at 45 nm: M. Horowitz, "Computing's energy problem", ISSCC 2014, fig.
# 1.1.9: SRAM of 32 KB, SRAM of 1 MB, and the middle of 1300 to 2600 for DRAM. For ranking only: it
# prices the access itself, and a Cortex-M spends hundreds of times more per multiplication.
PJ_32_KB, PJ_1_MB, PJ_DRAM = 20.0, 100.0, 1950.0

# Rows that a kernel multiplies together with one reading of x and h; None: one unit's gates.
GROUPED_ROWS: dict[str, int | None] = {
    "tflm": 1,
    "tflm-unrolled": 2,
    "cmsis-nn": 2,
    "portable": 1,
    "edgelstm": None,
    "interpreter-python": None,
    "published": 2,
}


@dataclasses.dataclass(frozen=True)
class Traffic:
    """One level of memory in one step.

    Attributes:
        level: `flash` and `sram`, or `l1 l2 l3 dram`.
        read_bytes, write_bytes: Asked of this level.
        energy_pj: Relative, at 45 nm, for ranking alone; None where no figure is known.
    """

    level: str
    read_bytes: int
    write_bytes: int
    energy_pj: float | None

    def to_dict(self) -> dict[str, Any]:
        """An object of `traffic` in reports."""
        return dataclasses.asdict(self)


def traffic(counts: Counts, device: Device, kernels: str | None = None) -> tuple[Traffic, ...]:
    """Bytes per step and level, nearest level first.

    Args:
        counts: From `count`.
        device: From `read_device`.
        kernels: One of `laws.KERNELS`, which decides how often x and h are read again; None:
            edgelstm's own.
    """
    rows = GROUPED_ROWS[kernels or "edgelstm"]
    vectors = sum(_vector_bytes(layer, counts.precision, rows) for layer in counts.layers)
    written = counts.total.state_write_bytes
    weights = constant_bytes(counts)
    if device.kind == "sbc":
        return _caches(device, weights, vectors, written)
    sram = device.figure("memory.sram_kib")
    small = sram is not None and sram.typical <= 32
    priced = _energy(vectors + written, PJ_32_KB if small else PJ_1_MB)
    return Traffic("sram", vectors, written, priced), Traffic("flash", weights, 0, None)


def constant_bytes(counts: Counts) -> int:
    """Weights and biases as they are stored for running."""
    return counts.total.weight_bytes + counts.total.bias_bytes


def beyond_first_level(counts: Counts, l1d_kib: float, *, is_sequence: bool) -> int:
    """Bytes of weights that a step reads again and the first-level cache does not hold.

    A lone step reads them all. In a sequence products of x are formed for many steps at once, and
    every other step reads a layer's weights of h from the last to the first, so what fits stays.
    """
    held = l1d_kib * 1024
    if not is_sequence:
        return round(max(0.0, counts.total.weight_bytes - held))
    missed = 0.0
    for layer in counts.layers:
        if layer.kind == "recurrent":
            of_h = layer.hidden_size / (layer.input_size + layer.hidden_size)
            missed += max(0.0, layer.total.weight_bytes * of_h - held)
    return round(missed)


def fits_cache(stored_bytes: int, cache_kib: float) -> bool:
    """The cache-fit rule: read in the same order each step, more than its share misses all."""
    return stored_bytes <= CACHE_SHARE * 1024 * cache_kib


def _caches(device: Device, weights: int, vectors: int, written: int) -> tuple[Traffic, ...]:
    """A board's levels: vectors stay in the first, weights come from the first that holds all."""
    levels = [Traffic("l1", weights + vectors, written, None)]
    missed, above = weights, device.figure("memory.l1d_kib")
    for name in ("l2", "l3"):
        cache = device.figure(f"memory.{name}_kib")
        if cache is None:
            continue
        missed = 0 if above and fits_cache(weights, above.typical) else missed
        levels.append(Traffic(name, missed, 0, None))
        above = cache
    missed = 0 if above and fits_cache(weights, above.typical) else missed
    levels.append(Traffic("dram", missed, 0, None))
    price = {"l1": PJ_32_KB, "dram": PJ_DRAM}
    return tuple(
        dataclasses.replace(
            level,
            energy_pj=_energy(
                level.read_bytes + level.write_bytes, price.get(level.level, PJ_1_MB)
            ),
        )
        for level in levels
    )


def _energy(moved_bytes: int, pj_per_64_bits: float) -> float:
    return moved_bytes * 8 / 64 * pj_per_64_bits


def _vector_bytes(layer: LayerCounts, precision: str, rows: int | None) -> int:
    """Bytes read of x, h and c, `rows` rows at a time; None: the gates of one unit."""
    read = layer.total.input_read_bytes // max(len(layer.gates), 1)
    x_bytes = read // layer.input_size
    rounds = PRECISIONS[precision].weight_type == "int8" and x_bytes == 4
    product_bytes = 1 if rounds else x_bytes
    if not layer.gates:
        groups = -(-layer.hidden_size // (rows or 1))
        return groups * layer.input_size * product_bytes + (read if rounds else 0)
    n_rows = len(layer.gates) * layer.hidden_size
    columns = sum(gate.macs for gate in layer.gates) // n_rows
    groups = -(-n_rows // (rows or len(layer.gates)))
    projected = layer.cell.macs // layer.hidden_size
    products = groups * columns + -(-projected // (rows or 1)) * layer.hidden_size
    h_bytes = min(gate.state_read_bytes for gate in layer.gates)
    peepholes = sum(gate.state_read_bytes - h_bytes for gate in layer.gates)
    once = read + h_bytes if rounds else 0
    return products * product_bytes + layer.cell.state_read_bytes + peepholes + once
