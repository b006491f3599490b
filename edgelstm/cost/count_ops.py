"""Counts: operations and bytes of one time step, per layer and per gate, from the plan alone.

A scalar operation counts once, however many a kernel does per instruction. A MAC is one
multiplication and one addition, and `muls` and `adds` contain those of the MACs.
"""

import dataclasses
import functools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgelstm.arguments import MOST_COUNTED, check_type, check_whole
from edgelstm.cells import CELLS
from edgelstm.cells.spec import Op
from edgelstm.cost.buffers import LayerBuffers, layer_buffers, stored_bytes
from edgelstm.cost.counts import COLUMNS, Counts, LayerCounts, Row, SequenceCounts
from edgelstm.errors import ModelError
from edgelstm.layers.directions import parts
from edgelstm.layers.matrix import matrix_bytes
from edgelstm.layers.operations import Sizes
from edgelstm.model.forms import precision_for
from edgelstm.model.network import Network
from edgelstm.model.plan import LayerPlan, plan
from edgelstm.model.precision import Precision, find_precision
from edgelstm.quantization.folding import folded
from edgelstm.quantization.quantize_activation import narrowing
from edgelstm.quantization.quantized import QuantizedNetwork

MOVING = {"reverse_steps": "reverse", "repeat": "repeat"}  # what has buffers and no numbers
KEPT = 4096  # layers of different sizes, cells or precisions of which the counts are kept

# What counts as what: scalar operations per element of a result, by the kind of operation that
# makes it. A product of a matrix of n columns counts n MACs, n muls, n - 1 adds per element and
# one add per bias. Comparisons (clip, relu), exponentials, logarithms, roots have no column.
OPERATIONS: Mapping[str, Mapping[str, int]] = {
    "add": {"adds": 1},
    "sub": {"adds": 1},
    "complement": {"adds": 1},
    "mul": {"muls": 1},
    "scale": {"muls": 1},
    "sigmoid": {"sigmoids": 1},
    "tanh": {"tanhs": 1},
    "clip": {},
    "relu": {},
    "softmax": {},
    "log_softmax": {"adds": 1},
    "leaky_relu": {"muls": 1},
    "elu": {"muls": 1},
    "clamp": {},
    "hard_sigmoid": {"muls": 1, "adds": 1},
    "l2_norm": {"muls": 2, "adds": 1},
    "layer_norm": {"muls": 3, "adds": 4},
    "look_up": {},
}

_columns = operator.attrgetter(*COLUMNS)


def count(
    network: Network | QuantizedNetwork, steps: int | None = None, precision: str | None = None
) -> Counts:
    """Operations and bytes of one time step, and of a sequence.

    Args:
        network: Any cell counts, also one whose integers are not written yet.
        steps: Length of the sequence; None for none.
        precision: Key of `PRECISIONS`; None for the quantized network's own, else `int8`.

    Raises:
        ModelError: The precision is unknown or not the quantized network's, or steps is below 1.

    >>> from edgelstm.model.sizes import shapes
    >>> total = count(shapes("lstm", 80, 12)).total
    >>> total.macs, total.muls, total.adds, total.sigmoids, total.tanhs, total.requantizations
    (4416, 4452, 4428, 36, 24, 132)
    """
    if steps is not None:
        check_whole(steps, "steps", most=MOST_COUNTED)
    chosen = _precision(network, precision)
    name, form = chosen.name, chosen.form
    network = _folded(network, chosen)
    final = narrowing(network.layers)
    found = {
        part.name: count_part(part.sizes, name, form, part is final)
        for layer in network.layers
        for part in layer.parts
    }
    layers = tuple(
        dataclasses.replace(found[part.name].counts, name=part.name, reverse=direction > 0)
        for layer in network.layers
        for direction, part in enumerate(layer.parts)
    )
    once = _once(network)
    return Counts(
        name,
        form,
        sum(kept.parameters for kept in found.values()),
        layers,
        _total(layer.total for layer in layers),
        _sequence(layers, once, steps) if steps else None,
        tuple(_buffers(network, chosen, found, once)),
    )


