"""Mutants of a module: its source with one expression or statement changed."""

import ast
import dataclasses
import random
from collections.abc import Iterator
from typing import Any

TWINS: tuple[tuple[type[ast.AST], type[ast.AST]], ...] = (
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn),
    (ast.And, ast.Or),
    (ast.Add, ast.Sub),
    (ast.Mult, ast.Div),
    (ast.LShift, ast.RShift),
    (ast.BitAnd, ast.BitOr),
)
OTHER: dict[type[ast.AST], type[Any]] = {
    **dict(TWINS),
    **{b: a for a, b in TWINS},
    **dict.fromkeys((ast.FloorDiv, ast.Mod, ast.Pow), ast.Mult),
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
# Types, and what a decorator is told, decide nothing that a test of values could see.
LEFT_OUT = ("annotation", "returns", "decorator_list", "type_params")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A changed module, by place, what stood there and what stands there now."""

    name: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its tree.

    >>> [m.source for m in mutants("y = x < 1")]
    ['y = x <= 1', 'y = x < 2']
    """
    tree = ast.parse(source)
    return [mutant for place in _places(tree) for mutant in _mutants_at(tree, place)]


def drawn(found: list[Mutant], most: int, seed: str) -> list[Mutant]:
    """At most so many, the same ones for the same seed."""
    return random.Random(seed).sample(found, min(most, len(found)))


Place = tuple[Any, str, int | None]  # a node, a field of it, and where in that field's list


def _places(node: ast.AST) -> Iterator[Place]:
    """Every place below a node that holds another, a parent before its children."""
    for field, value in ast.iter_fields(node):
        if field in LEFT_OUT:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for k, child in children:
            if isinstance(child, ast.AST):
                yield node, field, k
                yield from _places(child)


def _mutants_at(tree: ast.Module, place: Place) -> Iterator[Mutant]:
    parent, field, k = place
    old = getattr(parent, field) if k is None else getattr(parent, field)[k]
    for new in _changed(old, field):
        _put(place, new)
        told = f"{ast.unparse(old)} -> {ast.unparse(new)}"
        yield Mutant(f"{old.lineno}:{old.col_offset}: {told}", ast.unparse(tree))
        _put(place, old)


def _put(place: Place, node: ast.AST) -> None:
    parent, field, k = place
    if k is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[k] = node


def _changed(node: Any, field: str) -> Iterator[ast.AST]:
    """What may stand in a node's place."""
    if field == "test":
        yield ast.UnaryOp(ast.Not(), node)
    match node:
        case ast.Compare(ops=ops):
            for k, op in enumerate(ops):
                others = [*ops[:k], OTHER[type(op)](), *ops[k + 1 :]]
                yield ast.Compare(node.left, others, node.comparators)
        case ast.BinOp(op=op) if type(op) in OTHER:
            yield ast.BinOp(node.left, OTHER[type(op)](), node.right)
        case ast.BoolOp(op=op):
            yield ast.BoolOp(OTHER[type(op)](), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Name() if node.id in NAMES:
            yield ast.Name(NAMES[node.id])
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
