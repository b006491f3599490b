"""Several profiles beside each other: a row per figure, a column per profile."""

from collections.abc import Iterator, Sequence

from edgelstm.figures import span
from edgelstm.tools.output import Report

FITS = {True: "yes", False: "NO", None: "not known"}
ENERGY = {True: "energy of the whole board", False: "energy of the chip"}


def interval(value: Report | None, unit: str) -> str:
    """An interval of a report, or a dash."""
    return "-" if value is None else span(value["low"], value["typical"], value["high"], unit)


def columns(reports: Sequence[Report]) -> list[str]:
    """Names of the profiles: what differs."""
    if len({report["model"] for report in reports}) == 1:
        return [report["device"] for report in reports]
    if len({report["device"] for report in reports}) == 1:
        return [report["model"] for report in reports]
    return [f"{report['model']}, {report['device']}" for report in reports]


def energy_name(report: Report) -> str:
    """What its energy is that of; a chip's and a board's are not compared."""
    return ENERGY[report["device_kind"] == "sbc"]


def compared(reports: Sequence[Report]) -> Iterator[tuple[str, ...]]:
    """One row per figure, one column per profile."""
    sides = [_side(report) for report in reports]
    for name in dict.fromkeys(name for side in sides for name in side):
        cells = [side.get(name, "-") for side in sides]
        if set(cells) != {"-"}:
            yield name, *cells


def _side(report: Report) -> dict[str, str]:
    total, fit = report["total"], report["fit"]
    side = {"MACs": f"{total['macs']:,}", "weight bytes": f"{total['weight_bytes']:,}"}
    side["precision"] = report["precision"]
    side["flash"] = "-" if fit["flash_bytes"] is None else f"{fit['flash_bytes']:,} B"
    side["RAM"] = f"{fit['ram_bytes']:,} B"
    side["fits"] = FITS[fit["fits"]]
    side["kernels"] = report["kernels"]
    side["time"] = interval(report["latency_us"], "us")
    side[energy_name(report)] = interval(report["energy_uj"], "uJ")
    side["basis"] = report["basis"] or "-"
    of = energy_name(report).removeprefix("energy of the ")
    for way in (report["duty"] or {}).get("waiting", ()):
        side[f"average, {way['sleep']}, {of}"] = interval(way["average_mw"], "mW")
        side[f"battery, {way['sleep']}"] = interval(way["life_days"], "days")
    return side
