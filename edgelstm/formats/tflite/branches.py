"""A bidirectional layer: two branches of a chain, of which one reads the steps in reverse order."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.chain import (
    PART,
    REVERSE_V2,
    Chain,
    append,
    append_layer,
    check_matrix,
    turned_back,
)
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.formats.tflite.views import check_same_scale
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Recurrent

JOINS = "CONCATENATION"
MOST_OPERATORS = 20  # of a branch


@dataclasses.dataclass(frozen=True, eq=False)
class Branch:
    """One direction.

    Attributes:
        layer: Its recurrent layer.
        backwards: Whether that read the steps in reverse order.
        gives: `each` step; the `last` one; the `final` one, of those in reverse order.
        value: Its result.
        end: The operator that reads it.
        operators: All before that.
    """

    layer: Recurrent[Any]
    backwards: bool
    gives: str
    value: Tensor
    end: Operator
    operators: tuple[Operator, ...]


# What a forward and a backward direction give together: read as each step, the last, the finals.
TOGETHER = (("each", "each"), ("last", "last"), ("last", "final"))


def starts(chain: Chain) -> list[Operator]:
    """The two operators that read the chain's value where it branches; else none."""
    found = chain.readers.get(id(chain.value), ())
    ops = [op for op in found if op is not None]
    return ops if len(ops) == len(found) == 2 else []


def append_directions(
    chain: Chain, first: Sequence[Operator]
) -> tuple[tuple[Operator, ...], tuple[Operator, ...]]:
    """Adds a bidirectional layer, from what `starts` gives.

    Returns:
        The operators of each direction, up to the one that joins them, in the order in which they
        have to run.
    """
    there, back = sorted((_branch(chain, op) for op in first), key=lambda b: b.backwards)
    joined = there.end
    if there.backwards or not back.backwards or back.end is not joined or joined.name != JOINS:
        raise ModelError(PART)
    if joined.inputs != (there.value, back.value) or (there.gives, back.gives) not in TOGETHER:
        raise ModelError(PART)
    directions = there.layer.forward, back.layer.forward
    if directions[0].precision != directions[1].precision:
        raise ModelError("its two layers differ in precision; one precision is read")
    layer: Recurrent[Any] = Recurrent(directions)
    result = _joined(joined, (there.value, back.value), layer.forward.output_size)
    append_layer(chain, layer)
    if back.gives == "final":
        chain.layers.append(ReadSteps(chain.width, ("finals",)))
        chain.rows = 1
    elif there.gives == "last":
        chain.last_step, chain.rows = True, 1
    check_matrix(chain, result.shape)
    chain.value = result
    return (*there.operators, joined), (*back.operators, joined)


def _branch(chain: Chain, op: Operator) -> Branch:
    """From the chain's value to the operator behind the recurrent layer that is no part of it."""
    inner = dataclasses.replace(chain, layers=list(chain.layers))
    done: list[Operator] = []
    backwards, final = False, False
    while op.name != JOINS and len(done) < MOST_OPERATORS:
        n_layers, was_last = len(inner.layers), inner.last_step
        with _named(op, op if not done else done[0]):
            (_turn if op.name == REVERSE_V2 else append)(inner, op)
        if len(inner.layers) > n_layers:
            backwards = inner.turned
        if inner.last_step and not was_last:
            final = inner.turned
        done.append(op)
        readers = inner.readers.get(id(inner.value), ())
        if len(readers) != 1 or readers[0] is None:
            raise ModelError(PART)
        op = readers[0]
    before, added = inner.layers[: len(chain.layers)], inner.layers[len(chain.layers) :]
    if before != chain.layers or len(added) != 1 or not isinstance(added[0], Recurrent):
        raise ModelError(PART)
    if not inner.last_step and inner.turned:
        raise ModelError(PART)
    gives = "each" if not inner.last_step else "final" if final else "last"
    return Branch(added[0], backwards, gives, inner.value, op, tuple(done))


@contextlib.contextmanager
def _named(op: Operator, first: Operator) -> Iterator[None]:
    """Puts an operator behind the first one in front of what went wrong there."""
    try:
        yield
    except ModelError as error:
        raise ModelError(
            f"{op.name} behind it: {error}" if op is not first else str(error)
        ) from None


def _turn(chain: Chain, op: Operator) -> None:
    """REVERSE_V2 of the steps, in a branch."""
    chain.value = turned_back(chain, op)
    chain.turned = not chain.turned


def _joined(op: Operator, given: tuple[Tensor, Tensor], width: int) -> Tensor:
    """The result of a CONCATENATION that puts two outputs of each step side by side."""
    result = (*op.outputs, None)[0]
    if result is None:
        raise ModelError(PART)
    rank = len(given[0].shape)
    shapes = {tensor.shape for tensor in given}
    if shapes != {(*given[0].shape[:-1], width)} or op.options["axis"] not in (rank - 1, -1):
        raise ModelError("CONCATENATION joins values that are not the outputs of a step")
    if op.options["activation"]:
        raise ModelError("CONCATENATION has an activation; none is read")
    if result.type != given[0].type:
        raise ModelError(f"it makes {result.type} of {given[0].type}; one type is read")
    for tensor in given:
        check_same_scale(tensor, result)
    return result
