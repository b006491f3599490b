"""The max of the steps as a state of a .tflite file.

As an input it begins at the least number of its type. Variables begin at zero in every runtime, as
TensorFlow Lite Micro sets them to that at a reset: so integers are kept as what they are above
their least number, and real values beside whether a step has been.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.tflite.model import Tensor
from edgelstm.formats.tflite.step import Block, values_tensor
from edgelstm.layers.read_steps import largest_starts
from edgelstm.quantization.scales import Scale

MAXIMUM_VERSIONS = {"float32": 1, "int8": 2, "int16": 4}


def states(network: Any, labels: Mapping[Any, str]) -> list[Tensor]:
    """Each max of the steps that goes on from call to call."""
    found = []
    layers: Any = network.behind.layers
    starts = largest_starts(layers)
    for k, layer in enumerate(layers):
        if layer.name in starts and not layer.parts:
            given = [part for before in layers[:k] for part in before.parts]
            scale: Scale | None = None
            if given and given[-1].input is not None:
                scale = given[-1].output
            found.append(values_tensor(f"{labels[layer]}/largest", (1, 1, layer.size), scale))
    return found


def start_of(state: Tensor) -> NDArray[Any]:
    """What an input that is a state begins with: zeros, or the least number of a max."""
    if not state.name.startswith("max"):
        return np.zeros(state.shape, state.type)
    return np.full(state.shape, least(state), state.type)


def least(state: Tensor) -> Any:
    """The least number of its type."""
    info: Any = np.finfo(state.type) if state.type == "float32" else np.iinfo(state.type)
    return info.min


def larger(block: Block, largest: Tensor, y: Tensor) -> Tensor:
    """MAXIMUM of what the steps so far reached, and of this one."""
    result = dataclasses.replace(largest, name="largest_next", data=None)
    return block.add("MAXIMUM", [largest, y], result, version=MAXIMUM_VERSIONS[y.type])


def variables(state: Tensor) -> list[Tensor]:
    """What is kept of a state; all of it begins at zero."""
    if state.type == "float32":
        return [state, Tensor(f"{state.name}_begun", (1, 1, 1), "float32")]
    return [Tensor(f"{state.name}_above", state.shape, "int32")]


def from_variables(block: Block, maxima: Sequence[Tensor], read: Sequence[Tensor]) -> list[Tensor]:
    """All states, of which the last ones are these, from what was kept of them."""
    n = len(read) - sum(len(variables(state)) for state in maxima)
    found, left = list(read[:n]), iter(read[n:])
    for state in maxima:
        kept = next(left)
        if state.type == "float32":
            found.append(_unless_begun(block, state, kept, next(left)))
        else:
            lowered = _added(block, kept, "lowered", int(least(state)))
            found.append(block.add("CAST", [lowered], _as(state, f"{state.name}_now")))
    return found


def _unless_begun(block: Block, state: Tensor, value: Tensor, begun: Tensor) -> Tensor:
    """The value, or the least number before the first step: ``value + (begun - 1) * most``."""
    one, most = _number(block, state, "one", 1), _number(block, state, "most", -least(state))
    waiting = block.add("SUB", [begun, one], _as(begun, f"{state.name}_waiting"))
    below = block.add("MUL", [waiting, most], _as(begun, f"{state.name}_below"))
    return block.add("ADD", [value, below], _as(state, f"{state.name}_now"))


def to_variables(block: Block, maxima: Sequence[Tensor], new: Sequence[Tensor]) -> list[Tensor]:
    """What is kept of all states, of which the last ones are these."""
    n = len(new) - len(maxima)
    kept = list(new[:n])
    for state, value in zip(maxima, new[n:], strict=True):
        if state.type == "float32":
            kept += [value, _number(block, state, "one", 1)]
            continue
        wide = dataclasses.replace(variables(state)[0], name=f"{state.name}_wide")
        kept.append(_added(block, block.add("CAST", [value], wide), "raised", -int(least(state))))
    return kept


def _number(block: Block, state: Tensor, name: str, value: float) -> Tensor:
    return block.constant(f"{state.name}_{name}", np.full((1, 1, 1), value, np.float32))


def _added(block: Block, values: Tensor, name: str, number: int) -> Tensor:
    constant = block.constant(f"max_{name}_by", np.full((1, 1, 1), number, np.int32))
    return block.add("ADD", [values, constant], _as(values, f"{values.name}_{name}"))


def _as(tensor: Tensor, name: str) -> Tensor:
    return dataclasses.replace(tensor, name=name)
