"""From a network and a precision to a plan: what is computed, stored how, where biases merge.

No weights and no scales here; quantization adds the numbers, counting needs only this.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.cells.spec import Op, Trace, trace
from edgelstm.errors import ModelError
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Network, Part
from edgelstm.model.precision import PRECISIONS, Format, Precision


@dataclasses.dataclass(frozen=True)
class RecurrentPlan:
    """One recurrent layer.

    Attributes:
        name, cell_name: Of the layer.
        ops: The cell's operations, with the clip of the cell state and the projection of h if the
            layer has them.
        states: Names of the states; the first is the output.
        new_states: Which results become the states.
        sizes: Value to its number of elements.
        roles: Value to its role, see precision.py.
        biases: Result of an affine to the biases it adds: both at once where the two affines of a
            gate meet in an add.
        precision: What the roles are stored as.
    """

    name: str
    cell_name: str
    ops: tuple[Op, ...]
    states: tuple[str, ...]
    new_states: tuple[str, ...]
    sizes: Mapping[str, int]
    roles: Mapping[str, str]
    biases: Mapping[str, tuple[str, ...]]
    precision: Precision

    def format(self, value: str) -> Format:
        """How a value is stored."""
        return self.precision.formats[self.roles[value]]

    @property
    def hidden_size(self) -> int:
        """Units."""
        return self.sizes[self.states[-1]]

    def rows(self, gate: str | None) -> slice:
        """Rows of a gate in the stacked weights and biases; all of them without a gate."""
        return _block(CELLS[self.cell_name].gates, gate, self.hidden_size)

    def peephole(self, gate: str | None) -> slice:
        """Where a gate's weights stand in `weight_peephole`."""
        return _block(CELLS[self.cell_name].peepholes, gate, self.hidden_size)

    def bias(self, op: Op, biases: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """What one affine adds, from the stacked biases ``{"ih": ..., "hh": ...}``."""
        total = np.zeros(self.sizes[op.result], biases["ih"].dtype)
        for side in self.biases[op.result]:
            total = total + biases[side][self.rows(op.gate)]
        return total


@dataclasses.dataclass(frozen=True)
class DensePlan:
    """One dense layer."""

    name: str
    input_size: int
    output_size: int
    activation: str | None
    precision: Precision


@dataclasses.dataclass(frozen=True)
class Plan:
    """A whole network at one precision; each direction of a bidirectional layer is a layer here."""

    layers: tuple[RecurrentPlan | DensePlan, ...]
    last_step: bool
    precision: Precision


def plan(network: Network, precision: str) -> Plan:
    """The plan of a network.

    Raises:
        ModelError: The precision is unknown, or a layer's cell has no form in it.
    """
    chosen = find_precision(precision)
    layers = tuple(
        recurrent_plan(layer, chosen)
        if isinstance(layer, Direction)
        else _dense_plan(layer, chosen)
        for layer in parts(network.layers)
    )
    return Plan(layers, network.last_step, chosen)


def find_precision(name: str) -> Precision:
    """The entry of `PRECISIONS`; an unknown name is a `ModelError`."""
    if not isinstance(name, str) or name not in PRECISIONS:
        raise ModelError(f"precision '{name}' is unknown; known: {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def structure(layer: Direction, precision: Precision) -> RecurrentPlan:
    """The plan of one recurrent layer, also where its integers are not written: enough to count."""
    traced = trace(layer.spec)
    if layer.cell_clip:
        traced = _clipped(traced, layer.spec.states.index("c"))
    if layer.projection_size:
        traced = _projected(traced)
    sizes = dict.fromkeys(
        (*layer.spec.states, *(op.result for op in traced.ops)), layer.hidden_size
    )
    sizes |= dict.fromkeys((layer.spec.states[0], traced.new_states[0]), layer.output_size)
    return RecurrentPlan(
        layer.name,
        layer.cell_name,
        traced.ops,
        layer.spec.states,
        traced.new_states,
        {"x": layer.input_size, **sizes},
        _roles(traced, layer.spec.states),
        _biases(traced.ops),
        precision,
    )


def _dense_plan(layer: Dense, precision: Precision) -> DensePlan:
    return DensePlan(layer.name, layer.input_size, layer.output_size, layer.activation, precision)


def _clipped(traced: Trace, state: int) -> Trace:
    """The trace with a clip behind the new cell state; everything later reads the clipped value."""
    raw, cut = traced.new_states[state], "clipped"
    ops: list[Op] = []
    for op in traced.ops:
        args = tuple(cut if a == raw else a for a in op.args)
        ops.append(dataclasses.replace(op, args=args))
        if op.result == raw:
            ops.append(Op(cut, "clip", (raw,)))
    return Trace(tuple(ops), tuple(cut if v == raw else v for v in traced.new_states))


def _projected(traced: Trace) -> Trace:
    """The trace with a projection of the new h behind it."""
    raw, *rest = traced.new_states
    ops = (*traced.ops, Op("projected", "affine_hr", (raw,)))
    return Trace(ops, ("projected", *rest))


def _block(gates: tuple[str, ...], gate: str | None, size: int) -> slice:
    start = gates.index(gate) * size if gate else 0
    return slice(start, start + size) if gate else slice(None)


# Role of what goes into an operation, where it is not that of the result.
_USED_FOR = {"sigmoid": "sum", "tanh": "sum", "affine_hh": "output", "affine_hr": "output"}


def _roles(traced: Trace, states: tuple[str, ...]) -> dict[str, str]:
    """Backwards through the list: a value plays the role of what it is used for."""
    kept = ["output"] + ["cell"] * (len(states) - 1)
    roles = {"x": "input", **dict(zip(states, kept, strict=True))}
    roles |= {op.result: "activation" for op in traced.ops if op.kind in ("sigmoid", "tanh")}
    roles |= dict(zip(traced.new_states, kept, strict=True))
    for op in reversed(traced.ops):
        used_for = _USED_FOR.get(op.kind)
        for arg in op.args:
            roles.setdefault(arg, used_for or roles[op.result])
    return roles


def _biases(ops: tuple[Op, ...]) -> dict[str, tuple[str, ...]]:
    """Each affine its own bias, but both in the first where two affines of a gate are added."""
    affines = {op.result: op for op in ops if op.kind.startswith("affine")}
    biases: dict[str, tuple[str, ...]] = {
        name: (str(op.side),) if op.gate else () for name, op in affines.items()
    }
    for op in ops:
        pair = [affines.get(a) for a in op.args]
        if op.kind == "add" and pair[0] and pair[1] and pair[0].gate == pair[1].gate:
            biases[pair[0].result], biases[pair[1].result] = ("ih", "hh"), ()
    return biases
