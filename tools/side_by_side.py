"""Several profiles beside each other: one table, a row per profile."""

from collections.abc import Callable, Iterator, Sequence

from edgelstm.cost.cycles import Interval
from edgelstm.text import counted, number, span
from edgelstm.tools.answer import Answer

FITS = {True: "yes", False: "NO", None: "not known"}
ENERGY = {True: "energy of the whole board", False: "energy of the chip"}


def interval(value: Interval | None, unit: str) -> str:
    """An interval, or a dash."""
    return "-" if value is None else span(value.low, value.typical, value.high, unit)


def converted(value: Interval, f: Callable[[float], float]) -> Interval:
    """An interval in another unit."""
    typical = None if value.typical is None else f(value.typical)
    return Interval(f(value.low), typical, f(value.high))


def milliseconds(value_us: Interval) -> Interval:
    """An interval of microseconds in milliseconds."""
    return converted(value_us, lambda us: us / 1000)


def columns(answers: Sequence[Answer]) -> list[str]:
    """Names of the profiles: what differs; a number where names do not."""
    if len({answer.device for answer in answers}) == 1:
        names = [answer.model for answer in answers]
    elif len({answer.model for answer in answers}) == 1:
        names = [answer.device for answer in answers]
    else:
        names = [f"{answer.model} on {answer.device}" for answer in answers]
    if len(set(names)) == len(names):
        return names
    return [f"{k} {name}" for k, name in enumerate(names, 1)]


def energy_name(answer: Answer) -> str:
    """What its energy is that of; a chip's and a board's are not compared."""
    return ENERGY[answer.device_kind == "sbc"]


def compared(answers: Sequence[Answer]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Headings and a row per profile, cells of up to two lines: a figure, and below its range."""
    table = [_row(name, a) for name, a in zip(columns(answers), answers, strict=True)]
    names = dict.fromkeys(name for row in table for name in row)
    rows = [tuple(row.get(name, "-") for name in names) for row in table]
    return list(names), rows


def _row(name: str, answer: Answer) -> dict[str, str]:
    """Heading to cell."""
    fit, energy, of = answer.fit, answer.energy, "board" if answer.device_kind == "sbc" else "chip"
    flash = "-" if fit.flash_bytes is None else f"{fit.flash_bytes:,}"
    basis = f", {energy.basis}" if energy.basis else ""
    row = {
        "": f"{name}\n{answer.precision}{basis}",
        "fits": FITS[fit.fits],
        ">RAM, B\nflash, B": f"{fit.ram_bytes:,}\n{flash}",
        ">time, us\na step": _two_lines(energy.latency_us),
        ">energy, uJ\na step": _two_lines(energy.energy_uj, of),
    }
    if energy.duty is None:
        call_ms = answer.inference_us and milliseconds(answer.inference_us)
        return row | {f">time, ms\n{counted(answer.steps, 'step')}": _two_lines(call_ms)}
    for way in energy.duty.waiting:
        if energy.duty.battery:
            row[f">days,\n{way.sleep}"] = _two_lines(way.life_days)
        else:
            row[f">mean, mW\n{way.sleep}"] = _two_lines(way.average_mw, of)
    return row


def _two_lines(value: Interval | None, of: str = "") -> str:
    """The typical figure, and below it the range."""
    if value is None:
        return "-"
    ends = f"{number(value.low)} to {number(value.high)}"
    typical = "" if value.typical is None else number(value.typical)
    return f"{f'{typical} {of}'.strip()}\n{ends}".strip()


def reasons(answers: Sequence[Answer]) -> Iterator[str]:
    """Why figures of the table are not known, and why no file runs; each once, with its rows."""
    told: dict[str, list[str]] = {}
    for name, answer in zip(columns(answers), answers, strict=True):
        energy = answer.energy
        why = (answer.file_reason, energy.latency_reason, energy.energy_reason)
        found = [(name, reason) for reason in why]
        if energy.energy_uj and energy.duty:
            found += [(f"{name} {way.sleep}", way.reason) for way in energy.duty.waiting]
        for row, reason in found:
            if reason:
                told.setdefault(reason.removeprefix(f"{answer.device}: "), []).append(row)
    yield from (f"{', '.join(dict.fromkeys(rows))}: {reason}" for reason, rows in told.items())


def kernels(answers: Sequence[Answer]) -> str:
    """Whose kernels the figures are for, with the rows of each."""
    found: dict[str, list[str]] = {}
    for name, answer in zip(columns(answers), answers, strict=True):
        found.setdefault(answer.energy.kernels, []).append(name)
    if len(found) == 1:
        return f"'{answers[0].energy.kernels}'"
    return "; ".join(f"'{kernels}': {', '.join(names)}" for kernels, names in found.items())
