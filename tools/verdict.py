"""What stands first: whether a network fits, its time, what it draws, how long a battery lasts."""

from collections.abc import Iterator

from edgelstm.cost.duty import Duty
from edgelstm.cost.memory import Fit
from edgelstm.text import counted, number, percent
from edgelstm.tools.answer import Answer
from edgelstm.tools.output import print_line
from edgelstm.tools.side_by_side import FITS, energy_name, interval, milliseconds

EXPLAIN = "`--explain` tells what the figures stand on"


def rows(answer: Answer) -> Iterator[tuple[str, str]]:
    """Name and answer; what is not known with the reason."""
    energy = answer.energy
    yield "fits", fits(answer.fit)
    if answer.file_reason:
        yield "file", answer.file_reason
    yield "time", _time(answer)
    yield energy_name(answer), _energy(answer)
    if energy.energy_net_uj:
        yield "energy above idle", f"{interval(energy.energy_net_uj, 'uJ')} a step"
    if energy.basis:
        yield "basis", energy.basis
    if energy.duty:
        yield "keeps up", _keeps_up(energy.duty)
        yield from waiting(energy.duty)


def fits(fit: Fit) -> str:
    """`yes: flash 32,992 B of 2,097,152 B (1.57 %), RAM 4,848 B of 786,432 B (0.616 %)`."""
    needs = []
    for name, need, available in fit_by_memory(fit):
        if need is not None:
            share = f" of {available:,} B ({percent(need / available)})" if available else ""
            needs.append(f"{name} {need:,} B{share}")
    told = f"{FITS[fit.fits]}: {', '.join(needs)}"
    lacking = fit.fits is None and fit.ram_available_bytes is None
    return f"{told}; the device's memory is not known" if lacking else told


def fit_by_memory(fit: Fit) -> tuple[tuple[str, int | None, int | None], ...]:
    """Name of each memory, the bytes that are needed, and those that there are."""
    return (
        ("flash", fit.flash_bytes, fit.flash_available_bytes),
        ("RAM", fit.ram_bytes, fit.ram_available_bytes),
    )


def too_much(fit: Fit) -> str:
    """What is beyond the device: `4,321 B of flash too much`."""
    return ", ".join(
        f"{need - available:,} B of {name} too much"
        for name, need, available in fit_by_memory(fit)
        if need is not None and available is not None and need > available
    )


def _time(answer: Answer) -> str:
    energy = answer.energy
    if energy.latency_us is None:
        return f"not known: {energy.latency_reason}"
    step = f"{interval(energy.latency_us, 'us')} a step"
    if answer.steps == 1 or answer.inference_us is None:
        return step
    call = interval(milliseconds(answer.inference_us), "ms")
    return f"{step}, {call} an inference of {counted(answer.steps, 'step')}"


def _energy(answer: Answer) -> str:
    energy = answer.energy
    if energy.energy_uj is None:
        return f"not known: {energy.energy_reason or energy.latency_reason}"
    return f"{interval(energy.energy_uj, 'uJ')} a step"


def _keeps_up(duty: Duty) -> str:
    told = {True: "yes", False: "NO", None: "not certain"}[duty.keeps_up]
    return f"{told}: a step every {number(duty.period_ms)} ms"


def waiting(duty: Duty) -> Iterator[tuple[str, str]]:
    """Days of the battery, else average power, for each way of waiting."""
    for way in duty.waiting:
        name = f"{duty.battery.name if duty.battery else 'average'}, {way.sleep}"
        if way.reason:
            yield name, f"not known: {way.reason}"
        elif way.life_days:
            yield name, interval(way.life_days, "days")
        else:
            yield name, interval(way.average_mw, "mW")


def print_explain() -> None:
    """Where the notes are, in the place where they would stand."""
    print_line(EXPLAIN, style="dim")
