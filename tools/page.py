"""`profile --html`: one page that works offline, from the same report as `--json`."""

import importlib.resources
from collections.abc import Iterator, Sequence
from typing import Any

from edgelstm.cost.counts import COLUMNS
from edgelstm.text import number, percent
from edgelstm.tools import charts, count_tables, profile_tables, side_by_side
from edgelstm.tools.charts import Bar, Segment

Report = dict[str, Any]

HEADINGS = {
    "macs": "MACs",
    "adds": "adds",
    "muls": "muls",
    "sigmoids": "sigmoids",
    "tanhs": "tanhs",
    "requantizations": "rescaled",
    "weight_bytes": "weights, B",
    "bias_bytes": "biases, B",
    "input_read_bytes": "x read, B",
    "state_read_bytes": "state read, B",
    "state_write_bytes": "state written, B",
}
assert tuple(HEADINGS) == COLUMNS


def render(reports: Sequence[Report]) -> str:
    """The text of the page."""
    import jinja2

    template = (importlib.resources.files("edgelstm.tools") / "page.html").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(template).render(
        reports=[_view(report) for report in reports],
        first=reports[0],
        headings=HEADINGS,
        about=" and ".join(dict.fromkeys(report["model"] for report in reports)),
        compared=_compared(reports),
        comparison=list(_comparison(reports)) if len(reports) > 1 else [],
    )


def _view(report: Report) -> dict[str, Any]:
    """A report beside its charts and texts."""
    return {
        "report": report,
        "title": f"{report['model']} on {report['device']}",
        "cards": list(_cards(report)),
        "legend": list(_legend(report)),
        "charts": list(_charts(report)),
        "layers": [_layer(report, layer) for layer in report["layers"]],
        "memory": _memory_chart(report),
        "memory_rows": [row[:3] for row in profile_tables.memory_rows(report)],
        "runtimes": list(profile_tables.runtime_rows(report)),
        "time": _time_charts(report),
        "energy_rows": list(profile_tables.energy_rows(report)),
        "kernels": list(profile_tables.kernel_rows(report)),
        "duty": _duty_chart(report),
        "duty_rows": list(profile_tables.duty_rows(report)) if report["duty"] else [],
        "counters": list(profile_tables.counter_rows(report)) if "counters" in report else [],
        "notes": [*_assumed(report), *profile_tables.notes(report)],
    }


def _compared(answers: Sequence[Report]) -> tuple[list[str], list[tuple[str, ...]]] | None:
    """Headings without the sign of alignment, and rows; None for a single profile."""
    if len(answers) == 1:
        return None
    headings, rows = side_by_side.compared(answers)
    return [name.lstrip(">") or "profile" for name in headings], rows


def _assumed(report: Report) -> Iterator[str]:
    yield from (f"assumed: {text}" for text in report["assumed"])


def _cards(report: Report) -> Iterator[tuple[str, str, str]]:
    """Name, figure, and what else to know of it."""
    total, fit = report["total"], report["fit"]
    yield "MACs per step", f"{total['macs']:,}", f"{report['parameters']:,} stored parameters"
    yield "Weights", f"{total['weight_bytes']:,} B", report["precision"]
    needs = []
    for memory in ("flash", "ram"):
        need, available = fit[f"{memory}_bytes"], fit[f"{memory}_available_bytes"]
        if need is not None and available:
            needs.append(f"{_memory(memory)} {percent(need / available)}")
    answer = {True: "yes", False: "no", None: "not known"}[fit["fits"]]
    yield "Fits", answer, ", ".join(needs) or "memory not known"
    energy = side_by_side.energy_name(report).capitalize()
    for name, key, unit in (("Time", "latency_us", "us"), (energy, "energy_uj", "uJ")):
        value, why = report[key], "latency_reason" if name == "Time" else "energy_reason"
        if value is None:
            yield f"{name} per step", "not known", report[why] or ""
            continue
        ends = f"{number(value['low'])} to {number(value['high'])} {unit}"
        if value["typical"] is None:
            yield f"{name} per step", ends, f"range only, {report['basis']}"
        else:
            typical = f"{number(value['typical'])} {unit}"
            yield f"{name} per step", typical, f"{ends}, {report['basis']}"

    for way in (report["duty"] or {}).get("waiting", ()):
        if way["average_mw"]:
            mean, life = way["average_mw"], way["life_days"]
            figure = f"{number(mean['typical'] or mean['high'])} mW"
            days = number(life["typical"] or life["low"]) if life else None
            more = f"{days} days of {report['duty']['battery']['name']}" if days else way["basis"]
            yield f"Average, waiting {way['sleep']}", figure, more


# ---- where it goes


def _rows(layer: Report) -> list[Report]:
    return [*layer["gates"], layer["cell"]]


def _names(report: Report) -> list[str]:
    return list(dict.fromkeys(row["name"] for x in report["layers"] for row in _rows(x)))


def _colour(report: Report, row: str) -> str:
    """Gates in their order; the cell has the last colour of its own."""
    if row == "cell":
        return f"s{charts.N_COLOURS - 1}"
    return f"s{_names(report).index(row) % (charts.N_COLOURS - 1)}"


def _legend(report: Report) -> Iterator[tuple[str, str]]:
    for name in _names(report):
        yield _colour(report, name), name if name == "cell" else f"gate {name}"


