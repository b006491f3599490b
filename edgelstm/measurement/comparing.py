"""Two runs of one machine: what became slower or faster, measured by the loops that both contain.

How fast the machine was that day is in a row and in the loop that took turns with it alike, so what
is compared is the ratio of both.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from edgelstm.cost.cycles import Interval
from edgelstm.measurement import ratios
from edgelstm.measurement.plain import plain
from edgelstm.measurement.results import Result, Run

CACHED_SHARE = 0.7  # of the last cache, beyond which weights are read from RAM


@dataclasses.dataclass(frozen=True)
class Change:
    """How a row changed.

    Attributes:
        change_percent: From the first run to the second, 95 %; above 0 is slower.
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
    rows = () if apart else tuple(_change(*pair, first, tolerance_percent) for pair in pairs)
    return Comparison(a_name, b_name, tolerance_percent, apart is None, apart, rows)


def _apart(a: Run, b: Run) -> str | None:
    """Why runs cannot be compared, or None."""
    for name in ("cpu", "board", "interpreter_bits"):
        before, after = getattr(a.machine, name), getattr(b.machine, name)
        if before != after:
            return f"they are of other machines: {name} {before} and {after}"
    if (a.model, a.model_sha256) != (b.model, b.model_sha256):
        return f"they are of other models: {a.model} and {b.model}, or of another file of that name"
    return None


def _change(a: Result, b: Result, run: Run, tolerance_percent: float) -> Change:
    cache = run.machine.last_level_kib
    streams = cache is not None and a.weight_bytes > CACHED_SHARE * cache * 1024
    reference = "streaming" if streams else "computing"
    before, after = (getattr(r.ratio_to_reference, reference) for r in (a, b))
    found = _quotient(after, before)
    told = _verdict(found, min(a.timing.rounds, b.timing.rounds), tolerance_percent / 100)
    percent = Interval(*(100 * (end - 1) for end in dataclasses.astuple(found)))
    differs = ", ".join(_differs(a, b))
    return Change(a.engine, a.precision, a.mode, percent, reference, told, differs or None)


def _quotient(y: Interval, x: Interval) -> Interval:
    """y over x: both vary by themselves, so their logarithms' widths add as squares."""
    assert x.typical and y.typical
    typical = y.typical / x.typical
    down = math.hypot(math.log(y.typical / y.low), math.log(x.high / x.typical))
    up = math.hypot(math.log(y.high / y.typical), math.log(x.typical / x.low))
    return Interval(typical * math.exp(-down), typical, typical * math.exp(up))


def _verdict(found: Interval, n_rounds: int, tolerance: float) -> str:
    if n_rounds < ratios.ENOUGH_ROUNDS:
        return ratios.verdict(found, n_rounds)
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
