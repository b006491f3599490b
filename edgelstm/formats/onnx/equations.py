"""Cells that ONNX has no operator for, in real numbers: a loop over the steps of the traced list.

Products with x are computed for all steps at once, in front of the loop.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells.spec import Op
from edgelstm.formats.onnx.graph import Graph
from edgelstm.formats.onnx.loop import (
    Ends,
    add_loop,
    each_direction,
    groups,
    peephole_name,
)
from edgelstm.layers.recurrent import D, Recurrent
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import PRECISIONS
from edgelstm.quantization.operations import Stored

# Kind of an operation to the operator that computes it, and its attributes.
OPERATORS: dict[str, tuple[str, dict[str, int]]] = {
    "add": ("Add", {}),
    "sub": ("Sub", {}),
    "mul": ("Mul", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
}

Group = tuple[Op, ...]
# (graph, direction, its plan, group, name of the value) -> name of the sums with their biases, the
# gates of the group side by side
Product = Callable[[Graph, Any, LayerPlan, Group, str], str]


def recurrent(
    graph: Graph, layer: Recurrent[D], x: str, states: Sequence[str], product: Product
) -> Ends:
    """Adds a loop over the steps, or one in each direction; see `loop.each_direction`.

    Args:
        graph: Takes the nodes.
        layer: Float or hybrid weights.
        x: Name of the input (steps, batch, input_size).
        states: Names of the states before the first step (batch, its size); none: zeros.
        product: Adds the product of a group.
    """

    def loop(direction: Any, given: Sequence[str], reverse: bool) -> Ends:
        return _Layer(graph, direction, product).add(x, given, reverse)

    return each_direction(graph, layer, states, loop)


def stacked(direction: Any, group: Group) -> NDArray[Any]:
    """The weights of a group, (rows of all its gates, columns)."""
    return np.concatenate([direction.matrix(op.side, op.gate).values for op in group])


def stacked_bias(direction: Any, plan: LayerPlan, group: Group) -> NDArray[Any]:
    """The biases of a group, (rows of all its gates,)."""
    bias: NDArray[Any] = direction.biases[group[0].side]
    return np.concatenate([bias[plan.rows(op.gate)] for op in group])


class _Layer:
    """A direction on its way into a graph."""

    def __init__(self, graph: Graph, direction: Any, product: Product) -> None:
        self.plan = plan_of(direction, PRECISIONS[direction.precision])
        self.graph, self.direction, self.product = graph, direction, product
        self.groups = groups(op for op in self.plan.ops if op.side)
        affine = {op.result for group in self.groups for op in group if op.args == ("x",)}
        self.reads_x = any("x" in op.args for op in self.plan.ops if op.result not in affine)

    def add(self, x: str, given: Sequence[str], reverse: bool) -> Ends:
        """Adds the loop from the states `given`, or from zeros."""
        graph, plan, name = self.graph, self.plan, self.plan.name
        states = [Stored(s, plan.sizes[s], "float32", 0) for s in plan.states]
        seen, before = {}, {}
        for group in self.groups:
            if group[0].args == ("x",):
                sums = self.product(graph, self.direction, plan, group, x)
                before[group] = f"x_{group[0].result}"
                size = sum(plan.sizes[op.result] for op in group)
                seen[sums] = Stored(before[group], size, "float32", 0)
        if self.reads_x or not seen:
            seen[x] = Stored("x", plan.sizes["x"], "float32", 0)
        return add_loop(
            graph,
            name,
            states,
            seen,
            lambda body: self._step(body, before),
            given=given,
            reverse=reverse,
        )

    def _step(self, body: Graph, before: dict[Group, str]) -> list[str]:
        """Adds the operations; `before`: what the sums of a group are called that came in."""
        plan = self.plan
        names = {value: f"{plan.name}/{value}" for value in ("x", *plan.states)}
        for group, sums in before.items():
            self._split(body, names, group, f"{plan.name}/{sums}")
        begins = {group[0].result: group for group in self.groups if group not in before}
        for op in plan.ops:
            if op.result in begins:
                group = begins[op.result]
                sums = self.product(body, self.direction, plan, group, names[op.args[0]])
                self._split(body, names, group, sums)
            elif not op.side:
                args = [names[a] for a in op.args]
                names[op.result] = self._elementwise(body, op, args)
        return [names[value] for value in plan.new_states]

    def _split(self, body: Graph, names: dict[str, str], group: Group, sums: str) -> None:
        """Each gate of a group by itself."""
        scope, results = self.plan.name, [op.result for op in group]
        parts = [f"{scope}/{result}" for result in results]
        if len(group) == 1:
            parts = [sums]
        else:
            body.add(
                "Split", [sums], parts, name=f"{parts[0]}/Split", axis=1, num_outputs=len(parts)
            )
        names |= zip(results, parts, strict=True)

    def _elementwise(self, body: Graph, op: Op, args: list[str]) -> str:
        name = self.plan.name
        scope = f"{name}/{op.result}"
        if op.kind == "complement":
            return body("Sub", body.constant(np.float32(1)), *args, scope=scope)
        if op.kind == "scale":
            weights = self.direction.peephole(op.gate)
            return body(
                "Mul", *args, body.constant(weights, peephole_name(name, op.result)), scope=scope
            )
        if op.kind == "clip":
            clip = np.float32(self.direction.cell_clip)
            return body("Clip", *args, *map(body.constant, (-clip, clip)), scope=scope)
        operator, attributes = OPERATORS[op.kind]
        return body(operator, *args, scope=scope, **attributes)
