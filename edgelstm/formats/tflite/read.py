"""From a .tflite file to a network, whichever program wrote the file."""

import contextlib
import math
import pathlib
from collections.abc import Iterator
from typing import Any

from edgelstm.arguments import MOST_STEPS
from edgelstm.errors import ModelError
from edgelstm.formats.asked import Asked, check_stated
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.tflite.branches import append_directions, starts
from edgelstm.formats.tflite.chain import Chain, append
from edgelstm.formats.tflite.metadata import KEY
from edgelstm.formats.tflite.model import Graph, Model, Operator, Tensor, operator_names
from edgelstm.formats.tflite.read_composed import Composed, read_composed
from edgelstm.formats.tflite.rows import ROWS, append_rows
from edgelstm.formats.tflite.unpack import unpack
from edgelstm.layers.directions import computing
from edgelstm.layers.read_steps import READING, ReadSteps, reading
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

MOST_SHARING = 8  # how often operators may name a file's bytes; more would only fill memory


def read(path: pathlib.Path, asked: Asked) -> Network | QuantizedNetwork:
    """The network of a .tflite file.

    Args:
        path: Fused LSTMs, loops that TensorFlow's converter left of recurrent layers, and dense
            layers, batch 1; or step graphs as edgelstm writes them.
        asked: What the caller knows of the file, which states all of it itself.

    Returns:
        Scales and zero points as the file has them. A final int8 softmax is left off
        (`dropped_softmax`).

    Raises:
        ModelError: A damaged file, an operator that is not supported, a contradiction.
    """
    data = path.read_bytes()
    with _named(path.name):
        model = unpack(data)
        if KEY in model.metadata:
            network = _composed(data).network
        else:
            network = _network(_with_loops(model, data), MOST_SHARING * len(data))
        check_stated(network, asked)
    return network


def read_facts(path: pathlib.Path) -> FileFacts:
    """What a file is fixed to, from its inputs and outputs."""
    data = path.read_bytes()
    with _named(path.name):
        model = unpack(data)
        if KEY in model.metadata:
            return _composed(data).facts
        x, y = _ends(model.graphs[0])
        steps, names = _steps(x), operator_names(_with_loops(model, data))
        starts_anew = "WHILE" in names
        streaming = steps == 1 and not {"REVERSE_V2", "PACK"} & {*names} and not starts_anew
        return FileFacts(
            steps,
            x.type,
            y.type,
            streaming,
            has_softmax="SOFTMAX" in names,
            operators=names,
            starts_anew=starts_anew,
        )


def _with_loops(model: Model, data: bytes) -> Model:
    """With every graph, where the first one names others."""
    return unpack(data, every_graph=True) if "WHILE" in operator_names(model) else model


def _composed(data: bytes) -> Composed:
    """Of a file of step graphs."""
    model = unpack(data, every_graph=True)
    inputs = model.graphs[0].inputs
    if not inputs:
        raise ModelError("it has no input")
    return read_composed(model, _steps(inputs[0]), MOST_SHARING * len(data))


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    """Puts the place in front of what went wrong there."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from None


def _ends(graph: Graph) -> tuple[Tensor, Tensor]:
    """Input and output, one each."""
    for end, found in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        if len(found) != 1:
            raise ModelError(f"it has {len(found)} {end}; a network with one is supported")
    return graph.inputs[0], graph.outputs[0]


def _network(model: Model, most_bytes: int) -> Network | QuantizedNetwork:
    graph = model.graphs[0]
    x, y = _ends(graph)
    steps = _steps(x)
    chain = Chain(x, steps, steps, x.shape[-1], graphs=model.graphs, readers=_readers(graph))
    places = {id(op): k for k, op in enumerate(graph.operators)}
    done: set[int] = set()
    for k, op in enumerate(graph.operators):
        if k in done:
            continue
        with _named(f"operator {k} ({op.name})"):
            most_bytes -= _named_bytes(model, op)
            if most_bytes < 0:
                raise ModelError("the operators so far name the same constants again and again")
            if both := starts(chain):
                for branch in append_directions(chain, both):
                    numbers = [places[id(one)] for one in branch]
                    if numbers != sorted(numbers):
                        raise ModelError("it stands behind an operator that reads its result")
                    done |= set(numbers)
            elif op.name == ROWS:
                append_rows(chain, op)
            else:
                append(chain, op)
    if chain.value is not y:
        raise ModelError(
            f"the result is tensor '{y.name}', which is not what the last operator computes"
        )
    return _assembled(chain)


def _readers(graph: Graph) -> dict[int, list[Operator | None]]:
    """By identity of a tensor: each operator that reads it, once, and None for the graph's end."""
    found: dict[int, list[Operator | None]] = {}
    for op in graph.operators:
        for place in {id(tensor) for tensor in op.inputs if tensor is not None}:
            found.setdefault(place, []).append(op)
    for tensor in graph.outputs:
        found.setdefault(id(tensor), []).append(None)
    return found


def _named_bytes(model: Model, op: Operator) -> int:
    """Of the constants that an operator names, or the body of its loop, as real values."""
    ops = [op]
    if op.name == "WHILE" and 0 < op.options["body_graph"] < len(model.graphs):
        ops += model.graphs[op.options["body_graph"]].operators
    constants = [t.data for one in ops for t in one.inputs if t is not None and t.data is not None]
    return sum(max(data.nbytes, 4 * data.size) for data in constants)


def _steps(x: Tensor) -> int:
    shape = (*x.shape, 1) if x.type == "int32" else x.shape  # indices have no axis of values
    if len(shape) not in (2, 3) or shape[0] != 1 or min(shape) < 1:
        raise ModelError(
            f"its input '{x.name}' has shape {shape}; (1, steps, values) is read: "
            "convert it with batch 1"
        )
    steps = math.prod(shape[:-1])
    if steps > MOST_STEPS:
        raise ModelError(
            f"its input '{x.name}' has {steps:,} steps; at most {MOST_STEPS:,} are read: "
            "convert it with fewer"
        )
    return steps


def _assembled(chain: Chain) -> Network | QuantizedNetwork:
    kinds = {part.name: part.precision for part in computing(chain.layers)}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise ModelError(f"its layers differ in precision ({told}); one precision is read")
    if chain.last_step and not any(isinstance(layer, Recurrent) for layer in chain.layers):
        raise ModelError("it takes the last step, but has no recurrent layer")
    behind = [layer for layer in chain.layers if isinstance(layer, READING)]
    reads = [layer for layer in behind[-1:] if isinstance(layer, ReadSteps)]
    if reads and chain.last_step:
        raise ModelError("it takes the last step and reads the steps in another way too")
    layers: tuple[Any, ...] = tuple(chain.layers)
    if not reads:
        layers = reading(chain.layers, last_step=chain.last_step)
    if "float32" in kinds.values() or not kinds:
        return Network(layers, tuple(chain.notes))
    return QuantizedNetwork(layers, dropped_softmax=chain.dropped_softmax)
