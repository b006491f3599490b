"""One line of advice: what to use, how much faster that is, and what it takes of a core."""

from edgelstm.measurement.results import STEP, Result, Run
from edgelstm.text import number, percent


def advise(run: Run) -> str | None:
    """From the single steps, or the sequences where there are none; None where nothing ran."""
    if not run.results:
        return None
    mode = run.results[0].mode
    rows = [result for result in run.results if result.mode == mode]
    best = rows[0]
    others = [row for row in rows if row.engine != best.engine]
    same = [row for row in others if row.precision == best.precision]
    told = f"use {best.engine} {best.precision}"
    if same or others:
        other = (same or others)[0]
        times = other.timing.cpu_us_per_step / best.timing.cpu_us_per_step
        told += f": {number(times)} times faster than {other.engine} {other.precision}"
    return told + _share(best)


def _share(best: Result) -> str:
    """Of a core, once a period; of what comes in a loop nothing can be said."""
    if best.mode != STEP or best.paced is None:
        return ""
    share = best.paced.p50_us / 1e3 / best.paced.period_ms
    return f", {percent(share)} of a core at {number(best.paced.period_ms)} ms"
