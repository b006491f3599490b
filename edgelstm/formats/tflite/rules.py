"""What scales composed integers need, asserted of every file before it is written.

A broken rule of the first four costs equal bits: runtimes round differently then, without an error.
The others cost range. `check_composed` says the same of a network, before it has operators.
"""

import math
from collections.abc import Callable, Iterator

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.model import Graph, Model, Operator, Tensor
from edgelstm.quantization.formats import ACTIVATION_LOG2, CELL_LOG2, PART_LOG2, UNLIKE_LOG2
from edgelstm.quantization.quantize_composed import PRODUCT_BITS
from edgelstm.quantization.scales import mantissa_bits

OTHER_FUNCTIONS = {"LOGISTIC": UNLIKE_LOG2["sigmoid"], "TANH": UNLIKE_LOG2["tanh"]}


def check_rules(model: Model) -> None:
    """`ModelError` that names the first rule that a file of composed integers breaks."""
    for graph in model.graphs:
        for number, rule in enumerate(RULES, 1):
            if told := next(rule(graph), None):
                raise ModelError(f"rule {number} of composed integers: {told}")


def activation_inputs(graph: Graph) -> Iterator[str]:
    """Rule 1: LOGISTIC and TANH read scales at which all runtimes look up one table."""
    for op, (x, *_) in _of(graph, *OTHER_FUNCTIONS):
        if _log2(x) in OTHER_FUNCTIONS[op.name]:
            yield f"{op.name} reads '{x.name}' of scale 2**{_log2(x)}"


def products(graph: Graph) -> Iterator[str]:
    """Rule 2: a product's scale has an odd mantissa of 15 bits at most, its ends powers of two."""
    for op, (x, weight, *_) in _of(graph, "FULLY_CONNECTED"):
        bits = mantissa_bits((x.scale or 0) * (weight.scale or 0))
        if not 0 < bits <= PRODUCT_BITS:
            yield f"'{x.name}' times '{weight.name}' has a scale of {bits} bits"
        if _log2(_result(op)) is None:
            yield f"'{_result(op).name}' has scale {_result(op).scale}, which is no power of two"


def biases(graph: Graph) -> Iterator[str]:
    """Rule 3: every product has a bias of int64, also of zeros."""
    for _, inputs in _of(graph, "FULLY_CONNECTED"):
        if len(inputs) < 3 or inputs[2].type != "int64":
            yield f"the product with '{inputs[1].name}' has no bias of int64"


def cells(graph: Graph) -> Iterator[str]:
    """Rule 4: a cell, two products added up, has a power of two at which TANH is that table."""
    made = {id(op.outputs[0]): op for op in graph.operators if op.outputs}
    for _, (x, *_) in _of(graph, "TANH"):
        value: Tensor | None = x
        while (op := made.get(id(value))) and op.name in ("MINIMUM", "MAXIMUM"):
            value = op.inputs[0]
        if op is None or op.name != "ADD" or _log2(x) in CELL_LOG2:
            continue
        if all(id(t) in made and made[id(t)].name == "MUL" for t in op.inputs):
            yield f"TANH reads the cell '{x.name}' of scale {x.scale}"


def parts(graph: Graph) -> Iterator[str]:
    """Rule 5: products that are added up have 2**-11, or more on the way to a relu."""
    added = {id(t) for _, inputs in _of(graph, "ADD") for t in inputs}
    for op, _ in _of(graph, "FULLY_CONNECTED"):
        y = _result(op)
        if id(y) in added and (_log2(y) is None or int(_log2(y) or 0) < PART_LOG2):
            yield f"the part '{y.name}' has scale {y.scale}"


def constants(graph: Graph) -> Iterator[str]:
    """Rule 6: int16 has powers of two and zero point 0, unless it was an int8 x just before."""
    cast = {id(_result(op)) for op in graph.operators if op.name == "CAST"}
    tensors = [*graph.inputs, *(t for op in graph.operators for t in op.inputs if t is not None)]
    for tensor in tensors:
        if tensor.type != "int16" or id(tensor) in cast:
            continue
        if _log2(tensor) is None or tensor.zero_point:
            yield f"'{tensor.name}' has scale {tensor.scale} and zero point {tensor.zero_point}"


def differences(graph: Graph) -> Iterator[str]:
    """Rule 7: the difference of two values below 1 has 2**-14 at least; not that from 1."""
    for op, (left, right, *_) in _of(graph, "SUB"):
        units = _log2(left) == _log2(right) == ACTIVATION_LOG2 and left.data is None
        if units and (_log2(_result(op)) or 0) <= ACTIVATION_LOG2:
            yield f"'{_result(op).name}' has scale {_result(op).scale}"


RULES: tuple[Callable[[Graph], Iterator[str]], ...] = (
    *(activation_inputs, products, biases, cells, parts, constants, differences),
)


def _of(graph: Graph, *names: str) -> Iterator[tuple[Operator, tuple[Tensor, ...]]]:
    """Operators of these names on int16 values, with their inputs."""
    for op in graph.operators:
        inputs = tuple(t for t in op.inputs if t is not None)
        if op.name in names and inputs and inputs[0].type == "int16":
            yield op, inputs


def _result(op: Operator) -> Tensor:
    (tensor,) = op.outputs
    assert tensor is not None
    return tensor


def _log2(tensor: Tensor) -> int | None:
    """The exponent of a scale; None if it is no power of two."""
    if tensor.scale is None:
        return None
    mantissa, exponent = math.frexp(tensor.scale)
    return exponent - 1 if mantissa == 0.5 else None
