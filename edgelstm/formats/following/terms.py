"""Vectors of one step as sums of products, in one normal form: what a cell's equations say.

Sums, products and `1 - v` become a polynomial. Its factors are x, states, functions of sums and
matrix products; so `z * h + (1 - z) * n` and `n + z * (h - n)` are the same.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import float32
from edgelstm.cells.spec import CellSpec, trace
from edgelstm.errors import ModelError

MOST_TERMS = 16  # of a sum; a cell has three
MOST_FACTORS = 8  # of a product; a cell has two


@dataclasses.dataclass(frozen=True, eq=False)
class Factor:
    """What no sum and no product is: one and the same object wherever it is used.

    Attributes:
        kind: `x`, `state`, `product` (matrix times vector), or a function's name.
        of: Of a state its name, of a product its `Rows` or, in a cell, side and gate.
        argument: What a function or a matrix is applied to.
    """

    kind: str
    of: Any = None
    argument: "Sum | None" = None


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Weights of a matrix product: (rows, columns) and, where it has a bias, (rows,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None = None


Term = tuple[Factor, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Sum:
    """A vector.

    Attributes:
        size: Its values; 1 in a cell's equations, which are of any size.
        terms: Factors of each product to how often it is taken.
        constant: What is added to it, a number or `size` of them.
    """

    size: int
    terms: Mapping[Term, int]
    constant: Any = 0.0


def single(factor: Factor, size: int = 1) -> Sum:
    """A factor alone."""
    return Sum(size, {(factor,): 1})


def applied(kind: str, argument: Sum) -> Sum:
    """A function of each value."""
    return single(Factor(kind, argument=argument), argument.size)


def product(rows: Rows, argument: Sum) -> Sum:
    """Matrix times vector, plus its bias."""
    if rows.weight.shape[1] != argument.size:
        raise ModelError(
            f"multiplies {argument.size} values with weights of {rows.weight.shape[1]} columns"
        )
    return single(Factor("product", rows, argument), len(rows.weight))


def added(a: Sum, b: Sum, times: int = 1) -> Sum:
    """``a + times * b``; a constant behind a single product is its bias."""
    size = _common(a, b)
    terms = dict(a.terms)
    for term, n in b.terms.items():
        terms[term] = terms.get(term, 0) + times * n
    terms = {term: n for term, n in terms.items() if n}
    total = Sum(size, terms, a.constant + times * b.constant)
    if len(terms) > MOST_TERMS:
        raise ModelError(f"adds up more than {MOST_TERMS} products")
    [(term, n), *others] = terms.items() or [((), 0)]
    if others or n != 1 or len(term) != 1 or not isinstance(term[0].of, Rows):
        return total
    rows = term[0].of
    bias = total.constant if rows.bias is None else total.constant + rows.bias
    if not np.any(total.constant):
        return total
    stored = float32(np.broadcast_to(np.asarray(bias), (size,)))
    return single(Factor("product", Rows(rows.weight, stored), term[0].argument), size)


def multiplied(a: Sum, b: Sum) -> Sum:
    """Value by value."""
    size = _common(a, b)
    terms: dict[Term, int] = {}
    for one, n in _all_terms(a).items():
        for other, m in _all_terms(b).items():
            both = tuple(sorted((*one, *other), key=id))
            terms[both] = terms.get(both, 0) + n * m
    constant = terms.pop((), 0)
    if len(terms) > MOST_TERMS or max(map(len, terms), default=0) > MOST_FACTORS:
        raise ModelError(f"multiplies more than {MOST_FACTORS} values with each other")
    return Sum(size, {term: n for term, n in terms.items() if n}, float(constant))


def part(vector: Sum, start: int, stop: int) -> Sum:
    """``vector[start:stop]``, of matrix products the rows."""
    if (start, stop) == (0, vector.size):
        return vector
    terms: dict[Term, int] = {}
    for term, n in vector.terms.items():
        if len(term) != 1 or not isinstance(term[0].of, Rows):
            raise ModelError("takes a part of values that are no matrix product")
        rows = term[0].of
        bias = None if rows.bias is None else rows.bias[start:stop]
        kept = Rows(rows.weight[start:stop], bias)
        terms[(Factor("product", kept, term[0].argument),)] = n
    constant = vector.constant
    return Sum(stop - start, terms, constant[start:stop] if np.ndim(constant) else constant)


def equations(spec: CellSpec) -> tuple[Sum, ...]:
    """The new states of a cell without peepholes; products are of a side and a gate."""
    values = {name: single(Factor("state", name)) for name in spec.states}
    values["x"] = single(Factor("x"))
    traced = trace(spec)
    for op in traced.ops:
        args = [values[name] for name in op.args]
        if op.side:
            made = single(Factor("product", (op.side, op.gate), args[0]))
        elif op.kind in ("add", "sub"):
            made = added(args[0], args[1], 1 if op.kind == "add" else -1)
        elif op.kind == "mul":
            made = multiplied(*args)
        elif op.kind == "complement":
            made = added(Sum(1, {}, 1.0), args[0], -1)
        else:
            made = applied(op.kind, args[0])
        values[op.result] = made
    return tuple(values[name] for name in traced.new_states)


def _common(a: Sum, b: Sum) -> int:
    """The size of both, of which one may be a number."""
    if a.size != b.size and 1 not in (a.size if not a.terms else 0, b.size if not b.terms else 0):
        raise ModelError(f"joins {a.size} and {b.size} values")
    return max(a.size, b.size)


def _all_terms(vector: Sum) -> dict[Term, int]:
    """With its constant as a term."""
    values = np.unique(vector.constant)
    if len(values) != 1 or not float(values[0]).is_integer():
        raise ModelError("multiplies values with constants")
    return {**vector.terms, **({(): int(values[0])} if values[0] else {})}