def _folded(
    network: Network | QuantizedNetwork, precision: Precision
) -> Network | QuantizedNetwork:
    """With activations where integers have them: in dense layers."""
    if not precision.is_integer or all(layer.kind != "activation" for layer in network.layers):
        return network
    layers: Any = folded(network.layers)
    return dataclasses.replace(network, layers=layers)


def _once(network: Network | QuantizedNetwork) -> set[str]:
    """Parts that run once a sequence: those behind the layer that reads the last step."""
    found, is_once = set(), False
    for layer in network.layers:
        is_once = layer.kind == "read_steps" or (is_once and layer.kind != "repeat")
        found |= {part.name for part in layer.parts} if is_once else set()
    return found


def _precision(network: Network | QuantizedNetwork, precision: str | None) -> Precision:
    """The precision to count in: the one asked for, the network's own, or int8.

    In the form that `quantize` takes by itself, or the network's own.
    """
    check_type(network, Network | QuantizedNetwork, "network", "`read` gives one to count")
    if isinstance(network, QuantizedNetwork) and precision not in (None, network.precision):
        raise ModelError(
            f"the network is quantized to {network.precision}; "
            f"for its counts in {precision} pass the float network"
        )
    if isinstance(network, QuantizedNetwork):
        return find_precision(network.precision, network.form)
    return precision_for(parts(network.layers), precision or "int8")


@dataclasses.dataclass(frozen=True)
class CountedPart:
    """One direction of a recurrent layer, or a layer without states; its counts have no name."""

    counts: LayerCounts
    parameters: int
    buffers: LayerBuffers


@functools.lru_cache(maxsize=KEPT)
def count_part(sizes: Sizes, precision: str, form: str | None, is_final: bool) -> CountedPart:
    """Counts of a part of a network.

    Args:
        sizes: Of the part.
        precision: Key of `PRECISIONS`.
        form: Of its integers; None for real values.
        is_final: Whether it is what `narrowing` names: it stores the network's result narrower.
    """
    made = plan("", sizes, find_precision(precision, form))
    return CountedPart(_layer(made, is_final=is_final), _parameters(made), layer_buffers(made))


def _buffers(
    network: Network | QuantizedNetwork,
    precision: Precision,
    found: Mapping[str, CountedPart],
    once: set[str],
) -> Iterator[LayerBuffers]:
    """Of layers with parts, and of the steps in the other order."""
    for layer, following in zip(network.layers, (*network.layers[1:], None), strict=True):
        if layer.kind in MOVING:
            n_bytes = layer.output_size * stored_bytes(precision.formats["input"].type)
            steps = getattr(layer, "steps", 0)
            yield LayerBuffers(MOVING[layer.kind], n_bytes, n_bytes, steps=steps)
        if layer.parts:
            yield dataclasses.replace(
                found[layer.parts[0].name].buffers,
                n_directions=len(layer.parts),
                once=layer.name in once,
                read_last=following is not None and following.kind == "read_steps",
            )


def _layer(plan: LayerPlan, *, is_final: bool) -> LayerCounts:
    gate_of = _gates(plan.ops, plan.new_states)
    names = CELLS[plan.cell_name].gates if plan.cell_name else ()
    gates = tuple(
        _total((_row(op, plan) for op in plan.ops if gate_of[op.result] == gate), gate)
        for gate in names
    )
    shared = [_row(op, plan) for op in plan.ops if gate_of[op.result] is None]
    written = sum(plan.sizes[v] * _bytes(plan, v) for v in plan.states)
    multiplied = {op.args[0] for op in plan.ops if op.side}
    rounded = sum(plan.sizes[v] for v in multiplied) if _rounds_inputs(plan.precision) else 0
    if plan.precision.narrows and (plan.states or is_final):
        rounded += plan.sizes[plan.states[0] if plan.states else plan.result]
    shared.append(Row("", state_write_bytes=written, requantizations=rounded))
    cell = _total(shared, "cell")
    sizes = plan.sizes["x"], plan.hidden_size
    total = _total((*gates, cell))
    return LayerCounts(plan.name, plan.kind, plan.cell_name, *sizes, gates, cell, total)


