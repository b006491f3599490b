"""Advice: what would help this network on this device, each with its effect computed.

The rows are techniques of the literature and of published runs; marks say how well each gain is
known: FOUND in the source named, DERIVED by arithmetic, KNOWN from memory, ASSUMPTION.
"""

from collections.abc import Callable, Iterator

from edgelstm.cost.buffers import stored_bytes
from edgelstm.cost.count_ops import count
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.traffic import constant_bytes, fits_cache
from edgelstm.cost.variants import (
    LSTMS,
    Advice,
    Situation,
    changed,
    middle,
    projection_size,
    rebuilt,
    with_macs,
)
from edgelstm.devices.device import read_device
from edgelstm.model.network import Network
from edgelstm.model.precision import PRECISIONS
from edgelstm.text import instead, number, percent


def advise(situation: Situation) -> tuple[Advice, ...]:
    """What would help in a situation, from each row of `ROWS` that applies."""
    return tuple(advice for row in ROWS for advice in row(situation))


# ---- techniques

WITHOUT_SIMD = ("cortex-m0plus", "cortex-m3", "rv32imc")
UNCHANGED = 0.87  # share of inputs that a published chip skipped
CHUNK = 16  # known steps whose W*x are computed together


def _int8(now: Situation) -> Iterator[Advice]:
    if now.counts.precision != "float32":
        return
    precision = "hybrid" if now.device.kind == "sbc" else "int8"
    network = rebuilt(now.counts)
    if not now.has_file(network, precision):
        return
    counts = count(network, precision=precision)
    if now.device.kind == "sbc":
        gain, source = "4.4 times on a Pi 3 B+", "DTLN, github.com/breizhn/DTLN: 9.6 and 2.2 ms"
    elif now.device.core in WITHOUT_SIMD:
        gain, source = "0.83 to 1.1 times without SIMD", "MLPerf Tiny, AD on RH850"
    else:
        gain = "2.8 times on a Cortex-M4F, 3.85 times on a Cortex-M7"
        source = "MLPerf Tiny, AD in float32 and int8 with the same runtime"
    text, technique = f"speed {gain}; ", f"{precision} instead of float32"
    yield changed(now, technique, counts, "DERIVED", source, text=text)


def _kernels(now: Situation) -> Iterator[Advice]:
    """Good kernels in place of those that people commonly run."""
    energy, kernels = now.energy.energy_uj, now.energy.kernels
    if kernels not in ("tflm", "tflm-unrolled") or energy is None or energy.typical is None:
        return
    good = now.again(now.counts, "published").energy_uj
    if now.counts.precision != "int8" or good is None or good.typical is None:
        return
    if good.typical > energy.typical:
        return
    yield Advice(
        "good kernels",
        f"published runtimes need {number(good.low)} to {number(good.high)} uJ on this core, "
        f"TensorFlow Lite Micro as it is commonly built {number(energy.low)} to "
        f"{number(energy.high)}; a poor build can lose what int8 gains (an LSTM: 362 ms in "
        "float32, 565 ms in int8)",
        None,
        None,
        good.typical,
        "FOUND; DERIVED",
        "MLPerf Tiny, AD on this core; EdgeMark, LSTM on an STM32L4R5",
    )


def _other_cell(now: Situation) -> Iterator[Advice]:
    if not any(layer.cell_name in LSTMS for layer in now.counts.layers):
        return
    coupled = rebuilt(now.counts, LSTMS)
    yield from _written(
        now,
        "coupled gates (i = 1 - f) instead of an LSTM",
        coupled,
        "DERIVED; accuracy KNOWN(h)",
        "count; Greff et al., LSTM: a search space odyssey (from memory): no significant loss",
    )
    if not any(projection_size(layer) for layer in now.counts.layers):
        gru = rebuilt(now.counts, dict.fromkeys(LSTMS, "gru"))
        technique = "a GRU instead of an LSTM"
        yield from _written(now, technique, gru, "DERIVED", "count; train it again")


def _written(
    now: Situation, technique: str, network: Network, mark: str, source: str
) -> Iterator[Advice]:
    """Advice to take another network, if a file of it can be made and needs no more energy.

    Fewer products do not pay where they run as a graph of small operations and the LSTM as one.
    """
    precision = now.counts.precision
    if not now.has_file(network, precision):
        return
    counts = count(network, precision=precision)
    then, before = _typical(now.again(counts)), _typical(now.energy)
    if then is None or before is None or then <= before:
        yield changed(now, technique, counts, mark, source)


def _typical(energy: Energy) -> float | None:
    return energy.energy_uj.typical if energy.energy_uj else None