def _charts(report: Report) -> Iterator[tuple[str, str]]:
    """Title and SVG: one bar per layer, one segment per gate."""
    counted = {
        "MACs": ("macs",),
        "Weight and bias bytes": ("weight_bytes", "bias_bytes"),
        "Bytes of x, h and c": ("input_read_bytes", "state_read_bytes", "state_write_bytes"),
    }
    for title, keys in counted.items():
        unit = "" if title == "MACs" else " B"
        values = {
            (layer["name"], row["name"]): sum(row[key] for key in keys)
            for layer in report["layers"]
            for row in _rows(layer)
        }
        yield title, _per_layer(report, f"{title} per step", values, unit)
    units = {"latency_us": ("Time, as a share of the estimate", " us")}
    units["energy_uj"] = ("Energy, as a share of the estimate", " uJ")
    for key, (title, unit) in units.items():
        shares = report["shares"]
        if shares and shares[0][key] is not None:
            values = {(s["layer"], s["row"]): s[key] for s in shares}
            yield title, _per_layer(report, f"{title}, per step", values, unit)


def _per_layer(report: Report, title: str, values: dict[tuple[str, str], Any], unit: str) -> str:
    bars = []
    for layer in report["layers"]:
        own = [(row["name"], values[layer["name"], row["name"]]) for row in _rows(layer)]
        segments = tuple(
            Segment(f"{layer['name']} {name}", n, _exact(n, unit), _colour(report, name))
            for name, n in own
        )
        bars.append(Bar(layer["name"], _exact(sum(n for _, n in own), unit), segments))
    return charts.stacked(title, bars)


def _exact(value: float, unit: str) -> str:
    return (f"{value:,}" if isinstance(value, int) else number(value)) + unit


def _layer(report: Report, layer: Report) -> dict[str, Any]:
    shares = {(s["layer"], s["row"]): s for s in report["shares"] or ()}
    rows = [
        (
            label.split("\n"),
            [f"{row[column]:,}" for column in COLUMNS],
            _share(shares, layer["name"], row["name"]),
        )
        for row, label in count_tables.labelled(layer)
    ]
    return {"name": layer["name"], "title": count_tables.described(layer), "rows": rows}


def _share(shares: dict[tuple[str, str], Report], layer: str, row: str) -> list[str]:
    """Share, time and energy of a row; the sum of the layer's rows in its total."""
    of = [s for place, s in shares.items() if place[0] == layer and row in (place[1], "total")]
    if not of:
        return ["-", "-", "-"]
    cells = [percent(sum(s["share"] for s in of))]
    for key in ("latency_us", "energy_uj"):
        cells.append("-" if of[0][key] is None else number(sum(s[key] for s in of)))
    return cells


# ---- one device


def _memory(name: str) -> str:
    return "RAM" if name == "ram" else name


def _memory_chart(report: Report) -> str:
    """Parts against the device's size, one chart per memory."""
    drawn, fit = [], report["fit"]
    for memory in ("flash", "ram"):
        need, available = fit[f"{memory}_bytes"], fit[f"{memory}_available_bytes"]
        parts = [p for p in report["memory"] if p["memory"] == memory and p["size_bytes"]]
        if need is None or not parts:
            continue
        segments = tuple(
            Segment(p["name"], p["size_bytes"], f"{p['size_bytes']:,} B", f"s{k}")
            for k, p in enumerate(parts)
        )
        of = f" of {available:,} B" if available else " B"
        name, full, scale = _memory(memory), available, ""
        if available and charts.LINEAR * need < available:
            full, scale = None, f"the width is what is needed: {percent(need / available)}"
        bars = [Bar(name, f"{need:,}{of}", segments)]
        title = f"{name}: {need:,}{of}"
        drawn.append(charts.stacked(title, bars, full, scale_text=scale))
    return "".join(drawn)


def _time_charts(report: Report) -> str:
    drawn = []
    for title, key, unit in (
        ("time", "latency_us", "us"),
        ("energy", "energy_uj", "uJ"),
        ("energy above idle", "energy_net_uj", "uJ"),
    ):
        value = report[key]
        if value:
            row = (title, value["low"], value["typical"], value["high"])
            drawn.append(charts.intervals(f"{title} per step", [row], unit))
    if report["roofline"]:
        found = {
            k: v for k, v in report["roofline"].items() if k not in ("streaming", "limit", "cores")
        }
        drawn.append(charts.roofline("Roofline", charts.Roof(**found)))
    return "".join(drawn)


def _duty_chart(report: Report) -> str:
    duty = report["duty"]
    if not duty:
        return ""
    share = duty["duty_cycle"]["typical"] or duty["duty_cycle"]["high"]
    period = f"{number(duty['period_ms'])} ms"
    segments = (Segment("computing", min(share, 1), percent(share), "s0"),)
    bars = [Bar(f"computing in {period}", percent(share), segments)]
    drawn = charts.stacked(f"Share of {period} that is computed", bars, full=1)
    known = [way for way in duty["waiting"] if way["average_mw"]]
    rows = [
        (
            f"average, waiting {w['sleep']}",
            *(w["average_mw"][k] for k in ("low", "typical", "high")),
        )
        for w in known
    ]
    return drawn + (charts.intervals("Average power", rows, "mW") if rows else "")


def _comparison(reports: Sequence[Report]) -> Iterator[tuple[str, str]]:
    """Time and energy of all profiles; chips on scales of their own, and boards."""
    named = list(zip(side_by_side.columns(reports), reports, strict=True))
    kinds = list(dict.fromkeys(map(side_by_side.energy_name, reports)))
    for key, unit in (("latency_us", "us"), ("energy_uj", "uJ")):
        for kind in kinds:
            title = kind.capitalize()
            if key == "latency_us":
                title = "Time" + (kind.removeprefix("energy") if len(kinds) > 1 else "")
            rows = [
                (name, *(r[key][end] for end in ("low", "typical", "high")))
                for name, r in named
                if r[key] and side_by_side.energy_name(r) == kind
            ]
            if rows:
                yield f"{title} per step", charts.intervals(f"{title} per step", rows, unit)
