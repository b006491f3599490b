"""From finished trainings to what a search found: fronts, repeats, test series, the choice."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.searching import fronts
from edgelstm.searching.costing import Cost
from edgelstm.searching.log import Entry
from edgelstm.searching.picking import Chosen, FrontPoint, pick, told_apart
from edgelstm.searching.results import Found
from edgelstm.searching.space import Candidate, Space
from edgelstm.searching.trainings import Trainings, architecture
from edgelstm.searching.working import with_weights
from edgelstm.training.scoring import in_precision, score


@dataclasses.dataclass(frozen=True, eq=False)
class Searched:
    """What was asked and done; `study` is a `study.Study`."""

    space: Space
    devices: tuple[str, ...]
    study: Any
    trainings: Trainings
    repeats: int


def summed_up(searched: Searched, rule: str, limit: float | None) -> Found:
    """The fronts, with what test series and other seeds say of them, and the choice."""
    study, run = searched.study, searched.trainings
    counted = run.count
    bare = {device: _front(searched, device) for device in searched.devices}
    on = dict.fromkeys(point.candidate for points in bare.values() for point in points)
    spread: dict[Candidate, tuple[float, ...]] = {}
    try:
        if not study.interrupted:
            spread = _repeated(searched, list(on))
    except (KeyboardInterrupt, SystemExit):  # the command ends by the second
        study.interrupted = True
    tested = {candidate: _tested(searched, candidate) for candidate in on}
    made = {device: _told(points, tested, spread) for device, points in bare.items()}
    chosen, reason = _choice(searched, made, rule, limit)
    return Found(
        searched.space,
        searched.devices,
        study.conditions,
        seed=study.seed,
        block=study.block,
        budget=study.budget,
        epochs=run.epochs,
        trainings=max(counted, run.count),
        entries=_entries(searched),
        digest=digest(study.trials),
        points=study.points,
        fronts=made,
        chosen=chosen,
        chosen_reason=reason,
        covers_all=study.covers_all,
        interrupted=study.interrupted,
        data=run.data,
        log=run.log,
    )


def digest(trials: Sequence[tuple[str, Any]]) -> str:
    """12 hex digits over keys and values of all trials in order."""
    told = json.dumps([[key, values and list(values)] for key, values in trials])
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _entries(searched: Searched) -> tuple[tuple[Candidate, Entry], ...]:
    study, run = searched.study, searched.trainings
    pairs = ((c, run.entry(c, study.seed)) for c in study.trained.values())
    return tuple((candidate, entry) for candidate, entry in pairs if entry)


def _front(searched: Searched, device: str) -> list[FrontPoint]:
    """Of what was trained and the device takes."""
    study, found = searched.study, []
    by_key = {key: entry for key, entry in ((architecture(c), e) for c, e in _entries(searched))}
    for point in study.points:
        entry = by_key.get(architecture(point.candidate))
        if point.device == device and point.cost.accepted and entry and not entry.reason:
            found.append((point.candidate, point.cost, entry))

    def values(row: tuple[Candidate, Cost, Entry]) -> Any:
        return study.values(row[2], row[0], row[1])

    return [
        FrontPoint(c, cost, e.scores[c.precision], e.scores["float32"], e.saturation[c.precision])
        for c, cost, e in fronts.front(found, values)
    ]


def _repeated(searched: Searched, on: Sequence[Candidate]) -> dict[Candidate, tuple[float, ...]]:
    """The front once more with other seeds: the score of each."""
    run, seed = searched.trainings, searched.study.seed
    seeds = range(seed, seed + searched.repeats)
    for other in seeds[1:]:
        run.run({architecture(c): c for c in on}.values(), other)
    if len(seeds) == 1:
        return {}
    found = {}
    for candidate in on:
        entries = [run.entry(candidate, other) for other in seeds]
        found[candidate] = tuple(
            e.scores[candidate.precision].value for e in entries if e and not e.reason
        )
    return found


def _tested(searched: Searched, candidate: Candidate) -> float | None:
    """On test series, in the candidate's precision."""
    run = searched.trainings
    entry = run.entry(candidate, searched.study.seed)
    if run.data.test is None or entry is None:
        return None
    skeleton = candidate.network(searched.space.task(last_step=run.data.last_step))
    network = with_weights(skeleton, run.log.arrays(entry))
    ready = in_precision(network, candidate.precision, run.data)
    return score(ready, run.data.test, run.data.kind).value


def _told(
    points: Sequence[FrontPoint],
    tested: dict[Candidate, float | None],
    spread: dict[Candidate, tuple[float, ...]],
) -> tuple[FrontPoint, ...]:
    """The points with what is known of each beside its costs and its score."""
    after: list[bool | None] = [
        told_apart(p.score, q.score) for p, q in zip(points, points[1:], strict=False)
    ]
    return tuple(
        dataclasses.replace(
            point,
            told_apart_from_next=apart,
            test=tested[point.candidate],
            repeats=spread.get(point.candidate, ()),
        )
        for point, apart in zip(points, [*after, None], strict=False)
    )


def _choice(
    searched: Searched,
    made: dict[str, tuple[FrontPoint, ...]],
    rule: str,
    limit: float | None,
) -> tuple[Chosen | None, str | None]:
    """Of the first device that has a front."""
    device = next((name for name in searched.devices if made[name]), searched.devices[0])
    try:
        kind, by = searched.trainings.data.kind, searched.study.conditions.prices[0]
        return pick(made[device], device, rule, kind=kind, by=by, limit=limit), None
    except ModelError as error:
        return None, str(error)
