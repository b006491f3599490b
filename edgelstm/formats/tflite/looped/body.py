"""One step of a loop, followed operator by operator: what each new value is of the old ones."""

from collections.abc import Callable, Sequence

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.terms import (
    Factor,
    Rows,
    Sum,
    added,
    applied,
    multiplied,
    part,
    product,
    single,
)
from edgelstm.formats.tflite.looped.values import (
    FUSED,
    MOST_INTEGERS,
    Collected,
    Index,
    Piece,
    Steps,
    Value,
    Written,
    numbers,
    vector,
)
from edgelstm.formats.tflite.looped.weights import real
from edgelstm.formats.tflite.model import Graph, Operator, Tensor
from edgelstm.formats.tflite.slices import strided

X = Factor("x")
Read = Callable[[Operator, Sequence[Value]], Sequence[Value]]


def follow(graph: Graph, given: Sequence[Value]) -> list[Value]:
    """What a graph gives, each output in turn, where its inputs are these values.

    Raises:
        ModelError: An operator that no cell has, or that reads what none has computed.
    """
    values: dict[int, Value] = dict(zip(map(id, graph.inputs), given, strict=True))
    if len(values) != len(given) or any(tensor.data is not None for tensor in graph.inputs):
        raise ModelError("one of the inputs of its body is constant, or given twice")
    for k, op in enumerate(graph.operators):
        try:
            made = _results(op, [_value(tensor, values) for tensor in op.inputs])
            if len(made) != len(op.outputs):
                raise ModelError(f"has {len(op.outputs)} outputs, {len(made)} are read")
            for tensor, value in zip(op.outputs, made, strict=True):
                if tensor is not None and tensor.data is not None:
                    raise ModelError(f"writes tensor '{tensor.name}', which is constant")
                if tensor is not None:
                    _check_row(tensor, value)
                    values[id(tensor)] = value
        except ModelError as error:
            raise ModelError(f"operator {k} of its body ({op.name}) {error}") from None
    return [_value(tensor, values) for tensor in graph.outputs]


def _value(tensor: Tensor | None, values: dict[int, Value]) -> Value:
    if tensor is None or tensor.data is not None:
        return tensor
    if id(tensor) not in values:
        raise ModelError(f"reads tensor '{tensor.name}', which nothing before it computes")
    return values[id(tensor)]


