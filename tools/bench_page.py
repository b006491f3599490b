"""`bench --html`: one page that works offline, from the same run as `--json`."""

import dataclasses
from collections.abc import Iterable, Iterator

from edgelstm.measurement.advice import advise
from edgelstm.measurement.results import COLUMNS, MODES, STEP, Result, Run, row
from edgelstm.text import counted, number
from edgelstm.tools import bench_tables, charts, templates

Row = tuple[str, ...]
PACED = ("engine", "precision", "in a loop, us", "alone, us", "99 %", "longest", "missed")
WINDOWS = ("engine", "window", "steps", "s", "J", "idle, W", "samples", "left out because")
TIMES = {STEP: "One step", "sequence": "A step of a whole sequence"}


@dataclasses.dataclass(frozen=True)
class Table:
    """A caption, headings, rows, and how the template sets them."""

    caption: str
    columns: list[str]
    rows: list[Row]
    kind: str = "numbers"


def render(run: Run) -> str:
    """The text of the page."""
    return templates.render(
        "bench_page.html",
        run=run,
        machine=bench_tables.machine_text(run.machine),
        advice=advise(run),
        cards=list(_cards(run)),
        times=list(_times(run.results)),
        predictions=list(_predictions(run.results)),
        powers=list(_powers(run.results)),
        legend=_legend(run.results),
        machine_rows=list(_machine(run)),
        tables=[table for table in _tables(run) if table.rows],
        skipped=_table("Not measured", bench_tables.SKIPPED, bench_tables.skipped_rows(run), ""),
        notes=list(bench_tables.notes(run)),
    )


def _cards(run: Run) -> Iterator[tuple[str, str, str]]:
    """Name, figure, and what else to know of it."""
    for mode in MODES:
        rows = [result for result in run.results if result.mode == mode]
        if rows:
            best = rows[0]
            figure = f"{number(best.timing.median_us_per_step)} us"
            yield TIMES[mode], figure, f"{best.engine} {best.precision}, in a loop"
    paced = [result for result in run.results if result.paced]
    if paced:
        best = min(paced, key=_alone_us)
        assert best.paced
        more = f"{best.engine} {best.precision}, every {number(best.paced.period_ms)} ms"
        yield "A step that comes alone", f"{number(best.paced.p50_us)} us", more
    told = [r.predicted_inside for r in run.results if r.predicted_inside is not None]
    if told:
        yield "Predictions met", f"{sum(told)} of {len(told)}", "medians inside of the interval"
    rows = [result for result in run.results if result.energy.energy_uj_per_step]
    if rows:
        best = min(rows, key=_joules)
        source = best.energy.power_source or ""
        yield "Least energy of a step", f"{number(_joules(best))} uJ", f"{_name(best)}, {source}"
    rounds = max((result.timing.rounds for result in run.results), default=0)
    processes = counted(len(run.processes), "process")
    yield "Rounds", f"{rounds:,}", f"of {number(run.seconds)} s, in {processes}"


def _alone_us(result: Result) -> float:
    assert result.paced
    return result.paced.p50_us


def _joules(result: Result) -> float:
    assert result.energy.energy_uj_per_step
    return result.energy.energy_uj_per_step.median


def _name(result: Result) -> str:
    return f"{result.engine} {result.precision}"


def _times(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    """Title and SVG: a strip of batch means for each row of a mode."""
    for mode in MODES:
        rows = []
        for result in results:
            if result.mode == mode:
                timing = result.timing
                ends = f"{number(timing.p5_us)}-{number(timing.p95_us)}"
                text = f"{number(timing.median_us_per_step)} us ({ends})"
                median = timing.median_us_per_step
                means = tuple(us for own in timing.means_us for us in own)
                rows.append((_name(result), text, means or (median,), median))
        if rows:
            title = f"{TIMES[mode]}: rounds, and their median"
            yield title, charts.strips(title, rows, "us")


def _predictions(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    """Title and SVG: the profiler's interval, and the measured median across it."""
    for mode in MODES:
        rows = []
        for result in results:
            told = result.predicted.predicted_us
            if result.mode == mode and told:
                measured = result.timing.median_us_per_step
                rows.append((_name(result), told.low, measured, told.high))
        if rows:
            title = f"{TIMES[mode]}: measured, and the interval that was predicted"
            yield title, charts.intervals(title, rows, "us")


def _powers(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    """Title and SVG: power over time of each engine that was metered, a line per domain."""
    for result in results:
        if trace := result.energy.trace:
            curves = [
                charts.Curve(name, watts, f"s{k % charts.N_COLOURS}")
                for k, (name, watts) in enumerate(trace.watts.items())
            ]
            shaded = [(w.begin_s, w.begin_s + w.seconds) for w in result.energy.windows]
            title = f"{_name(result)}, {result.mode}"
            yield title, charts.over_time(title, trace.seconds, curves, shaded, "watts")


def _tables(run: Run) -> Iterator[Table]:
    yield _table("Every engine, precision and mode", COLUMNS, map(row, run.results))
    yield _table("A step once a period", PACED, _paced(run.results))
    yield _table(
        "Steps in a loop, timed singly", bench_tables.JITTER, bench_tables.jitter_rows(run)
    )
    yield _table("Energy per step", bench_tables.ENERGY, bench_tables.energy_rows(run))
    yield _table("Windows of repeated steps", WINDOWS, _windows(run.results))


def _table(
    caption: str, columns: Iterable[str], rows: Iterable[Row], kind: str = "numbers"
) -> Table:
    return Table(caption, [name.lstrip(">") for name in columns], list(rows), kind)


def _paced(results: Iterable[Result]) -> Iterator[Row]:
    for result in results:
        if found := result.paced:
            loop = result.timing.median_us_per_step
            times = (loop, found.p50_us, found.p99_us, found.max_us)
            missed = f"{found.missed:,} of {found.steps + found.missed:,}"
            yield (result.engine, result.precision, *map(number, times), missed)


def _windows(results: Iterable[Result]) -> Iterator[Row]:
    for result in results:
        for k, window in enumerate(result.energy.windows):
            idle = "-" if window.idle_watts is None else number(window.idle_watts)
            figures = number(window.seconds), number(window.joules), idle, f"{window.samples:,}"
            steps, discarded = f"{window.steps:,}", window.discarded or "-"
            yield (_name(result), str(k + 1), steps, *figures, discarded)


def _machine(run: Run) -> Iterator[Row]:
    """What is known of it."""
    found = run.machine
    for name in ("cpu", "board", "os", "python", "governor", "last_level_kib"):
        value = getattr(found, name)
        if value is not None:
            yield name.replace("_", " "), number(value) if isinstance(value, float) else value
    for name in ("frequency_mhz", "temperature_c", "load", "memory_mb"):
        change = getattr(found, name)
        ends = [value for value in (change.before, change.after) if isinstance(value, float)]
        if ends:
            yield name.replace("_", " "), " to ".join(map(number, ends))
    for name, version in found.versions.items():
        yield name, version


def _legend(results: Iterable[Result]) -> list[tuple[str, str]]:
    """Colour and name of each domain of power."""
    traces = [result.energy.trace for result in results if result.energy.trace]
    names = dict.fromkeys(name for trace in traces for name in trace.watts)
    return [(f"s{k % charts.N_COLOURS}", name) for k, name in enumerate(names)]
