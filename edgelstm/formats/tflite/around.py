"""What stands around recurrent layers, as TensorFlow Lite's operators, of real values and integers.

A sequence is (1, steps, size), what is read of it (1, size). Integers keep their scale: all of it
copies, compares, looks up or averages.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.largest import MAXIMUM_VERSIONS
from edgelstm.formats.tflite.model import Tensor
from edgelstm.formats.tflite.step import Block, Placed, Step, values_tensor
from edgelstm.formats.tflite.unpack import MOST_INPUTS
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.without_numbers import WithoutNumbers
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.reading import MEAN_WEIGHT, mean_scale

SLICE_VERSIONS = {"float32": 1, "int32": 1, "int8": 2, "int16": 4}
REAL_OR_INTEGERS = {"float32": 1, "int8": 2, "int16": 2}  # versions of CONCATENATION, REDUCE_MAX
PACK_VERSIONS = {"float32": 1, "int8": 2, "int16": 3}
MEAN, STD = "x/mean", "x/std"  # names of constants
NONE: Mapping[str, Tensor] = {}


def integers(block: Block, name: str, *values: int) -> Tensor:
    """A constant vector of int32."""
    return block.constant(name, np.array(values, np.int32))


def reshaped(block: Block, y: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
    """RESHAPE: the same values as another tensor."""
    result = dataclasses.replace(y, name=f"{name}/output", shape=shape, data=None)
    return block.add("RESHAPE", [y, integers(block, f"{name}/shape", *shape)], result)


def part_of(
    block: Block, y: Tensor, name: str, begin: tuple[int, ...], shape: tuple[int, ...]
) -> Tensor:
    """SLICE from a place on."""
    at = integers(block, f"{name}/begin", *begin)
    sizes = integers(block, f"part_{'_'.join(map(str, shape))}", *shape)
    result = dataclasses.replace(y, name=name, shape=shape)
    return block.add("SLICE", [y, at, sizes], result, version=SLICE_VERSIONS[y.type])


def joined(block: Block, values: list[Tensor], name: str) -> Tensor:
    """CONCATENATION of the last axis."""
    first = values[0]
    shape = (*first.shape[:-1], sum(y.shape[-1] for y in values))
    result = dataclasses.replace(first, name=name, shape=shape)
    version = REAL_OR_INTEGERS[first.type]
    return block.add("CONCATENATION", values, result, {"axis": len(shape) - 1}, version)


# ---- in front


def input_tensor(network: Any, steps: int) -> Tensor:
    """x of a call."""
    if network.indices:
        return Tensor("x", (1, steps), "int32")
    return values_tensor("x", (1, steps, network.input_size), network.input)


def entered(block: Block, network: Any, x: Tensor) -> Tensor:
    """x as the layers behind an embedding or a normalisation take it."""
    if network.indices:
        return _looked_up(block, network, x)
    if network.input_mean is None or network.input is not None:
        return x
    mean, std = (
        block.constant(name, np.asarray(row).reshape(1, 1, -1))
        for name, row in ((MEAN, network.input_mean), (STD, network.input_std))
    )
    centred = block.add("SUB", [x, mean], dataclasses.replace(x, name="x/centred"))
    return block.add("DIV", [centred, std], dataclasses.replace(x, name="x/normalised"))


def slices_rows(network: Any) -> bool:
    """Whether rows are cut out one by one: no runtime for microcontrollers has GATHER of int16."""
    scale = network.input
    return network.indices and scale is not None and scale.type == "int16"


def _looked_up(block: Block, network: Any, x: Tensor) -> Tensor:
    """GATHER of rows, or a SLICE of the one row."""
    if slices_rows(network):
        return row_at(block, network, x, None)
    rows = values_tensor(f"{EMBEDDING}/row", (*x.shape, _columns(network)), network.input)
    version = 1 if network.input is None else 2
    return block.add("GATHER", [_table(block, network), x], rows, version=version)


def row_at(block: Block, network: Any, x: Tensor, t: Tensor | None) -> Tensor:
    """SLICE of the row of the t-th index of x, (1, 1, columns); None: x is one index."""
    index, zero = x, integers(block, "zero", 0)
    if t is not None:
        place = block.add("CONCATENATION", [zero, t], Tensor("step", (2,), "int32"), {"axis": 0})
        one = dataclasses.replace(x, name="index", shape=(1, 1))
        index = block.add("SLICE", [x, place, integers(block, "one_index", 1, 1)], one)
    index = reshaped(block, index, "index_alone", (1,))
    begin = Tensor("row_begin", (2,), "int32")
    block.add("CONCATENATION", [index, zero], begin, {"axis": 0})
    n = _columns(network)
    row = values_tensor(f"{EMBEDDING}/row", (1, n), network.input)
    inputs = [_table(block, network), begin, integers(block, f"row_1_{n}", 1, n)]
    block.add("SLICE", inputs, row, version=SLICE_VERSIONS[row.type])
    return reshaped(block, row, f"{EMBEDDING}/alone", (1, 1, n))


def rows_step(network: Any) -> Step:
    """What a loop computes that looks up rows alone: nothing."""

    def write(step: Step, block: Block, placed: Placed) -> Tensor:
        raise AssertionError(f"{step.label} has no operations")

    return Step(EMBEDDING, network.layers[0], (), "x", {}, (), {"x": network.input}, write)


def _columns(network: Any) -> int:
    layer: Embedding = network.layers[0]
    return layer.output_size


def _table(block: Block, network: Any) -> Tensor:
    into, table = network.input, network.layers[0].weight
    if into is not None:
        stored = quantize_reals(table, into.scale, into.zero_point, into.limits)
        table = stored.astype(into.type)
    return block.constant(f"{EMBEDDING}/weight", table, None if into is None else into.scale)


EMBEDDING = "embedding1"  # as `layer_names` counts them


# ---- read of the steps


def labels(layers: Iterable[Any]) -> dict[Any, str]:
    """Layers without numbers, each with a label for its constants."""
    found: dict[Any, str] = {}
    for layer in layers:
        if isinstance(layer, WithoutNumbers):
            found.setdefault(layer, f"{layer.name}{len(found) or ''}")
    return found


def read_steps(
    block: Block, layer: ReadSteps, label: str, y: Tensor, known: Mapping[str, Tensor] = NONE
) -> Tensor:
    """What is read of y; all of one step is that step, or what is known of those before."""
    if y.shape[1] == 1:
        size = (1, y.shape[-1])
        step = {name: reshaped(block, v, f"{label}/{name}", size) for name, v in known.items()}
        if set(layer.reads) - set(known):
            step |= {"": reshaped(block, y, label, size)}
        found = [step.get(name, step.get("", y)) for name in layer.reads]
    else:
        found = [READ[name](block, y, f"{label}/{name}") for name in layer.reads]
    return found[0] if len(found) == 1 else joined(block, found, f"{label}/read")


def _last(block: Block, y: Tensor, name: str) -> Tensor:
    _, steps, size = y.shape
    row = part_of(block, y, f"{name}/row", (0, steps - 1, 0), (1, 1, size))
    return reshaped(block, row, name, (1, size))


def _finals(block: Block, y: Tensor, name: str) -> Tensor:
    """The first half of the last step, and the other half of the first."""
    _, steps, size = y.shape
    half = size // 2
    ends = [
        part_of(block, y, f"{name}/{end}", at, (1, 1, half))
        for end, at in (("last", (0, steps - 1, 0)), ("first", (0, 0, half)))
    ]
    return reshaped(block, joined(block, ends, f"{name}/both"), name, (1, size))


def _mean(block: Block, y: Tensor, name: str) -> Tensor:
    """MEAN; of integers a product with one row of weights, see `quantization.reading`."""
    if y.scale is None:
        return _reduced(block, y, name, "MEAN")
    _, steps, size = y.shape
    wide = dataclasses.replace(y, name=f"{name}/wide", type="int16")
    x = block.add("CAST", [y], wide) if y.type == "int8" else y
    turned = dataclasses.replace(x, name=f"{name}/turned", shape=(1, size, steps))
    order = integers(block, "steps_last", 0, 2, 1)
    x = block.add("TRANSPOSE", [x, order], turned, version=4)
    scale = mean_scale(steps)
    weights = np.full((1, steps), MEAN_WEIGHT, np.int8)
    row = block.constant(f"mean_{steps}", weights, scale)
    zero = block.constant(f"zero_{steps}_{y.scale}", np.zeros(1, np.int64), scale * y.scale)
    means = dataclasses.replace(x, name=f"{name}/means", shape=(1, size, 1))
    means = block.add("FULLY_CONNECTED", [x, row, zero], means, {"keep_num_dims": True}, 7)
    if y.type == "int8":
        narrow = dataclasses.replace(means, name=f"{name}/narrow", type="int8")
        means = block.add("QUANTIZE", [means], narrow, version=2)
    return reshaped(block, means, name, (1, size))


def _max(block: Block, y: Tensor, name: str) -> Tensor:
    """REDUCE_MAX; TensorFlow Lite Micro has none of int16: there MAXIMUM of two halves."""
    if y.type != "int16":
        return _reduced(block, y, name, "REDUCE_MAX", REAL_OR_INTEGERS[y.type])
    while (steps := y.shape[1]) > 1:
        shape = (1, (steps + 1) // 2, y.shape[-1])  # of an odd number both hold the middle one
        halves = [
            part_of(block, y, f"{name}/{steps}_{end}", (0, at, 0), shape)
            for end, at in (("first", 0), ("last", steps - shape[1]))
        ]
        held = dataclasses.replace(halves[0], name=f"{name}/{steps}")
        y = block.add("MAXIMUM", halves, held, version=MAXIMUM_VERSIONS[y.type])
    return reshaped(block, y, name, (1, y.shape[-1]))


def _reduced(block: Block, y: Tensor, name: str, operator: str, version: int = 1) -> Tensor:
    result = dataclasses.replace(y, name=f"{name}/output", shape=(1, y.shape[-1]))
    axis = integers(block, "steps_axis", 1)
    return block.add(operator, [y, axis], result, {"keep_dims": False}, version)


def _flatten(block: Block, y: Tensor, name: str) -> Tensor:
    return reshaped(block, y, name, (1, y.shape[1] * y.shape[2]))


READ: dict[str, Callable[[Block, Tensor, str], Tensor]] = {
    "last": _last,
    "mean": _mean,
    "max": _max,
    "finals": _finals,
    "flatten": _flatten,
}


def repeated(block: Block, layer: Repeat, label: str, y: Tensor) -> Tensor:
    """PACK of one row again and again: no runtime for microcontrollers has TILE.

    Raises:
        ModelError: More often than an operator has inputs.
    """
    if layer.steps > MOST_INPUTS:
        raise ModelError(
            f"layer '{layer.name}': repeats {layer.steps} times; an operator of .tflite takes "
            f"{MOST_INPUTS} at most; write .npz or .onnx"
        )
    shape = (1, layer.steps, layer.size)
    result = dataclasses.replace(y, name=f"{label}/output", shape=shape)
    options = {"values_count": layer.steps, "axis": 1}
    return block.add("PACK", [y] * layer.steps, result, options, PACK_VERSIONS[y.type])