def _projection(now: Situation) -> Iterator[Advice]:
    large = [x for x in now.counts.layers if x.cell_name in LSTMS and x.hidden_size >= 8]
    if not large or any(projection_size(layer) for layer in now.counts.layers):
        return
    network = rebuilt(now.counts, projection=lambda layer: layer.hidden_size // 2)
    yield from _written(now, "a projection to half the units", network, "DERIVED", "count")


def _skipping(now: Situation) -> Iterator[Advice]:
    counts = with_macs(now.counts, lambda layer: round(layer.total.macs * (1 - UNCHANGED)))
    yield changed(
        now,
        f"skipping unchanged inputs ({percent(UNCHANGED)} of them)",
        counts,
        "FOUND; ASSUMPTION",
        "arXiv 2405.03905: a chip gained 3.4 of 7.7 times; on a processor it pays from 0.4-0.6 on",
        text="ideal: ",
    )


def _pruning(now: Situation) -> Iterator[Advice]:
    counts = with_macs(now.counts, lambda layer: layer.total.macs // 2)
    source = "arXiv 1612.00694 (ESE pruned ten times); useful above half"
    yield changed(now, "pruning half of all blocks of weights", counts, "FOUND", source)


def _hoisting(now: Situation) -> Iterator[Advice]:
    layers = [layer for layer in now.counts.layers if layer.gates]
    if not layers:
        return
    one = stored_bytes(PRECISIONS[now.counts.precision].weight_type)
    before = sum(layer.total.weight_bytes for layer in layers)
    of_w = sum(len(x.gates) * x.hidden_size * x.input_size * one for x in layers)
    after = before - of_w + round(of_w / CHUNK)
    cache = now.device.figure("memory.last_level_kib")
    missing = cache is not None and not fits_cache(constant_bytes(now.counts), cache.typical)
    where = "from RAM" if missing else "from flash" if now.device.kind != "sbc" else "from a cache"
    yield Advice(
        f"computing W x of {CHUNK} known steps together",
        f"{instead(after, before, 'weight bytes per step')} "
        f"{where}, same MACs; {'a large' if missing else 'a small'} gain, none for live input",
        None,
        None,
        None,
        "DERIVED",
        "count: weight bytes per step = n H S + n H I / steps together",
    )


def _weights_in_sram(now: Situation) -> Iterator[Advice]:
    sram, energy = now.device.figure("memory.sram_kib"), now.energy.energy_uj
    size = constant_bytes(now.counts)
    if sram is None or energy is None or energy.typical is None or size > sram.low * 1024 * 0.7:
        return
    low, high = 0.8 * energy.typical, 0.9 * energy.typical
    yield Advice(
        "weights copied to SRAM",
        f"{size:,} B of {sram.low:,g} KiB; {number(low)} to {number(high)} instead of "
        f"{number(energy.typical)} uJ (-20 to -10 %)",
        None,
        None,
        high,
        "FOUND; ASSUMPTION",
        "arXiv 1406.0403: -22 % for code in RAM; the range for weights is assumed",
    )


def _supply(now: Situation) -> Iterator[Advice]:
    volts, energy = now.device.figure("supply.model_v"), now.energy.energy_uj
    if now.device.texts.get("supply.regulator") != "LDO" or volts is None:
        return
    if energy is None or energy.typical is None:
        return
    if volts.typical > 1.8:
        after = energy.typical * 1.8 / volts.typical
        technique, mark = f"a supply of 1.8 V instead of {volts.typical:g} V", "FOUND; DERIVED"
        source = "MLPerf Tiny, L4R5 at 3.0 and 1.8 V on its LDO: energy / 1.64 at a ratio of 1.67"
    else:
        after, technique, mark = energy.typical * 0.86, "an external SMPS (3 V)", "DERIVED"
        source = "MLPerf Tiny, L4R5: power of AD -14 %; runtime and compiler changed too"
    text = instead(after, energy.typical, "uJ")
    yield Advice(technique, text, None, None, after, mark, source)


def _newer_chip(now: Situation) -> Iterator[Advice]:
    before = now.energy.energy_uj
    if now.device.kind == "sbc" or before is None or before.typical is None:
        return
    chip = read_device("stm32u385")
    after = estimate(now.counts, chip, now.energy.kernels).energy_uj
    if after is None or after.typical is None or after.typical > 0.9 * before.typical:
        return
    yield Advice(
        "a newer chip",
        f"{chip.name}: {number(after.typical)} instead of {number(before.typical)} uJ "
        f"({before.typical / after.typical:.1f} times less)",
        None,
        None,
        after.typical,
        "FOUND; DERIVED",
        "MLPerf Tiny, AD on L4R5, U575, U385: 203, 82, 32 uJ",
    )


def _slower_clock(now: Situation) -> Iterator[Advice]:
    duty = now.energy.duty
    if duty is None or duty.slowest_clock_mhz is None:
        return
    for way in duty.waiting:
        if way.average_mw is None or way.slow_clock_average_mw is None:
            continue
        race, slow = middle(way.average_mw), middle(way.slow_clock_average_mw)
        ties = 0.9 * race < slow < 1.1 * race
        wins = "the slow clock wins" if slow < race else "racing to idle wins"
        answer = "about the same: race to idle" if ties else wins
        yield Advice(
            f"the slowest clock that keeps up, waiting {way.sleep}",
            f"{number(duty.slowest_clock_mhz)} MHz: "
            f"{instead(slow, race, 'mW on average')}; {answer}",
            None,
            None,
            None,
            "FOUND; DERIVED",
            "MLPerf Tiny v1.3, streaming wake word with clocks on: -47, -17, -11 % on three chips",
        )


def _less_often(now: Situation) -> Iterator[Advice]:
    duty = now.energy.duty
    way = next((w for w in duty.waiting if w.average_mw), None) if duty else None
    if duty is None or way is None or way.average_mw is None or way.wait_mw is None:
        return
    before, wait = middle(way.average_mw), middle(way.wait_mw)
    after = wait + (before - wait) / 2
    if after > 0.95 * before:
        return
    yield Advice(
        "running half as often (skipped steps, early exit)",
        f"{instead(after, before, 'mW on average')}, waiting {way.sleep}",
        None,
        None,
        None,
        "DERIVED; KNOWN(m)",
        "duty cycle; EMI-RNN needs up to 72 times less (from memory)",
    )


ROWS: tuple[Callable[[Situation], Iterator[Advice]], ...] = (
    *(_int8, _kernels, _other_cell, _projection, _skipping, _pruning, _hoisting),
    *(_weights_in_sram, _supply, _newer_chip, _slower_clock, _less_often),
)
