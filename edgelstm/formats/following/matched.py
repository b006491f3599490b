"""Which cell computes given new states: its equations laid on them, term by term."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgelstm.arguments import float32
from edgelstm.cells import CELLS
from edgelstm.cells.spec import CellSpec
from edgelstm.errors import ModelError
from edgelstm.formats.following.terms import Factor, Rows, Sum, Term, equations
from edgelstm.layers.recurrent import Floats

# A cell's factor to the one that stands for it; (factor,) of a product to a constant beside it.
Bound = Mapping[Any, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Matched:
    """A cell and its weights.

    Attributes:
        cell_name: Key of `CELLS`.
        nonlinearity: As in `recurrent.Direction`.
        weights: weight_ih, weight_hh, bias_ih, bias_hh.
        states: The cell's states, as places in the given ones.
    """

    cell_name: str
    nonlinearity: str
    weights: Mapping[str, Floats]
    states: tuple[int, ...]


def matched(states: Sequence[Factor], new: Sequence[Sum]) -> Matched:
    """The cell that makes these new states of the old ones; `ModelError` where none does."""
    candidates = {name: spec for name, spec in CELLS.items() if not spec.peepholes}
    for name, known in candidates.items():
        if len(known.states) != len(states):
            continue
        for nonlinearity in known.nonlinearities:
            spec = known.using(nonlinearity)
            for order in itertools.permutations(range(len(states))):
                given = [states[k] for k in order], [new[k] for k in order]
                for bound in itertools.islice(_laid(spec, *given), 1):
                    return Matched(name, nonlinearity, _weights(spec, bound), order)
    raise ModelError(f"its step is none of {', '.join(candidates)} with their own activations")


def _laid(spec: CellSpec, states: Sequence[Factor], new: Sequence[Sum]) -> Iterator[Bound]:
    """Every way in which a cell's equations give these new states."""
    names = dict(zip(spec.states, states, strict=True))
    ways: Iterator[Bound] = iter([{}])
    for wanted, found in zip(equations(spec), new, strict=True):
        ways = _chained(ways, wanted, found, names)
    return ways


def _chained(
    ways: Iterator[Bound], wanted: Sum, found: Sum, names: Mapping[str, Factor]
) -> Iterator[Bound]:
    for bound in ways:
        yield from _sums(wanted, found, bound, names)


def _sums(wanted: Sum, found: Sum, bound: Bound, names: Mapping[str, Factor]) -> Iterator[Bound]:
    """A constant that the cell does not have is a bias of its first product."""
    if len(wanted.terms) != len(found.terms):
        return
    if np.any(found.constant != wanted.constant):
        products = [t for t, n in wanted.terms.items() if n == 1 and _is_product(t)]
        if not products or np.any(wanted.constant):
            return
        bound = {**bound, products[0]: found.constant}
    yield from _terms(list(wanted.terms.items()), list(found.terms.items()), bound, names)


def _is_product(term: Term) -> bool:
    return len(term) == 1 and term[0].kind == "product"


def _terms(
    wanted: Sequence[tuple[Term, int]],
    found: Sequence[tuple[Term, int]],
    bound: Bound,
    names: Mapping[str, Factor],
) -> Iterator[Bound]:
    if not wanted:
        yield bound
        return
    (term, n), *rest = wanted
    for k, (other, m) in enumerate(found):
        if m != n or len(other) != len(term):
            continue
        left = [*found[:k], *found[k + 1 :]]
        for order in itertools.permutations(other):
            for made in _factors(term, order, bound, names):
                yield from _terms(rest, left, made, names)


def _factors(
    wanted: Sequence[Factor], found: Sequence[Factor], bound: Bound, names: Mapping[str, Factor]
) -> Iterator[Bound]:
    if not wanted:
        yield bound
        return
    for made in _factor(wanted[0], found[0], bound, names):
        yield from _factors(wanted[1:], found[1:], made, names)


def _factor(
    wanted: Factor, found: Factor, bound: Bound, names: Mapping[str, Factor]
) -> Iterator[Bound]:
    if wanted.kind != found.kind:
        return
    if wanted in bound:
        if bound[wanted] is found:
            yield bound
    elif wanted.kind == "state":
        if names[wanted.of] is found:
            yield bound
    elif wanted.argument is None or found.argument is None:
        yield bound
    else:
        for made in _sums(wanted.argument, found.argument, bound, names):
            yield {**made, wanted: found}


def _weights(spec: CellSpec, bound: Bound) -> Mapping[str, Floats]:
    """In the order of the cell's gates."""
    weights: dict[tuple[str, str], Floats] = {}
    biases: dict[tuple[str, str], Floats] = {}
    for wanted, found in bound.items():
        if isinstance(wanted, Factor) and wanted.kind == "product":
            rows: Rows = found.of
            beside = np.asarray(bound.get((wanted,), 0.0))
            stored = 0.0 if rows.bias is None else rows.bias
            total = np.broadcast_to(stored + beside, (len(rows.weight),))
            weights[wanted.of], biases[wanted.of] = rows.weight, float32(total)
    made = {}
    for side in ("ih", "hh"):
        made[f"weight_{side}"] = np.concatenate([weights[side, g] for g in spec.gates])
        made[f"bias_{side}"] = np.concatenate([biases[side, g] for g in spec.gates])
    return made
