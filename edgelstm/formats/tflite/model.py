"""What a .tflite file holds, in Python: graphs of operators, and the tensors they refer to."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_OPERATORS = 1000  # of a file
SERVING, RESET = "serving_default", "reset"  # keys of signatures
WAY_OUT = "give the model as Keras saves it: model.save('net.keras')"


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """One value of the graph; operators that share it hold the same object.

    Attributes:
        name: Free text.
        shape: As the file states it.
        type: One of `TYPES`.
        scale, zero_point: ``real = scale * (integer - zero_point)``; scale None for real values.
        data: The constant, of `shape` and `type`; None for what is computed.
        is_variable: It keeps its values from one call to the next.
        channels: Scale of each entry of an axis, `scale` being the first; None: one for all.
        channel_axis: That axis.
        sparse: The file lists non-zero values alone.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scale: float | None = None
    zero_point: int = 0
    data: NDArray[Any] | None = None
    is_variable: bool = False
    channels: NDArray[np.float32] | None = None
    channel_axis: int = 0
    sparse: bool = False

    @property
    def per_channel(self) -> bool:
        """Whether the file gives several scales."""
        return self.channels is not None


@dataclasses.dataclass(frozen=True, eq=False)
class Operator:
    """One operator.

    Attributes:
        name: One of `OPERATORS`.
        inputs, outputs, intermediates: Tensors, None where an optional one is absent.
        options: Field of its option table to value; what is left out has its default.
        version: Which definition of the operator a runtime needs.
    """

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor | None, ...]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    version: int = 1
    intermediates: tuple[Tensor | None, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """Operators in the order in which they run."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    name: str = "main"


@dataclasses.dataclass(frozen=True, eq=False)
class Signature:
    """How a graph is called: its inputs and outputs by name.

    Attributes:
        key: `SERVING`, `RESET`.
        graph: Its place in the model.
        inputs, outputs: Name to tensor of that graph.
    """

    key: str
    graph: int
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A file: the first graph is run; operators name the others by their place.

    Attributes:
        graphs, signatures: At least one graph.
        description: Free text.
        metadata: Name to bytes.
    """

    graphs: tuple[Graph, ...]
    signatures: tuple[Signature, ...] = ()
    description: str = ""
    metadata: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def one_graph(x: Tensor, y: Tensor, operators: tuple[Operator, ...], description: str) -> Model:
    """A file of one graph with one input and one output."""
    serving = Signature(SERVING, 0, {x.name: x}, {y.name: y})
    return Model((Graph((x,), (y,), operators),), (serving,), description)


def operator_names(model: Model) -> tuple[str, ...]:
    """Of all graphs, each once, in the order of their first use."""
    return tuple(dict.fromkeys(op.name for graph in model.graphs for op in graph.operators))
