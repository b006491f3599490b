"""Several profiles beside each other: one table, a row per profile."""

from collections.abc import Iterator, Sequence

from edgelstm.text import counted, number, span
from edgelstm.tools.output import Report

FITS = {True: "yes", False: "NO", None: "not known"}
ENERGY = {True: "energy of the whole board", False: "energy of the chip"}


def interval(value: Report | None, unit: str) -> str:
    """An interval of a report, or a dash."""
    return "-" if value is None else span(value["low"], value["typical"], value["high"], unit)


def columns(reports: Sequence[Report]) -> list[str]:
    """Names of the profiles: what differs; a number where names do not."""
    if len({report["device"] for report in reports}) == 1:
        names = [report["model"] for report in reports]
    elif len({report["model"] for report in reports}) == 1:
        names = [report["device"] for report in reports]
    else:
        names = [f"{report['model']} on {report['device']}" for report in reports]
    if len(set(names)) == len(names):
        return names
    return [f"{k} {name}" for k, name in enumerate(names, 1)]


def energy_name(report: Report) -> str:
    """What its energy is that of; a chip's and a board's are not compared."""
    return ENERGY[report["device_kind"] == "sbc"]


def compared(answers: Sequence[Report]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Headings and a row per profile, cells of up to two lines: a figure, and below it its range.

    Args:
        answers: As `verdict` takes them.
    """
    table = [_row(name, a) for name, a in zip(columns(answers), answers, strict=True)]
    names = dict.fromkeys(name for row in table for name in row)
    rows = [tuple(row.get(name, "-") for name in names) for row in table]
    return list(names), rows


def _row(name: str, answer: Report) -> dict[str, str]:
    """Heading to cell."""
    fit, of = answer["fit"], "board" if answer["device_kind"] == "sbc" else "chip"
    flash = "-" if fit["flash_bytes"] is None else f"{fit['flash_bytes']:,}"
    basis = f", {answer['basis']}" if answer["basis"] else ""
    row = {
        "": f"{name}\n{answer['precision']}{basis}",
        "fits": FITS[fit["fits"]],
        ">RAM, B\nflash, B": f"{fit['ram_bytes']:,}\n{flash}",
        ">time, us\na step": _two_lines(answer["latency_us"]),
        ">energy, uJ\na step": _two_lines(answer["energy_uj"], of),
    }
    if not answer["duty"]:
        inference = answer["inference_us"]
        milliseconds = inference and {k: v and v / 1000 for k, v in inference.items()}
        return row | {f">time, ms\n{counted(answer['steps'], 'step')}": _two_lines(milliseconds)}
    for way in answer["duty"]["waiting"]:
        if answer["duty"]["battery"]:
            row[f">days,\n{way['sleep']}"] = _two_lines(way["life_days"])
        else:
            row[f">mean, mW\n{way['sleep']}"] = _two_lines(way["average_mw"], of)
    return row


def _two_lines(value: Report | None, of: str = "") -> str:
    """The typical figure, and below it the range."""
    if value is None:
        return "-"
    ends = f"{number(value['low'])} to {number(value['high'])}"
    typical = "" if value["typical"] is None else number(value["typical"])
    return f"{f'{typical} {of}'.strip()}\n{ends}".strip()


def reasons(reports: Sequence[Report]) -> Iterator[str]:
    """Why figures of the table are not known, and why no file runs; each once, with its rows."""
    told: dict[str, list[str]] = {}
    for name, report in zip(columns(reports), reports, strict=True):
        found = [(name, report[k]) for k in ("file_reason", "latency_reason", "energy_reason")]
        if report["energy_uj"]:
            ways = (report["duty"] or {}).get("waiting", ())
            found += [(f"{name} {way['sleep']}", way["reason"]) for way in ways]
        for row, reason in found:
            if reason:
                told.setdefault(reason.removeprefix(f"{report['device']}: "), []).append(row)
    yield from (f"{', '.join(dict.fromkeys(rows))}: {reason}" for reason, rows in told.items())


def kernels(reports: Sequence[Report]) -> str:
    """Whose kernels the figures are for, with the rows of each."""
    found: dict[str, list[str]] = {}
    for name, report in zip(columns(reports), reports, strict=True):
        found.setdefault(report["kernels"], []).append(name)
    if len(found) == 1:
        return f"'{reports[0]['kernels']}'"
    return "; ".join(f"'{kernels}': {', '.join(names)}" for kernels, names in found.items())
