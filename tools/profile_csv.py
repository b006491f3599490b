"""`profile --csv`: one table, a row per gate, per layer and in all, for a step and a sequence."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from edgelstm.cost.counts import COLUMNS, LayerCounts, Row
from edgelstm.cost.cycles import Interval
from edgelstm.printable import cell
from edgelstm.text import counted
from edgelstm.tools.profile_report import ProfileReport, Share

Cells = Mapping[str, str | float | None]  # by heading

ENDS = ("low", "typical", "high")
HEADINGS = (
    *("model", "device", "precision", "scope", "layer", "row", *COLUMNS),
    *("share", *(f"latency_us_{end}" for end in ENDS), *(f"energy_uj_{end}" for end in ENDS)),
)


def render(reports: Sequence[ProfileReport]) -> str:
    """The text of the table. `share` and typical figures of a row are shares of an estimate."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADINGS, lineterminator="\n")
    writer.writeheader()
    for report in reports:
        writer.writerows({key: cell(value) for key, value in row.items()} for row in _rows(report))
    return text.getvalue()


def _rows(report: ProfileReport) -> Iterator[Cells]:
    answer, counts, energy = report.answer, report.counts, report.answer.energy
    start = {"model": answer.model, "device": answer.device, "precision": answer.precision}
    shares = {(s.layer, s.row): s for s in report.shares or ()}
    for layer, row in _counted(counts.layers, counts.total):
        share = shares.get((layer, row.name))
        known = _shared(share) if share else {}
        if layer == "total":
            known |= _ends("latency_us", energy.latency_us) | _ends("energy_uj", energy.energy_uj)
        yield {**start, "scope": "step", **_counts(layer, row), **known}
    sequence = counts.sequence
    if sequence:
        scope = counted(sequence.steps, "step")
        for layer, row in _counted(sequence.layers, sequence.total):
            yield {**start, "scope": scope, **_counts(layer, row)}


def _counted(layers: Sequence[LayerCounts], total: Row) -> Iterator[tuple[str, Row]]:
    """Each row with the name of its layer."""
    for layer in layers:
        yield from ((layer.name, row) for row in (*layer.gates, layer.cell, layer.total))
    yield "total", total


def _counts(layer: str, row: Row) -> Cells:
    return {"layer": layer, "row": row.name, **{c: getattr(row, c) for c in COLUMNS}}


def _shared(share: Share) -> dict[str, float | None]:
    typical = {"latency_us_typical": share.latency_us, "energy_uj_typical": share.energy_uj}
    return {"share": share.share, **typical}


def _ends(name: str, value: Interval | None) -> dict[str, float | None]:
    return {f"{name}_{end}": getattr(value, end) for end in ENDS} if value else {}
