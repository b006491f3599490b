"""What an ONNX file says of its input's axes: names such as batch or steps, and sizes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import MOST_STEPS
from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import SIZES, steps_first
from edgelstm.formats.following.symbolic import Signal

if TYPE_CHECKING:
    import onnx

MOST = 10**6  # numbers from here on stand for no bound
MOST_NAMED = 16
WORDS = {
    "batch": ("batch", "batches", "batchsize"),
    "steps": (
        *("step", "steps", "timestep", "timesteps", "time", "times", "frame", "frames"),
        *("seq", "seqs", "sequence", "seqlen", "sequencelength", "len", "length"),
    ),
}
LETTERS = {"batch": ("b", "n", "bs"), "steps": ("t", "l")}
ADVICE = (
    "export the module with batch_first=True, or name the axes for what they are: dynamic_axes="
    "{'x': {0: 'steps', 1: 'batch'}}"
)


def axes_as_named(signal: Signal, value: onnx.ValueInfoProto) -> Signal:
    """The signal, with a note on its axes where a caller may mistake them.

    Args:
        signal: The graph's output.
        value: The graph's input.

    Raises:
        ModelError: The layers run along an axis that the file calls batch, or along one of a
            single step beside a fixed batch.
    """
    dims = value.type.tensor_type.shape.dim
    steps = signal.steps_axis
    if steps is None or len(dims) != 3:
        return signal
    # protobuf gives bytes where a name is not UTF-8
    named = _meanings([str(dim.dim_param) for dim in dims[:2]])
    where = f"input '{value.name}': its first recurrent layer runs along axis {steps}"
    if named[steps] == "batch" or named[1 - steps] == "steps":
        k = steps if named[steps] == "batch" else 1 - steps
        raise ModelError(
            f"{where}, but axis {k} is called '{dims[k].dim_param}' in the file; {ADVICE}"
        )
    if steps == 0 and dims[0].dim_value == 1 and dims[1].dim_value > 1:
        raise ModelError(
            f"{where}, which has one step, with a batch fixed to {dims[1].dim_value}; export the "
            "module with batch_first=True, or with free sizes"
        )
    return signal if named[0] == "steps" or named[1] == "batch" else steps_first(signal)


def _meanings(names: Sequence[str]) -> list[str | None]:
    """batch or steps for each axis; None where the names do not tell them apart."""
    letters = [next((k for k, v in LETTERS.items() if n.lower() in v), None) for n in names]
    # one letter alone may be any: a and b
    said = letters if None not in letters else [_meaning(name) for name in names]
    return said if len(set(said)) == len(said) else [None] * len(said)


def _meaning(name: str) -> str | None:
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()
    words = set(re.findall("[a-z]+", apart))
    said = [kind for kind, known in WORDS.items() if words.intersection(known)]
    return said[0] if len(said) == 1 else None


def sizes_to_try(numbers: Iterable[Any], *, are_compared: bool) -> list[tuple[int, int]]:
    """Sizes of the input's first two axes: also above all whole numbers of a graph.

    Args:
        numbers: Its constants and attributes.
        are_compared: Whether it compares numbers: then sizes are also those that it names.
    """
    arrays = map(np.asarray, numbers)
    whole = (a.ravel() for a in arrays if a.dtype.kind in "iu")
    found = sorted({int(n) for a in whole for n in np.abs(a[(a != 0) & (np.abs(a) < MOST)])})
    beyond = 4 * max([250, *found])
    named = [(n, n) for n in found if n > 1][-MOST_NAMED:] if are_compared else []
    return [*SIZES, (beyond + 9, beyond + 33), *named]


def sizes_in_reshapes(
    nodes: Iterable[onnx.NodeProto], tensors: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[int, int]]:
    """(axis of the input, size): the first few sizes that constant shapes name."""
    shapes = [node.input[1] for node in nodes if node.op_type == "Reshape" and node.input[1:]]
    arrays = [tensors[name].ravel()[:8] for name in shapes if name in tensors]
    named = {int(n) for array in arrays for n in array if array.dtype == np.int64}
    sizes = sorted(n for n in named if 1 < n <= MOST_STEPS)
    return itertools.product((0, 1), sizes[:4])
