"""Graph: nodes and constants of an ONNX graph as they are added, each under a name of its own."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

WEIGHT_ZERO_POINT = np.uint8(128)


@dataclasses.dataclass(frozen=True)
class Graph:
    """A graph under construction.

    Attributes:
        nodes: In the order in which they were added.
        constants: Name to tensor; the body of a loop reads those of the graph around it.
        names: How often each name was asked for.
    """

    nodes: list[onnx.NodeProto] = dataclasses.field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = dataclasses.field(default_factory=dict)
    names: Counter[str] = dataclasses.field(default_factory=Counter)

    def body(self) -> Graph:
        """The body of a loop in this graph: nodes of its own, the same constants and names."""
        return Graph([], self.constants, self.names)

    def constant(self, values: Any, name: str | None = None) -> str:
        """A constant's name; if none is given, its type and values, so that equal ones are one.

        Python's integers become int64.
        """
        from onnx.numpy_helper import from_array

        if not isinstance(values, np.ndarray | np.generic):
            values = np.array(values, np.int64)
        name = name or f"{values.dtype} {values.tolist()}"
        if name not in self.constants:
            self.constants[name] = from_array(values, name)
        return name

    def __call__(self, operator: str, *inputs: str, scope: str, **attributes: Any) -> str:
        """Adds a node with one result, both called ``scope/operator``; returns that name."""
        name = f"{scope}/{operator}"
        self.names[name] += 1
        if self.names[name] > 1:
            name += f"_{self.names[name]}"
        return self.add(operator, inputs, [name], name=name, **attributes)

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        name: str,
        **attributes: Any,
    ) -> str:
        """Adds a node with given names; returns that of its first result."""
        from onnx.helper import make_node

        self.nodes.append(make_node(operator, inputs, outputs, name=name, **attributes))
        return outputs[0]

    def proto(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        *,
        constants: bool,
    ) -> onnx.GraphProto:
        """The finished graph: what its outputs need, nothing else; constants in the outermost."""
        from onnx.helper import make_graph

        nodes = _needed(self.nodes, {value.name for value in outputs})
        read = set(_read(nodes)) if constants else set()
        tensors = [tensor for name, tensor in self.constants.items() if name in read]
        return make_graph(nodes, name, inputs, outputs, tensors)


def _needed(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted = wanted | set(_read([node]))
    return kept[::-1]


def _read(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Names that the nodes read, those in the bodies of loops included."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            yield from _read(attribute.g.node)


def value_info(name: str, type_name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    """Name, type and shape of an input or output; a text in the shape is a size that is free."""
    from onnx.helper import make_tensor_value_info

    return make_tensor_value_info(name, onnx_type(type_name), shape)


def onnx_type(type_name: str) -> int:
    """ONNX's number of a NumPy type."""
    from onnx.helper import np_dtype_to_tensor_dtype

    return int(np_dtype_to_tensor_dtype(np.dtype(type_name)))


def unsigned(weight: NDArray[np.signedinteger]) -> NDArray[np.uint8]:
    """Int8 weights as uint8 with zero point 128: a signed right factor saturates on older CPUs."""
    # onnxruntime's u8 x s8 product adds pairs in int16 on x86 without VNNI
    return (weight.astype(np.int16) + int(WEIGHT_ZERO_POINT)).astype(np.uint8)
