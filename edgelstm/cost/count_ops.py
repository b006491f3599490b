"""Counts: operations and bytes of one time step, per layer and per gate, from the plan alone.

A scalar operation counts once, however many a kernel does per instruction. A MAC is one
multiplication and one addition, and `muls` and `adds` contain those of the MACs.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from edgelstm.arguments import MOST_COUNTED, check_type, check_whole
from edgelstm.cells import CELLS
from edgelstm.cells.spec import Op
from edgelstm.cost.counts import COLUMNS, Counts, LayerCounts, Row, SequenceCounts
from edgelstm.errors import ModelError
from edgelstm.layers.directions import parts
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Network
from edgelstm.model.plan import DensePlan, Plan, RecurrentPlan, find_precision, structure
from edgelstm.model.precision import Precision
from edgelstm.quantization.quantized import QuantizedDirection, QuantizedNetwork

# What counts as what: scalar operations per element of a result, by the kind of operation that
# makes it. A product of a matrix of n columns counts n MACs, n muls, n - 1 adds per element and
# one add per bias. Comparisons (clip, relu) and a softmax's exponentials have no column.
OPERATIONS: Mapping[str | None, Mapping[str, int]] = {
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
    None: {},
}


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
    plan = planned(network, precision)
    layers = tuple(
        _recurrent(layer) if isinstance(layer, RecurrentPlan) else _dense(layer)
        for layer in plan.layers
    )
    parameters = sum(_parameters(layer) for layer in plan.layers)
    total = _total(layer.total for layer in layers)
    sequence = None
    if steps:
        times = _times_run(network, steps)
        runs = tuple(_layer_times(layer, times[layer.name]) for layer in layers)
        sequence = SequenceCounts(steps, runs, _total(layer.total for layer in runs))
    return Counts(plan.precision.name, parameters, layers, total, sequence)


def _times_run(network: Network | QuantizedNetwork, steps: int) -> dict[str, int]:
    """Layer to how often it runs in a sequence: once behind the last step."""
    times: dict[str, int] = {}
    n = steps
    for layer in network.layers:
        n = 1 if isinstance(layer, ReadSteps) else n
        times |= {part.name: n for part in layer.parts}
    return times


def planned(network: Network | QuantizedNetwork, precision: str | None = None) -> Plan:
    """The plan that `count` reads: that of `plan`, also for cells whose integers are not written.

    Raises:
        ModelError: The precision is unknown, or not the quantized network's.
    """
    check_type(network, Network | QuantizedNetwork, "network", "`read` gives one to count")
    is_quantized = isinstance(network, QuantizedNetwork)
    if is_quantized and precision not in (None, network.precision):
        raise ModelError(
            f"the network is quantized to {network.precision}; "
            f"for its counts in {precision} pass the float network"
        )
    chosen = find_precision(precision or (network.precision if is_quantized else "int8"))
    layers: list[RecurrentPlan | DensePlan] = []
    for layer in parts(network.layers):
        if isinstance(layer, QuantizedDirection):
            layers.append(layer.plan)
        elif isinstance(layer, Direction):
            layers.append(structure(layer, chosen))
        else:
            sizes = layer.input_size, layer.output_size
            layers.append(DensePlan(layer.name, *sizes, layer.activation, chosen))
    return Plan(tuple(layers), network.last_step, chosen)


def stored_bytes(type_name: str) -> int:
    """Bytes of one value of a stored type."""
    return np.dtype(type_name).itemsize


def _recurrent(plan: RecurrentPlan) -> LayerCounts:
    gate_of = _gates(plan)
    gates = tuple(
        _total((_row(op, plan) for op in plan.ops if gate_of[op.result] == gate), gate)
        for gate in CELLS[plan.cell_name].gates
    )
    shared = [_row(op, plan) for op in plan.ops if gate_of[op.result] is None]
    written = sum(plan.sizes[v] * _bytes(plan, v) for v in plan.new_states)
    multiplied = {op.args[0] for op in plan.ops if op.side}
    rounded = sum(plan.sizes[v] for v in multiplied) if _rounds_inputs(plan.precision) else 0
    shared.append(Row("", state_write_bytes=written, requantizations=rounded))
    cell = _total(shared, "cell")
    sizes = plan.sizes["x"], plan.hidden_size
    total = _total((*gates, cell))
    return LayerCounts(plan.name, "recurrent", plan.cell_name, *sizes, gates, cell, total)


def _dense(plan: DensePlan) -> LayerCounts:
    precision, n, outputs = plan.precision, plan.input_size, plan.output_size
    read = n * stored_bytes(precision.formats["input"].type)
    rounded = n if _rounds_inputs(precision) else 0
    activation = {column: outputs * times for column, times in OPERATIONS[plan.activation].items()}
    rest = Row("", input_read_bytes=read, requantizations=rounded, **activation)
    rows = (_product(precision, outputs, n, n_biases=1), rest)
    return LayerCounts(plan.name, "dense", None, n, outputs, (), _total(rows, "cell"), _total(rows))


def _row(op: Op, plan: RecurrentPlan) -> Row:
    """What one operation counts."""
    size, precision = plan.sizes[op.result], plan.precision
    if op.side:
        merged = min(len(plan.biases[op.result]), 1)
        own = _product(precision, size, plan.sizes[op.args[0]], n_biases=merged)
    else:
        counted = {column: size * times for column, times in OPERATIONS[op.kind].items()}
        rescaled = size if op.kind in precision.requantizes else 0
        weights = size * stored_bytes(precision.formats["sum"].type) if op.kind == "scale" else 0
        own = Row("", requantizations=rescaled, weight_bytes=weights, **counted)
    inputs = sum(plan.sizes[v] * _bytes(plan, v) for v in op.args if v == "x")
    states = sum(plan.sizes[v] * _bytes(plan, v) for v in op.args if v in plan.states)
    return _total((own, Row("", input_read_bytes=inputs, state_read_bytes=states)))


def _product(precision: Precision, rows: int, columns: int, *, n_biases: int) -> Row:
    """A matrix times a vector, plus biases."""
    macs = rows * columns
    return Row(
        "",
        macs=macs,
        muls=macs,
        adds=rows * (columns - 1 + n_biases),
        requantizations=rows if precision.weight_type != "float32" else 0,
        weight_bytes=macs * stored_bytes(precision.weight_type),
        bias_bytes=rows * n_biases * stored_bytes(precision.bias_type),
    )


def _rounds_inputs(precision: Precision) -> bool:
    """Whether x and h are rounded to integers in each step, for integer weights."""
    return precision.weight_type != "float32" and precision.formats["input"].type == "float32"


def _bytes(plan: RecurrentPlan, value: str) -> int:
    return stored_bytes(plan.format(value).type)


def _parameters(plan: RecurrentPlan | DensePlan) -> int:
    if isinstance(plan, DensePlan):
        return plan.output_size * (plan.input_size + 1)
    peepholes = sum(plan.sizes[op.result] for op in plan.ops if op.kind == "scale")
    return peepholes + sum(
        plan.sizes[op.result] * (plan.sizes[op.args[0]] + len(plan.biases[op.result]))
        for op in plan.ops
        if op.side
    )


def _gates(plan: RecurrentPlan) -> dict[str, str | None]:
    """Result to the gate it counts in, None for the element-wise part.

    An affine is its gate's; so is the activation that the affine leads to, and what only serves
    one of these.
    """
    leads_to: dict[str, str | None] = {}
    gate_of: dict[str, str | None] = {}
    for op in plan.ops:
        gate = op.gate or next((leads_to[v] for v in op.args if leads_to.get(v)), None)
        if op.gate or op.kind in ("sigmoid", "tanh"):
            gate_of[op.result] = gate
        if op.kind not in ("sigmoid", "tanh"):
            leads_to[op.result] = gate
    for op in reversed(plan.ops):
        if gate_of.get(op.result) or op.result in plan.new_states:
            continue
        served = {gate_of.get(o.result) for o in plan.ops if op.result in o.args}
        gate_of[op.result] = served.pop() if len(served) == 1 else None
    return {op.result: gate_of.get(op.result) for op in plan.ops}


def _total(rows: Iterable[Row], name: str = "total") -> Row:
    rows = tuple(rows)
    return Row(name, *(sum(getattr(row, column) for row in rows) for column in COLUMNS))


def _times(row: Row, n: int) -> Row:
    return Row(row.name, *(n * getattr(row, column) for column in COLUMNS))


def _layer_times(layer: LayerCounts, n: int) -> LayerCounts:
    gates = tuple(_times(row, n) for row in layer.gates)
    cell, total = _times(layer.cell, n), _times(layer.total, n)
    return dataclasses.replace(layer, gates=gates, cell=cell, total=total)
