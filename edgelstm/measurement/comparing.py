"""Two runs of one machine: what became slower or faster, measured by the loops that both contain.

How fast the machine was that day is in a row and in the loop that took turns with it, so what is
compared is the ratio of both, process by process (`changes`).
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgelstm.cost.cycles import Interval
from edgelstm.measurement import changes, ratios
from edgelstm.measurement.plain import plain
from edgelstm.measurement.results import Result, Run
from edgelstm.text import counted

CACHED_SHARE = 0.7  # of the last cache, beyond which weights are read from RAM
LEAST_PROCESSES = 3  # of a run; what two differ by says little of all


@dataclasses.dataclass(frozen=True)
class Change:
    """How a row changed.

    Attributes:
        change_percent: From the first run to the second; above 0 is slower. The intervals of all
            rows hold together in 95 of 100 comparisons.
        reference: The loop that it is measured by, `computing` or `streaming`.
        verdict: `same slower faster`, or `too noisy`.
        reason: What else differs, or None.
    """

    engine: str
    precision: str
    mode: str
    change_percent: Interval
    reference: str
    verdict: str
    reason: str | None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Of two runs, by the names of their files; `comparable` False has a reason and no rows."""

    a: str
    b: str
    tolerance_percent: float
    comparable: bool
    reason: str | None
    rows: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """The object of `bench --compare --json`."""
        made: dict[str, Any] = plain(self)
        return made


def compare(a: tuple[str, Run], b: tuple[str, Run], tolerance_percent: float) -> Comparison:
    """From run `a` to run `b`, each with the name of its file; rows that both have."""
    (a_name, first), (b_name, second) = a, b
    apart = _apart(first, second)
    found = {(r.engine, r.precision, r.mode, r.steps, r.threads): r for r in first.results}
    pairs = [
        (found[key], row)
        for row in second.results
        if (key := (row.engine, row.precision, row.mode, row.steps, row.threads)) in found
    ]
    if not apart and not pairs:
        apart = "they have no engine, precision, mode and number of steps in common"
    rows = () if apart else tuple(_changes(pairs, (first, second), tolerance_percent))
    return Comparison(a_name, b_name, tolerance_percent, apart is None, apart, rows)


def _apart(a: Run, b: Run) -> str | None:
    """Why runs cannot be compared, or None."""
    for name in ("cpu", "board", "interpreter_bits"):
        before, after = getattr(a.machine, name), getattr(b.machine, name)
        if before != after:
            return f"they are of other machines: {name} {before} and {after}"
    if (a.model, a.model_sha256) != (b.model, b.model_sha256):
        return f"they are of other models: {a.model} and {b.model}, or of another file of that name"
    for run, name in ((a, "first"), (b, "second")):
        if (n := len(run.processes)) < LEAST_PROCESSES:
            return (
                f"the {name} has {counted(n, 'measuring process')}; at least "
                f"{LEAST_PROCESSES} tell what processes of one build differ by: measure again "
                "with more seconds or fewer engines"
            )
    return None


def _changes(
    pairs: list[tuple[Result, Result]], runs: tuple[Run, Run], tolerance_percent: float
) -> Iterator[Change]:
    cache = runs[0].machine.last_level_kib
    for a, b in pairs:
        streams = cache is not None and a.weight_bytes > CACHED_SHARE * cache * 1024
        reference = "streaming" if streams else "computing"
        before, after = (
            (
                np.array(row.timing.fast_us),
                np.array([getattr(one.loops, f"{reference}_us") for one in run.processes]),
            )
            for row, run in zip((a, b), runs, strict=True)
        )
        found = changes.change(before, after, len(pairs))
        percent = Interval(*(100 * (end - 1) for end in dataclasses.astuple(found)))
        yield Change(
            *(a.engine, a.precision, a.mode, percent, reference),
            _verdict(found, tolerance_percent / 100),
            ", ".join(_differs(a, b)) or None,
        )


def _verdict(found: Interval, tolerance: float) -> str:
    if found.low > 1 + tolerance:
        return ratios.SLOWER
    if found.high < 1 - tolerance:
        return ratios.FASTER
    inside = found.low >= 1 - tolerance and found.high <= 1 + tolerance
    return ratios.SAME if inside else ratios.TOO_NOISY


def _differs(a: Result, b: Result) -> Iterator[str]:
    if a.engine_version != b.engine_version:
        yield f"version {a.engine_version} before, {b.engine_version} after"
    if a.files != b.files:
        yield "another file"
