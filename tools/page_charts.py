"""The charts of `profile --html`, drawn from a report."""

from collections.abc import Iterator, Mapping, Sequence

from edgelstm.cost.counts import LayerCounts, Row
from edgelstm.cost.duty import Duty
from edgelstm.text import number, percent
from edgelstm.tools import charts, side_by_side, verdict
from edgelstm.tools.answer import Answer
from edgelstm.tools.charts import Bar, Segment
from edgelstm.tools.profile_report import ProfileReport

Values = Mapping[tuple[str, str], float]  # by layer and row


def legend(report: ProfileReport) -> Iterator[tuple[str, str]]:
    """Colour and name of each gate."""
    for name in _names(report):
        yield _colour(report, name), name if name == "cell" else f"gate {name}"


def gate_charts(report: ProfileReport) -> Iterator[tuple[str, str]]:
    """Title and SVG: one bar per layer, one segment per gate."""
    counted = {
        "MACs": ("macs",),
        "Weight and bias bytes": ("weight_bytes", "bias_bytes"),
        "Bytes of x, h and c": ("input_read_bytes", "state_read_bytes", "state_write_bytes"),
    }
    for title, columns in counted.items():
        unit = "" if title == "MACs" else " B"
        values: Values = {
            (layer.name, row.name): sum(getattr(row, column) for column in columns)
            for layer in report.counts.layers
            for row in _rows(layer)
        }
        yield title, _per_layer(report, f"{title} per step", values, unit)
    shares = report.shares or ()
    times = {(s.layer, s.row): s.latency_us for s in shares if s.latency_us is not None}
    energies = {(s.layer, s.row): s.energy_uj for s in shares if s.energy_uj is not None}
    for name, found, unit in (("Time", times, " us"), ("Energy", energies, " uJ")):
        if found:
            title = f"{name}, as a share of the estimate"
            yield title, _per_layer(report, f"{title}, per step", found, unit)


def _per_layer(report: ProfileReport, title: str, values: Values, unit: str) -> str:
    bars = []
    for layer in report.counts.layers:
        own = [(row.name, values[layer.name, row.name]) for row in _rows(layer)]
        segments = tuple(
            Segment(f"{layer.name} {name}", n, _exact(n, unit), _colour(report, name))
            for name, n in own
        )
        bars.append(Bar(layer.name, _exact(sum(n for _, n in own), unit), segments))
    return charts.stacked(title, bars)


def _exact(value: float, unit: str) -> str:
    return (f"{value:,}" if isinstance(value, int) else number(value)) + unit


def _colour(report: ProfileReport, row: str) -> str:
    """Gates in their order; the cell has the last colour of its own."""
    if row == "cell":
        return f"s{charts.N_COLOURS - 1}"
    return f"s{_names(report).index(row) % (charts.N_COLOURS - 1)}"


def _names(report: ProfileReport) -> list[str]:
    return list(dict.fromkeys(row.name for x in report.counts.layers for row in _rows(x)))


def _rows(layer: LayerCounts) -> list[Row]:
    return [*layer.gates, layer.cell]


def memory_chart(report: ProfileReport) -> str:
    """Parts against the device's size, one chart per memory."""
    drawn = []
    for name, need, available in verdict.fit_by_memory(report.answer.fit):
        parts = [p for p in report.memory if p.memory == name.lower() and p.size_bytes]
        if need is None or not parts:
            continue
        segments = tuple(
            Segment(p.name, p.size_bytes or 0, f"{p.size_bytes:,} B", f"s{k}")
            for k, p in enumerate(parts)
        )
        of = f" of {available:,} B" if available else " B"
        full, scale = available, ""
        if available and charts.LINEAR * need < available:
            full, scale = None, f"the width is what is needed: {percent(need / available)}"
        bars = [Bar(name, f"{need:,}{of}", segments)]
        drawn.append(charts.stacked(f"{name}: {need:,}{of}", bars, full, scale_text=scale))
    return "".join(drawn)


def time_charts(report: ProfileReport) -> str:
    """Time and energy of a step, and what bounds them."""
    energy, roofline, drawn = report.answer.energy, report.roofline, []
    for title, value, unit in (
        ("time", energy.latency_us, "us"),
        ("energy", energy.energy_uj, "uJ"),
        ("energy above idle", energy.energy_net_uj, "uJ"),
    ):
        if value:
            row = (title, value.low, value.typical, value.high)
            drawn.append(charts.intervals(f"{title} per step", [row], unit))
    if roofline:
        rates = roofline.macs_per_us, roofline.bytes_per_us
        roof = charts.Roof(roofline.macs, roofline.missed_bytes, *rates)
        drawn.append(charts.roofline("Roofline", roof))
    return "".join(drawn)


def duty_chart(duty: Duty) -> str:
    """The share of a period that is computed, and average power for each way of waiting."""
    share = duty.duty_cycle.typical or duty.duty_cycle.high
    period = f"{number(duty.period_ms)} ms"
    segments = (Segment("computing", min(share, 1), percent(share), "s0"),)
    bars = [Bar(f"computing in {period}", percent(share), segments)]
    drawn = charts.stacked(f"Share of {period} that is computed", bars, full=1)
    rows = [
        (f"average, waiting {way.sleep}", mean.low, mean.typical, mean.high)
        for way in duty.waiting
        if (mean := way.average_mw)
    ]
    return drawn + (charts.intervals("Average power", rows, "mW") if rows else "")


def comparison(answers: Sequence[Answer]) -> Iterator[tuple[str, str]]:
    """Time and energy of all profiles; chips on scales of their own, and boards."""
    named = list(zip(side_by_side.columns(answers), answers, strict=True))
    kinds = list(dict.fromkeys(map(side_by_side.energy_name, answers)))
    for is_time, unit in ((True, "us"), (False, "uJ")):
        for kind in kinds:
            title = kind.capitalize()
            if is_time:
                title = "Time" + (kind.removeprefix("energy") if len(kinds) > 1 else "")
            rows = []
            for name, answer in named:
                value = answer.energy.latency_us if is_time else answer.energy.energy_uj
                if value and side_by_side.energy_name(answer) == kind:
                    rows.append((name, value.low, value.typical, value.high))
            if rows:
                yield f"{title} per step", charts.intervals(f"{title} per step", rows, unit)
