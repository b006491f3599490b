"""The page of `search`: accuracy over energy per device, side by side, from the same results."""

import dataclasses
from collections.abc import Iterator

from edgelstm.cost.variants import middle
from edgelstm.printable import printable_texts
from edgelstm.searching import fronts
from edgelstm.searching.costing import Point
from edgelstm.searching.log import Entry
from edgelstm.searching.picking import name_of
from edgelstm.searching.results import Found
from edgelstm.searching.trainings import architecture
from edgelstm.text import number
from edgelstm.tools import search_front, search_tables, templates
from edgelstm.tools.scatter import Dot, scatter
from edgelstm.training.data import CLASSES


def render(found: Found, command: str) -> str:
    """The text of the page."""
    import edgelstm

    headings = [name.lstrip(">") for name in search_front.headings(found)]
    tables = [
        (device, [search_front.row(point, found) for point in found.front(device)])
        for device in found.devices
    ]
    refused = list(search_tables.refused_rows(found.points))
    return templates.render(
        "search_page.html",
        command=command,
        version=edgelstm.__version__,
        summary=search_front.summary(found),
        chosen=found.chosen,
        cards=list(_cards(found)),
        charts=list(_charts(found)),
        headings=headings,
        tables=printable_texts(tables),
        used=[
            search_tables.used(search_front.found_device(device), found.conditions)
            for device in found.devices
        ],
        refused=printable_texts(refused),
        notes=printable_texts(list(search_front.notes(found))),
    )


def _cards(found: Found) -> Iterator[tuple[str, str, str]]:
    """Name, figure, and what else to know of it."""
    yield "Trained", str(len(found.entries)), f"{found.trainings} in this run"
    if found.chosen:
        point, kind = found.chosen.point, found.data.kind
        value = f"{point.score.value:.3f}" if kind == CLASSES else number(point.score.value)
        yield "Chosen", point.candidate.key(), f"for {found.chosen.device}"
        yield name_of(kind).capitalize(), value, f"on {len(found.data.valid)} series held out"
        per = "a step" if found.conditions.period_ms is None else "a period"
        if point.cost.energy:
            yield f"Energy {per}", f"{number(middle(point.cost.energy))} uJ", "estimate"


def _charts(found: Found) -> Iterator[tuple[str, str]]:
    """Title and SVG per device, of all that was trained and that it runs."""
    name = name_of(found.data.kind)
    per = "a step" if found.conditions.period_ms is None else "a period"
    entries = {architecture(candidate): entry for candidate, entry in found.entries}
    for device in found.devices:
        on = {point.candidate for point in found.front(device)}
        dots: list[Dot] = []
        alone: list[Dot] = []
        for point in found.points:
            entry = entries.get(architecture(point.candidate))
            if point.device == device and point.cost.accepted and point.cost.energy and entry:
                dots += _dots(point, entry, found, point.candidate in on)
                alone += _dots(point, entry, found, False, step=True)
        if dots:
            title = f"{device}: {name} over energy, {len(dots)} trained"
            rising = found.data.kind == CLASSES
            across = f"energy {per}, uJ"
            yield device, scatter(title, dots, across, name, rising=rising)
            if found.conditions.period_ms is not None:
                yield from continuous(device, alone, dots, name, rising)


def continuous(
    device: str, alone: list[Dot], dots: list[Dot], name: str, rising: bool
) -> Iterator[tuple[str, str]]:
    """The front of continuous use, where it is another than that of the period."""
    sign = 1 if rising else -1
    best = {dot.name for dot in fronts.front(alone, lambda dot: (sign * dot.y, dot.x))}
    if best == {dot.name for dot in dots if dot.on_front}:
        return
    drawn = [dataclasses.replace(dot, on_front=dot.name in best) for dot in alone]
    title = f"{device}, without waiting"
    yield title, scatter(title, drawn, "energy a step, uJ", name, rising=rising)


def _dots(
    point: Point, entry: Entry, found: Found, on_front: bool, *, step: bool = False
) -> Iterator[Dot]:
    """A trained point, if it has a score; `step`: over the energy of the step alone."""
    score = entry.scores.get(point.candidate.precision)
    if score is None or entry.reason:
        return
    cost = point.cost.energy_uj if step else point.cost.energy
    if cost is None:
        return
    energy, chosen = middle(cost), found.chosen
    taken = chosen is not None and (chosen.point.candidate, chosen.device) == (
        point.candidate,
        point.device,
    )
    told = f"{point.candidate.key()}: {score.value:.3f}"
    yield Dot(told, energy, score.value, on_front, taken)