def _results(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    if op.name not in OPERATORS:
        raise ModelError(f"is not one of those of a recurrent layer: {', '.join(OPERATORS)}")
    read, least, most = OPERATORS[op.name]
    if not least <= len(args) <= most or not op.outputs:
        raise ModelError(f"has {len(args)} inputs and {len(op.outputs)} outputs")
    return read(op, args)


def _check_row(tensor: Tensor, value: Value) -> None:
    """The values of a step lie on the last axis, all others have length 1."""
    if isinstance(value, Sum) and tensor.shape != (1,) * (len(tensor.shape) - 1) + (value.size,):
        raise ModelError(f"gives {value.size} values in shape {tensor.shape}; a row is needed")
    if isinstance(value, np.ndarray) and value.size > MOST_INTEGERS:
        raise ModelError(f"gives {value.size} integers; at most {MOST_INTEGERS} are read")


def _activated(op: Operator, value: Sum) -> list[Value]:
    """With the activation that stands in the operator."""
    number = op.options["activation"]
    if number not in FUSED:
        raise ModelError(f"has activation {number}; none, relu and tanh are read")
    kind = FUSED[number]
    return [value if kind is None else applied(kind, value)]


def _add(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    a, b = args
    if any(isinstance(v, np.ndarray) for v in args):
        return [np.asarray(numbers(a) + numbers(b), object)]
    return _activated(op, added(vector(a), vector(b)))


def _sub(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    return _activated(op, added(vector(args[0]), vector(args[1]), -1))


def _mul(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    return _activated(op, multiplied(vector(args[0]), vector(args[1])))


def _function(kind: str) -> Read:
    return lambda op, args: [applied(kind, vector(args[0]))]


def _product(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    x, weight, bias = vector(args[0]), args[1], args[2] if len(args) > 2 else None
    if not isinstance(weight, Tensor) or weight.data is None or len(weight.shape) != 2:
        raise ModelError("has weights that are no constant matrix")
    weight = real(weight)
    if weight.type != "float32" or op.options["weights_format"]:
        raise ModelError(
            f"has weights of {weight.type}; float32, and int8 beside real values, in plain order "
            "are read"
        )
    made = product(Rows(np.array(weight.data, np.float32)), x)
    return _activated(op, made if bias is None else added(made, vector(bias)))


def _shape(op: Operator, place: int) -> tuple[int, ...] | None:
    """Constant integers among the inputs."""
    tensor = op.inputs[place]
    data = None if tensor is None else tensor.data
    if data is None or data.size > MOST_INTEGERS or data.dtype.kind != "i":
        return None
    return tuple(int(n) for n in data.ravel())


def _reshape(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    """Axes of length 1 come and go."""
    shape, (result, *_) = _shape(op, 1), op.outputs
    if result is None or shape != result.shape:
        raise ModelError("takes a shape that is no constant, or not that of its result")
    if isinstance(args[0], np.ndarray):
        if shape not in ((), (args[0].size,)):
            raise ModelError(f"makes shape {shape} of {args[0].size} integers")
        return [args[0].reshape(shape)]
    return [vector(args[0])]


def _split(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    value, axis, count = vector(args[1]), _shape(op, 0), len(op.outputs)
    given = op.inputs[1]
    rank = 0 if given is None else len(given.shape)
    if axis not in ((-1,), (rank - 1,)) or not count or value.size % count:
        raise ModelError("does not split the values of a step into equal parts")
    size = value.size // count
    return [part(value, k * size, (k + 1) * size) for k in range(count)]


def _strided(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    value, given = vector(args[0]), op.inputs[0]
    assert given is not None
    *before, taken = strided(op, given.shape) or [range(0)]
    if any(len(one) != 1 for one in before) or taken.step != 1 or not len(taken):
        raise ModelError("does not take values of a step that lie side by side")
    if op.options["shrink_axis_mask"] & 1 << len(before):
        raise ModelError("drops the axis of the values")
    return [part(value, taken.start, taken.stop)]


def _gather(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    x, at = args[0], numbers(args[1])
    if not isinstance(x, Steps) or op.options["axis"] or op.options["batch_dims"]:
        raise ModelError("does not take a row of the sequence")
    if at.size != 1 or at.item() != Index(0):
        raise ModelError("takes the row of another step than that of the loop")
    return [single(X, x.width)]


def _slice(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    """Rows of the array that is collected."""
    array, (begin, size) = args[0], (numbers(v).ravel().tolist() for v in args[1:3])
    if not isinstance(array, Collected) or len(begin) != 3 or len(size) != 3:
        raise ModelError("takes a part of something else than the array of each step's output")
    whole = (1, array.width)
    if begin[1:] != [0, 0] or any(n not in (-1, m) for n, m in zip(size[1:], whole, strict=True)):
        raise ModelError("takes rows in part")
    if size[0] == -1:
        return [Piece(array, begin[0], array.steps)]
    if begin[0] != 0:
        raise ModelError("takes rows from the middle of the array")
    return [Piece(array, 0, size[0])]


def _concatenation(op: Operator, args: Sequence[Value]) -> Sequence[Value]:
    if op.options["axis"] or op.options["activation"]:
        raise ModelError("joins along another axis than the first, or with an activation")
    if not any(isinstance(v, Piece) for v in args):
        parts = [numbers(v).ravel() for v in args]
        if sum(len(p) for p in parts) > MOST_INTEGERS:
            raise ModelError(f"joins more than {MOST_INTEGERS} integers")
        return [np.concatenate(parts)]
    here, next_one = Index(0), Index(1)
    if len(args) == 3:
        before, row, behind = args
        if isinstance(before, Piece) and isinstance(behind, Piece) and isinstance(row, Sum):
            array, ends = before.of, (before.start, before.stop, behind.start, behind.stop)
            together = ends == (0, here, next_one, array.steps) and behind.of is array
            if together and row.size == array.width:
                return [Written(array, row)]
    raise ModelError("does not put the output of this step in its place among the others")


# Name to what reads it, and how many inputs it has, at least and at most.
OPERATORS: dict[str, tuple[Read, int, int]] = {
    "FULLY_CONNECTED": (_product, 2, 3),
    "ADD": (_add, 2, 2),
    "SUB": (_sub, 2, 2),
    "MUL": (_mul, 2, 2),
    "LOGISTIC": (_function("sigmoid"), 1, 1),
    "TANH": (_function("tanh"), 1, 1),
    "RELU": (_function("relu"), 1, 1),
    "RESHAPE": (_reshape, 2, 2),
    "SPLIT": (_split, 2, 2),
    "STRIDED_SLICE": (_strided, 4, 4),
    "GATHER": (_gather, 2, 2),
    "SLICE": (_slice, 3, 3),
    "CONCATENATION": (_concatenation, 1, MOST_INTEGERS),
}