def _row(op: Op, plan: LayerPlan) -> Row:
    """What one operation counts."""
    size, precision = plan.sizes[op.result], plan.precision
    if op.side:
        merged = min(len(plan.biases[op.result]), 1)
        counted = _product(precision, size, plan.sizes[op.args[0]], n_biases=merged)
    else:
        counted = {column: size * times for column, times in OPERATIONS[op.kind].items()}
        counted["requantizations"] = size * precision.requantizes.get(op.kind, 0)
        if op.kind == "scale":
            counted["weight_bytes"] = size * stored_bytes(precision.formats["sum"].type)
    inputs = sum(plan.sizes[v] * _bytes(plan, v) for v in op.args if v == "x")
    states = sum(plan.sizes[v] * _bytes(plan, v) for v in op.args if v in plan.states)
    return Row("", input_read_bytes=inputs, state_read_bytes=states, **counted)


def _product(precision: Precision, rows: int, columns: int, *, n_biases: int) -> dict[str, int]:
    """A matrix times a vector, plus biases: columns of a row."""
    macs = rows * columns
    return {
        "macs": macs,
        "muls": macs,
        "adds": rows * (columns - 1 + n_biases),
        "requantizations": rows if precision.weight_type != "float32" else 0,
        "weight_bytes": matrix_bytes(macs, precision.weight_type),
        "bias_bytes": rows * n_biases * stored_bytes(precision.bias_type),
    }


def _rounds_inputs(precision: Precision) -> bool:
    """Whether x and h are rounded to integers in each step, for integer weights."""
    return precision.weight_type != "float32" and precision.formats["input"].type == "float32"


def _bytes(plan: LayerPlan, value: str) -> int:
    return stored_bytes(plan.format(value).type)


def _parameters(plan: LayerPlan) -> int:
    peepholes = sum(plan.sizes[op.result] for op in plan.ops if op.kind == "scale")
    norm = sum(2 * plan.sizes[op.result] for op in plan.ops if op.kind == "layer_norm")
    return (
        peepholes
        + plan.sizes.get("table", 0)
        + norm
        + sum(
            plan.sizes[op.result] * (plan.sizes[op.args[0]] + len(plan.biases[op.result]))
            for op in plan.ops
            if op.side
        )
    )


@functools.lru_cache(maxsize=KEPT)
def _gates(ops: tuple[Op, ...], new_states: tuple[str, ...]) -> Mapping[str, str | None]:
    """Result to the gate it counts in, None for the element-wise part.

    An affine is its gate's; so is the activation that the affine leads to, and what only serves
    one of these.
    """
    leads_to: dict[str, str | None] = {}
    gate_of: dict[str, str | None] = {}
    for op in ops:
        gate = op.gate or next((leads_to[v] for v in op.args if leads_to.get(v)), None)
        if op.gate or op.kind in ("sigmoid", "tanh"):
            gate_of[op.result] = gate
        if op.kind not in ("sigmoid", "tanh"):
            leads_to[op.result] = gate
    for op in reversed(ops):
        if gate_of.get(op.result) or op.result in new_states:
            continue
        served = {gate_of.get(o.result) for o in ops if op.result in o.args}
        gate_of[op.result] = served.pop() if len(served) == 1 else None
    return {op.result: gate_of.get(op.result) for op in ops}


def _sequence(layers: tuple[LayerCounts, ...], once: set[str], steps: int) -> SequenceCounts:
    """Counts of a sequence, in which a layer runs on each step or once."""
    runs = tuple(_layer_times(layer, 1 if layer.name in once else steps) for layer in layers)
    return SequenceCounts(steps, runs, _total(layer.total for layer in runs))


def _total(rows: Iterable[Row], name: str = "total") -> Row:
    return Row(name, *map(sum, zip(*map(_columns, rows), strict=True)))


def _times(row: Row, n: int) -> Row:
    return Row(row.name, *(n * number for number in _columns(row)))


def _layer_times(layer: LayerCounts, n: int) -> LayerCounts:
    gates = tuple(_times(row, n) for row in layer.gates)
    cell, total = _times(layer.cell, n), _times(layer.total, n)
    return dataclasses.replace(layer, gates=gates, cell=cell, total=total)
