"""Which power of two each value of a composed layer has as its scale: one rule for every cell.

All values are int16. A scale follows from what the value is used for and from the bounds that the
equations give it, so that a new cell needs no table. Where TensorFlow Lite's runtimes take another
road for some scales, and so other bits, the rule keeps away from them: a sigmoid that reads 2**-12,
a tanh that reads 2**-12 or 2**-11.
"""

import math
from collections.abc import Iterator, Mapping

from edgelstm.cells.spec import Op
from edgelstm.model.plan import LayerPlan

ACTIVATION_LOG2 = -15  # of what a sigmoid or tanh gives
PART_LOG2 = -11  # of W x and U h, and of what is added up to an activation's input
READ_LOG2 = {"sigmoid": -11, "tanh": -13}  # what an activation reads: +-16 and +-4
# What LiteRT and tflite-runtime compute by functions of their own, and not by the table.
UNLIKE_LOG2 = {"sigmoid": (-12,), "tanh": (-12, -11)}
CELL_LOG2 = (-15, -14, -13, -10, -9)  # a tanh reads the cell state
BOUNDS = {"mul": math.prod, "complement": lambda bounds: 1.0}  # else the sum of the arguments'


def formats(plan: LayerPlan, cell_log2: int, hidden_log2: int) -> dict[str, int]:
    """log2 of the scale of every value that an operation gives, and of every state.

    Args:
        plan: Of one direction.
        cell_log2: Of every state but h, from calibration.
        hidden_log2: Of h: -15 where it is within +-1, else from calibration.
    """
    return _Rule(plan, cell_log2, hidden_log2).found


def bounded_by_one(plan: LayerPlan) -> bool:
    """Whether the equations keep h within +-1: no matrix gives it, and no relu."""
    ops = {op.result: op for op in plan.ops}
    reached = list(_behind(ops, plan.new_states[0]))
    return not any(op.side or op.kind == "relu" for op in reached)


def _behind(ops: Mapping[str, Op], value: str) -> Iterator[Op]:
    """The operations that give a value, back to activations."""
    op = ops.get(value)
    if op is not None:
        yield op
        if op.kind not in READ_LOG2:
            for arg in op.args:
                yield from _behind(ops, arg)


class _Rule:
    """The scales of one plan's values, in the order of its operations."""

    def __init__(self, plan: LayerPlan, cell_log2: int, hidden_log2: int) -> None:
        self._cell, self._hidden = cell_log2, hidden_log2
        self._new_h = plan.new_states[0]
        self._readers: dict[str, list[Op]] = {}
        for op in plan.ops:
            for arg in op.args:
                self._readers.setdefault(arg, []).append(op)
        self._like_cell = _added_up(plan)
        h, *others = plan.states
        self.found = {h: hidden_log2, **dict.fromkeys(others, cell_log2)}
        self._bounds = {name: 2.0 ** (15 + power) for name, power in self.found.items()}
        for op in plan.ops:
            power = self.found[op.result] = self._power(op)
            self._bounds.setdefault(op.result, 2.0 ** (15 + power))

    def _power(self, op: Op) -> int:
        """The first that holds."""
        value = op.result
        read_by = [reader.kind for reader in self._readers.get(value, ())]
        if op.kind in READ_LOG2:
            return ACTIVATION_LOG2
        if value == self._new_h:
            return self._hidden
        if value in self._like_cell:
            return self._cell
        if "relu" in read_by:
            return self._hidden
        if direct := [READ_LOG2[kind] for kind in read_by if kind in READ_LOG2]:
            return direct[0]
        if self._leads_to(value, {"relu"}):
            return max(PART_LOG2, self._hidden)
        if op.side or self._leads_to(value, set(READ_LOG2)):
            return PART_LOG2
        bound = BOUNDS.get(op.kind, sum)([self._bounds[a] for a in op.args])
        self._bounds[value] = bound
        return -15 + max(0, math.ceil(math.log2(bound)))

    def _leads_to(self, value: str, kinds: set[str]) -> bool:
        """Whether additions alone lead from a value to an operation of these kinds."""
        return any(
            reader.kind in kinds or (reader.kind == "add" and self._leads_to(reader.result, kinds))
            for reader in self._readers.get(value, ())
        )


def _added_up(plan: LayerPlan) -> set[str]:
    """The new states other than h, and whatever is added up to them."""
    found = set(plan.new_states[1:])
    for op in reversed(plan.ops):
        if op.result in found and op.kind in ("add", "clip"):
            found |= set(op.args)
    return found
