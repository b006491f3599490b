"""`edgelstm devices`: what is known of each device and from where, or which to take."""

import dataclasses
import pathlib
import shlex
import sys
from collections.abc import Iterator

import edgelstm
from edgelstm.cost.cycles import Interval
from edgelstm.cost.variants import middle
from edgelstm.devices.device import Device, Figure, device_names, read_device
from edgelstm.devices.keys import FIGURES
from edgelstm.errors import ModelError
from edgelstm.searching.ranking import Ranked, Ranking, rank_devices
from edgelstm.text import number
from edgelstm.tools import output
from edgelstm.tools.profile_request import Options, Shape, read_given
from edgelstm.tools.ranges import waiting
from edgelstm.tools.side_by_side import interval

BUNDLED = "japanese_vowels"


@dataclasses.dataclass(frozen=True)
class Asked:
    """What devices are ranked for, and how; None where not given."""

    model: str | None = None
    shape: Shape = Shape()
    precision: str | None = None
    budget_uj: float | None = None
    budget_ms: float | None = None
    period_ms: float | None = None
    sleep: str | None = None
    battery: str | None = None
    min_days: float | None = None
    kernels: str | None = None


def main(name: str | None, asked: Asked, *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code: 1 if no device meets what was asked."""
    if asked != Asked():
        if name is not None:
            raise ModelError(f"'{name}' shows one device; --for ranks all of them: give one")
        return rank(asked, as_json=as_json, quiet=quiet)
    if name is None:
        known = [read_device(n) for n in device_names()]
        if as_json:
            output.print_json({"devices": [d.to_dict() for d in known]})
        elif not quiet:
            headings = ("name", "core", ">MHz", ">flash KiB", ">RAM", ">active mW", "energy")
            output.print_table("Devices", headings, map(_row, known))
        return 0
    device = read_device(name)
    if as_json:
        output.print_json(device.to_dict())
    elif not quiet:
        columns = ("figure", ">low", ">typical", ">high", "basis", "source")
        output.print_table(device.name, ("", ""), sorted(device.texts.items()))
        output.print_line()
        output.print_table("Figures", columns, _figure_rows(device))
    return 0


def rank(asked: Asked, *, as_json: bool, quiet: bool) -> int:
    """Ranks all devices for a network; returns the exit code: 1 if none meets what was asked."""
    if asked.model is None and asked.shape == Shape():
        raise ModelError("devices are ranked for a network: give --for MODEL, or --cell and sizes")
    if asked.model is not None and asked.shape != Shape():
        raise ModelError("--for MODEL does not go with sizes such as --hidden; give one of them")
    is_file = asked.model not in (None, BUNDLED)
    models = (pathlib.Path(str(asked.model)),) if is_file else ()
    options = Options(models, asked.shape, precision=asked.precision)
    [given] = read_given(options)
    ranking = rank_devices(
        given.network,
        asked.precision,
        period_ms=asked.period_ms,
        budget_uj=asked.budget_uj,
        budget_ms=asked.budget_ms,
        battery=asked.battery,
        min_days=asked.min_days,
        sleep=waiting(asked.sleep, asked.period_ms),
        kernels=asked.kernels,
        steps=given.steps,
    )
    if as_json:
        about = {"command": shlex.join(["edgelstm", *sys.argv[1:]])}
        about |= {"version": edgelstm.__version__, "model": given.name}
        output.print_json(about | ranking.to_dict())
    elif not quiet:
        _print_ranking(ranking, given.name)
    met = any(row.meets for row in ranking.ranking)
    return output.exit_code([] if met else [f"no device meets what is asked of {given.name}"])


def _print_ranking(ranking: Ranking, name: str) -> None:
    way = f", waiting in between: {ranking.sleep}" if ranking.period_ms else ""
    every = f"a step every {number(ranking.period_ms)} ms{way}" if ranking.period_ms else "a step"
    output.print_heading(name, f"{every}, by rising energy")
    known = [row for row in ranking.ranking if row.rank is not None]
    over = [row for row in known if not row.meets]
    headings = [">", "device", "precision", ">energy, uJ", "told\napart", ">time, us"]
    headings += [">days"] if ranking.battery is not None else []
    for rows, last in (([row for row in known if row.meets], "basis"), (over, "but")):
        cells = [_ranked_row(row, ranking, last) for row in rows]
        title = "Beyond what was asked" if last == "but" else ""
        output.print_filled(title, [*headings, last], cells)
    others = [(row.device, row.precision, str(row.reason)) for row in ranking.ranking[len(known) :]]
    output.print_filled("Not ranked", ("device", "precision", "because"), others)
    notes = ["typical figures rank and meet budgets; not told apart: from the next, by intervals"]
    if ranking.period_ms and ranking.sleep == "deep":
        notes.append("Raspberry Pis have no deep sleep and idle in between")
    for text in notes:
        output.print_line(f"note: {text}", style="dim")


def _ranked_row(row: Ranked, ranking: Ranking, last: str) -> tuple[str, ...]:
    told_apart = {True: "yes", False: "no", None: "-"}[row.told_apart_from_next]
    cells = [str(row.rank), row.device, row.precision, interval(row.energy, "").replace("  ", " ")]
    cells += [told_apart, _middle(row.latency_us)]
    cells += [_middle(row.battery_days)] if ranking.battery is not None else []
    return (*cells, str(row.reason if last == "but" else row.basis))


def _middle(value: Interval | None) -> str:
    return "-" if value is None else number(middle(value))


def _row(device: Device) -> tuple[str, ...]:
    ram = device.figure("memory.sram_kib")
    dram = device.figure("memory.dram_mib")
    return (
        device.name,
        device.core,
        _typical(device.clock),
        _typical(device.figure("memory.flash_kib")),
        f"{_typical(ram)} KiB" if ram else f"{_typical(dram)} MiB" if dram else "-",
        _typical(device.figure("power.active_mw")),
        device.energy_answer,
    )


def _typical(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure.typical:,g}"


def _figure_rows(device: Device) -> Iterator[tuple[str, ...]]:
    for key in FIGURES:
        figure = device.figure(key)
        if figure:
            numbers = (f"{n:,g}" for n in (figure.low, figure.typical, figure.high))
            yield (key, *numbers, figure.basis, figure.source)
