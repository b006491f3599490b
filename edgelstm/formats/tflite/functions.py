"""Activations and norms of real values, each of a few operators that every runtime has."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from edgelstm.formats.tflite.model import Tensor
from edgelstm.formats.tflite.step import Block, Placed, Step

Write = Callable[[Step, Block, Placed], Tensor]


class _Values:
    """Appends operators on values of one shape, which are named after their result."""

    def __init__(self, step: Step, block: Block, placed: Placed) -> None:
        (self.x,) = placed.args
        self._step, self._block = step, block
        self._result = step.value(placed.op.result, placed.shape())
        self._n = 0

    def __call__(self, operator: str, *inputs: Tensor, **options: Any) -> Tensor:
        """Something on the way."""
        self._n += 1
        named = dataclasses.replace(self._result, name=f"{self._result.name}_{self._n}")
        return self._block.add(operator, inputs, named, options)

    def last(self, operator: str, *inputs: Tensor, **options: Any) -> Tensor:
        """What goes out."""
        return self._block.add(operator, inputs, self._result, options)

    def row(self, name: str, values: Any) -> Tensor:
        """A constant of as many values as a vector has: one for all, or each its own."""
        size = self._result.shape[-1]
        row = np.broadcast_to(np.asarray(values, np.float32), (size,))
        shaped = np.ascontiguousarray(row).reshape(*(1 for _ in self._result.shape[1:]), size)
        return self._block.constant(f"{self._step.label}/{name}", shaped)

    def reduced(self, operator: str, x: Tensor) -> Tensor:
        """Over the values of a vector, to one."""
        self._n += 1
        shape = (*self._result.shape[:-1], 1)
        named = dataclasses.replace(
            self._result, name=f"{self._result.name}_{self._n}", shape=shape
        )
        axis = self._block.constant(
            f"last_axis_{len(shape) - 1}", np.array([len(shape) - 1], np.int32)
        )
        return self._block.add(operator, [x, axis], named, {"keep_dims": True})

    def one(self, name: str, value: float) -> Tensor:
        """A constant beside what is `reduced`."""
        shape = tuple(1 for _ in self._result.shape)
        stored = np.full(shape, value, np.float32)
        return self._block.constant(f"{self._step.label}/{name}", stored)

    def on_one(self, operator: str, *inputs: Tensor) -> Tensor:
        """On what is `reduced`."""
        self._n += 1
        named = dataclasses.replace(inputs[0], name=f"{self._result.name}_{self._n}")
        return self._block.add(operator, inputs, named)


def _of(write: Callable[[_Values, Any], Tensor]) -> Write:
    return lambda step, block, placed: write(_Values(step, block, placed), step.part)


def _leaky_relu(values: _Values, part: Any) -> Tensor:
    return values.last("LEAKY_RELU", values.x, alpha=float(np.float32(part.numbers[0])))


def _elu(values: _Values, part: Any) -> Tensor:
    """ELU has a slope of 1; of another one relu(v) + slope * elu(min(v, 0))."""
    if part.numbers[0] == 1:
        return values.last("ELU", values.x)
    below = values("ELU", values("MINIMUM", values.x, values.row("zero", 0)))
    scaled = values("MUL", below, values.row("slope", part.numbers[0]))
    return values.last("ADD", values("RELU", values.x), scaled)


def _clamp(values: _Values, part: Any) -> Tensor:
    low, high = part.numbers
    below = values("MINIMUM", values.x, values.row("high", high))
    return values.last("MAXIMUM", below, values.row("low", low))


def _hard_sigmoid(values: _Values, part: Any) -> Tensor:
    slope, middle = part.numbers
    scaled = values("MUL", values.x, values.row("slope", slope))
    line = values("ADD", scaled, values.row("middle", middle))
    below = values("MINIMUM", line, values.row("one", 1))
    return values.last("MAXIMUM", below, values.row("zero", 0))


def _l2_norm(values: _Values, part: Any) -> Tensor:
    squares = values.reduced("SUM", values("MUL", values.x, values.x))
    length = values.on_one("SQRT", squares)
    length = values.on_one("MAXIMUM", length, values.one("least", part.numbers[0]))
    return values.last("DIV", values.x, length)


def _layer_norm(values: _Values, part: Any) -> Tensor:
    centred = values("SUB", values.x, values.reduced("MEAN", values.x))
    variance = values.reduced("MEAN", values("MUL", centred, centred))
    above = values.on_one("ADD", variance, values.one("eps", part.eps))
    scaled = values("MUL", centred, values.on_one("RSQRT", above))
    weighed = values("MUL", scaled, values.row("weight", part.weight))
    return values.last("ADD", weighed, values.row("bias", part.bias))


# Kind of an operation that reads a layer's numbers to its operators.
FUNCTIONS: dict[str, Write] = {
    "leaky_relu": _of(_leaky_relu),
    "elu": _of(_elu),
    "clamp": _of(_clamp),
    "hard_sigmoid": _of(_hard_sigmoid),
    "l2_norm": _of(_l2_norm),
    "layer_norm": _of(_layer_norm),
    "log_softmax": _of(lambda values, part: values.last("LOG_SOFTMAX", values.x)),
}
