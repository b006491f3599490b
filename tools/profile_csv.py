"""`profile --csv`: one table, a row per gate, per layer and in all, for a step and a sequence."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from edgelstm.cost.counts import COLUMNS
from edgelstm.printable import cell
from edgelstm.text import counted

Report = dict[str, Any]

ENDS = ("low", "typical", "high")
HEADINGS = (
    *("model", "device", "precision", "scope", "layer", "row", *COLUMNS),
    *("share", *(f"latency_us_{end}" for end in ENDS), *(f"energy_uj_{end}" for end in ENDS)),
)


def render(reports: Sequence[Report]) -> str:
    """The text of the table. `share` and typical figures of a row are shares of an estimate."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADINGS, lineterminator="\n")
    writer.writeheader()
    for report in reports:
        writer.writerows({key: cell(value) for key, value in row.items()} for row in _rows(report))
    return text.getvalue()


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    start = {key: report[key] for key in ("model", "device", "precision")}
    shares = {(s["layer"], s["row"]): s for s in report["shares"] or ()}
    for row in _counted(report["layers"], report["total"]):
        share = shares.get((row["layer"], row["row"]))
        known = {"share": share["share"]} if share else {}
        for key in ("latency_us", "energy_uj"):
            if share:
                known[f"{key}_typical"] = share[key]
            if row["layer"] == "total" and report[key]:
                known |= {f"{key}_{end}": report[key][end] for end in ENDS}
        yield start | {"scope": "step"} | row | known
    sequence = report["sequence"]
    if sequence:
        for row in _counted(sequence["layers"], sequence["total"]):
            yield start | {"scope": counted(sequence["steps"], "step")} | row


def _counted(layers: Sequence[Report], total: Report) -> Iterator[dict[str, Any]]:
    for layer in layers:
        for row in (*layer["gates"], layer["cell"], layer["total"]):
            counted = {column: row[column] for column in COLUMNS}
            yield {"layer": layer["name"], "row": row["name"], **counted}
    yield {"layer": "total", "row": "total", **{column: total[column] for column in COLUMNS}}
