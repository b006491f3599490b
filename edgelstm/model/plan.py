"""From a part of a network and a precision to its plan: what is stored how, where biases merge.

No weights and no scales here; quantization adds the numbers, counting needs only this.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.cells.spec import Op
from edgelstm.layers.operations import Sizes
from edgelstm.model.precision import COMPOSED, Format, Precision

KEPT = 64  # lists of operations of which roles and biases are kept


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    """One direction of a recurrent layer, or a layer without states.

    Attributes:
        name, kind, cell_name: Of the layer; the cell's name is None where there is none.
        ops, result, sizes, states, new_states: As in `layers.operations.Operations`.
        roles: Value to its role, see precision.py.
        biases: Result of an affine to the biases it adds, by side: both at once where the two
            affines of a gate meet in an add.
        precision: What the roles are stored as.
    """

    name: str
    kind: str
    cell_name: str | None
    ops: tuple[Op, ...]
    result: str
    sizes: Mapping[str, int]
    states: tuple[str, ...]
    new_states: tuple[str, ...]
    roles: Mapping[str, str]
    biases: Mapping[str, tuple[str, ...]]
    precision: Precision

    def format(self, value: str) -> Format:
        """How a value is stored; what a composed layer computes inside is as wide as a sum."""
        inside = self.precision.form == COMPOSED and value not in ("x", *self.states)
        return self.precision.formats["sum" if inside else self.roles[value]]

    @property
    def hidden_size(self) -> int:
        """Units; of a layer without states, values that go out."""
        return self.sizes[self.states[-1] if self.states else self.result]

    def rows(self, gate: str | None) -> slice:
        """Rows of a gate in the stacked weights and biases; all of them without a gate."""
        if gate is None:
            return slice(None)
        return CELLS[str(self.cell_name)].rows(gate, self.hidden_size)

    @property
    def shared_gate(self) -> tuple[str, str] | None:
        """Side and gate of weights that multiply two values; None where each serves one product."""
        products = [(op.side, str(op.gate)) for op in self.ops if op.side]
        return next((pair for pair in products if products.count(pair) > 1), None)

    @property
    def reads_input(self) -> Op | None:
        """The first operation that takes x as it is, not multiplied by weights; None: none does."""
        return next((op for op in self.ops if "x" in op.args and not op.side), None)

    def bias(self, op: Op, biases: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """What one affine adds, from the biases by side, stacked gate by gate."""
        total = np.zeros(self.sizes[op.result], next(iter(biases.values())).dtype)
        for side in self.biases[op.result]:
            total = total + biases[side][self.rows(op.gate)]
        return total


def plan(name: str, sizes: Sizes, precision: Precision) -> LayerPlan:
    """The plan of a part of a network, also where it has no form in the precision: see forms.py."""
    made = sizes.operations
    return LayerPlan(
        name,
        sizes.kind,
        sizes.cell_name,
        made.ops,
        made.result,
        made.sizes,
        made.states,
        made.new_states,
        _roles(made.ops, made.states, made.new_states),
        _biases(made.ops),
        precision,
    )


def plan_of(part: Any, precision: Precision) -> LayerPlan:
    """The plan of a direction of a recurrent layer, or of a layer without states."""
    return plan(part.name, part.sizes, precision)


# Role of what goes into an operation, where it is not that of the result.
_USED_FOR = {"sigmoid": "sum", "tanh": "sum", "affine_hh": "output", "affine_hr": "output"}


@functools.lru_cache(maxsize=KEPT)
def _roles(
    ops: tuple[Op, ...], states: tuple[str, ...], new_states: tuple[str, ...]
) -> Mapping[str, str]:
    """Backwards through the list: a value plays the role of what it is used for.

    Without states every value but x is an output.
    """
    if not states:
        return {"x": "input"} | {op.result: "output" for op in ops}
    kept = ["output"] + ["cell"] * (len(states) - 1)
    roles = {"x": "input", **dict(zip(states, kept, strict=True))}
    roles |= {op.result: "activation" for op in ops if op.kind in ("sigmoid", "tanh")}
    roles |= dict(zip(new_states, kept, strict=True))
    for op in reversed(ops):
        used_for = _USED_FOR.get(op.kind)
        for arg in op.args:
            roles.setdefault(arg, used_for or roles[op.result])
    return roles


@functools.lru_cache(maxsize=KEPT)
def _biases(ops: tuple[Op, ...]) -> Mapping[str, tuple[str, ...]]:
    """Each affine its own bias, but both in the first where two affines of a gate are added."""
    affines = {op.result: op for op in ops if op.side}
    biases: dict[str, tuple[str, ...]] = {
        name: () if op.side == "hr" else (str(op.side),) for name, op in affines.items()
    }
    for op in ops:
        pair = [affines.get(a) for a in op.args]
        if op.kind == "add" and pair[0] and pair[1] and pair[0].gate == pair[1].gate:
            biases[pair[0].result], biases[pair[1].result] = ("ih", "hh"), ()
    return biases
