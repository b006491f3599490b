"""What stands between the products of a layer, as loops over its units: one C statement a value.

Operations run in the last loop before something needs them, so that few values lie in RAM.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgelstm.formats.c.calls import Call, Constants
from edgelstm.formats.c.layer import Layer
from edgelstm.formats.c.numbers import HALF, cut, halved, limits_of, multiplied, rescaled, times
from edgelstm.quantization.operations import (
    HEADROOM,
    Add,
    Clip,
    Constant,
    Lowered,
    Maximum,
    Mul,
    Narrow,
    Operation,
    Product,
    Sum,
    Table,
    Widen,
)
from edgelstm.quantization.scales import Scale

ARITHMETIC = "edgelstm_arithmetic.h"

# Constants of the network, `sigmoid` or `tanh`, value, log2 of its scale plus 12: the C of it.
Activation = Callable[[Constants, str, str, int], str]


@dataclasses.dataclass(eq=False)
class Stage:
    """Loops by their number of elements, then products that read what they gave."""

    loops: dict[int, list[Operation]]
    products: list[Product]


@dataclasses.dataclass(eq=False)
class Schedule:
    """A lowered list in stages.

    Attributes:
        stages: In order.
        same: Value to the other that it is under a new name.
        constants: Value to its operation.
        kept: Values that something outside of their own loop reads.
        places: Result of a product to a vector, the elements of a unit in it, and its own.
    """

    stages: list[Stage]
    same: dict[str, str]
    constants: dict[str, Constant]
    kept: set[str]
    places: dict[str, tuple[str, int, int]] = dataclasses.field(default_factory=dict)


def schedule(lowered: Lowered, *, at_once: bool) -> Schedule:
    """Which operation runs in which stage.

    Args:
        lowered: The operations.
        at_once: Products run together as soon as they can; else gate by gate, so that few of their
            results lie in RAM.
    """
    same = {op.result: op.args[0] for op in lowered.ops if isinstance(op, Widen)}
    constants = {op.result: op for op in lowered.ops if isinstance(op, Constant)}
    ops = [op for op in lowered.ops if not isinstance(op, (Widen, Constant))]
    read = {
        op.result: [same.get(arg, arg) for arg in op.args if arg not in constants] for op in ops
    }
    wanted = {same.get(v, v) for v in (*lowered.new_states, lowered.output.name)}
    ready = _ready(lowered, ops, read, at_once=at_once)
    when = _when(ops, read, ready, wanted)
    sizes = {stored.name: stored.size for stored in (lowered.input, *lowered.states)}
    stages = [Stage({}, []) for _ in range(max(ready.values()) + 1)]
    kept = set(wanted)
    for op in ops:
        sizes[op.result] = sizes[read[op.result][0]]
        if isinstance(op, Product):
            sizes[op.result] = len(op.weight)
            stages[ready[op.result] - 1].products.append(op)
            kept |= set(read[op.result])
        else:
            stages[when[op.result]].loops.setdefault(sizes[op.result], []).append(op)
            kept |= {arg for arg in read[op.result] if when[arg] != when[op.result]}
    return Schedule(stages, same, constants, kept)


Read = Mapping[str, Sequence[str]]


def _ready(
    lowered: Lowered, ops: Sequence[Operation], read: Read, *, at_once: bool
) -> dict[str, int]:
    """Value to the first stage whose loops can read it."""
    ready = dict.fromkeys((stored.name for stored in (lowered.input, *lowered.states)), 0)
    now, gate = 0, None
    for op in ops:
        ready[op.result] = max(ready[arg] for arg in read[op.result])
        if isinstance(op, Product):
            now += gate is not None and op.gate != gate
            gate = op.gate
            now = max(now, ready[op.result])
            ready[op.result] = 1 + (ready[op.result] if at_once else now)
    return ready


def _when(
    ops: Sequence[Operation], read: Read, ready: Mapping[str, int], wanted: set[str]
) -> dict[str, int]:
    """Value to the stage that makes it: where it is read first, or where it replaces products."""
    products = {op.result for op in ops if isinstance(op, Product)}
    last = max(ready.values())
    when = dict.fromkeys(wanted, last)
    for op in reversed(ops):
        args = read[op.result]
        if isinstance(op, Product):
            own = ready[op.result] - 1
        elif len(products & set(args)) > 1:
            own = when[op.result] = ready[op.result]
        else:
            own = when[op.result]
        for arg in args:
            when[arg] = min(when.get(arg, last), own)
    return when


class Loop:
    """Operations on vectors of one size, unit by unit.

    Args:
        layer: Whose values they read.
        ops: In order.
        plan: Of the layer.
        scales: Of its values.
        activation: The C of a sigmoid or tanh.
    """

    def __init__(
        self,
        layer: Layer,
        ops: Sequence[Operation],
        plan: Schedule,
        scales: Mapping[str, Scale],
        activation: Activation,
    ) -> None:
        self.layer, self.ops, self.plan = layer, ops, plan
        self.scales, self.activation = scales, activation
        self._read: dict[str, str] = {}  # value to the C of its element
        self._vectors: set[str] = set()

    def call(self, size: int) -> Call:
        """The loop over so many units."""
        layer, made = self.layer, {op.result for op in self.ops}
        lines = [f"const int32_t {op.result} = {LOOPS[type(op)](self, op)};" for op in self.ops]
        loads = [f"const int32_t {name} = {c};" for name, c in self._read.items()]
        results = [op.result for op in self.ops if op.result in made & self.plan.kept]
        stores = []
        for result in results:
            layer.sizes[layer.named(result)] = size
            stores.append(f"{{{layer.named(result)} @ k}} = (int16_t){result};")
        inside = "".join(f"        {line}\n" for line in (*loads, *lines, *stores))
        text = f"for (int32_t k = 0; k < {size}; k++) {{\n{inside}    }}"
        reads = tuple(sorted(self._vectors))
        return Call(text, reads, tuple(map(layer.named, results)), True, (ARITHMETIC,))

    def read(self, value: str) -> str:
        """An argument in C; what another loop, a product or a state holds is loaded once."""
        value = self.plan.same.get(value, value)
        if value in self.plan.constants:
            return self._constant(value)
        if any(op.result == value for op in self.ops):
            return value
        vector, stride, offset = self.plan.places.get(value, (value, 1, 0))
        named = self.layer.named(vector)
        at = ("k" if stride == 1 else f"{stride} * k") + (f" + {offset}" if offset else "")
        self._vectors.add(named)
        local = value if value in self.plan.places else f"old_{value}"
        self._read[local] = f"{{{named} @ {at}}}"
        return local

    def _constant(self, value: str) -> str:
        values = self.plan.constants[value].values.astype(np.int16)
        if (values == values[0]).all():
            return str(values[0])
        return self.layer.constants.array(f"{self.layer.part.name}_{value}", values) + "[k]"


def _add(loop: Loop, op: Add) -> str:
    a, b = map(loop.read, op.args)
    return cut(f"{a} + {b}", op.limits)


def _sum(loop: Loop, op: Sum) -> str:
    (a, b), sign = map(loop.read, op.args), "-" if op.sign < 0 else "+"
    powers = [HEADROOM - 1 + by.numbers[1] for by in (op.left, op.right)]
    common, shift = min(powers), op.rescale.numbers[1]
    shifts = [by.numbers[0] == HALF for by in (op.left, op.right, op.rescale)]
    if all(shifts) and common > 0 and max(powers) - common < HEADROOM and shift <= 0:
        # Both are multiples of 2**common, so that the first of two roundings does nothing.
        u = f"{times(a, powers[0] - common)} {sign} {times(b, powers[1] - common)}"
        return cut(halved(u, 1 - shift - common), limits_of(op.rescale))
    a, b = (multiplied(f"{v} * {1 << HEADROOM}", by) for v, by in ((a, op.left), (b, op.right)))
    return rescaled(f"{a} {sign} {b}", op.rescale)


def _mul(loop: Loop, op: Mul) -> str:
    a, b = map(loop.read, op.args)
    return rescaled(f"{a} * {b}", op.rescale)


def _narrow(loop: Loop, op: Narrow) -> str:
    return rescaled(loop.read(op.args[0]), op.rescale)


def _clip(loop: Loop, op: Clip) -> str:
    low, high = (limit - loop.scales[op.result].zero_point for limit in op.limits)
    return cut(loop.read(op.args[0]), (low, high))


def _maximum(loop: Loop, op: Maximum) -> str:
    a, b = map(loop.read, op.args)
    return f"{a} > {b} ? {a} : {b}"


def _table(loop: Loop, op: Table) -> str:
    value, constants = loop.read(op.args[0]), loop.layer.constants
    if op.function.startswith("table_"):
        (log2,) = op.numbers
        return loop.activation(constants, op.function.removeprefix("table_"), value, log2 + 12)
    into, out = loop.scales[op.args[0]], loop.scales[op.result]
    values = (op.values - out.zero_point).astype(np.int16)
    name = f"{loop.layer.part.name}_{op.result}_table"
    table = constants.array(name, values, is_table=True)
    return f"{table}[{value} + {len(values) // 2 + into.zero_point}]"


LOOPS: dict[type[Operation], Callable[[Loop, Any], str]] = {
    Add: _add,
    Sum: _sum,
    Mul: _mul,
    Narrow: _narrow,
    Clip: _clip,
    Maximum: _maximum,
    Table: _table,
}
