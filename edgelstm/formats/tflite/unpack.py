"""unpack: from the bytes of a .tflite file to a model, with checks."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.flatbuffer import View, open_root
from edgelstm.formats.tflite.model import (
    MOST_OPERATORS,
    WAY_OUT,
    Graph,
    Model,
    Operator,
    Signature,
    Tensor,
)
from edgelstm.formats.tflite.schema import IDENTIFIER, OPERATORS, OPTIONS, SCHEMA, TYPES

CONSTANTS = ("float32", "int8", "int16", "int32", "int64")  # types whose constants are decoded
MOST_INPUTS = 1000
MOST_AXES = 8
MOST_GRAPHS = 100
MOST_METADATA = 100


def unpack(data: bytes, *, every_graph: bool = False) -> Model:
    """A file's first graph, or all of them with their signatures; constants are views of `data`.

    Raises:
        ModelError: Damaged bytes, more graphs than 100, more operators than 1000.
    """
    root = open_root(data, SCHEMA, "Model", IDENTIFIER)
    count = root.size("subgraphs")
    if count == 0:
        raise ModelError("it holds no graph")
    if count > MOST_GRAPHS and every_graph:
        raise ModelError(f"it has {count} graphs; at most {MOST_GRAPHS} are read")
    views = [_GraphView(root, k) for k in range(count if every_graph else 1)]
    n_operators = sum(view.n_operators for view in views)
    if n_operators > MOST_OPERATORS:
        raise ModelError(
            f"it has {n_operators} operators, at most {MOST_OPERATORS} are read; a recurrent layer "
            f"that was unrolled over its steps is not supported; {WAY_OUT}"
        )
    graphs = tuple(view.graph() for view in views)
    signatures = _signatures(root, views) if every_graph else ()
    return Model(graphs, signatures, root.text("description"), _metadata(root))


def _metadata(root: View) -> dict[str, bytes]:
    """The first of a file's entries, as many as are read."""
    entries = [root.item("metadata", k) for k in range(min(root.size("metadata"), MOST_METADATA))]
    return {
        entry.text("name"): root.item("buffers", entry.scalar("buffer")).numbers("data").tobytes()
        for entry in entries
    }


def _signatures(root: View, views: list["_GraphView"]) -> tuple[Signature, ...]:
    count = root.size("signature_defs")
    if count > MOST_GRAPHS:
        raise ModelError(f"it has {count} signatures; at most {MOST_GRAPHS} are read")
    found = []
    for k in range(count):
        view = root.item("signature_defs", k)
        key, graph = view.text("signature_key"), view.scalar("subgraph_index")
        if graph >= len(views):
            raise ModelError(f"signature '{key}' is of graph {graph}; it has {len(views)} graphs")
        ends = (views[graph].named(view, end) for end in ("inputs", "outputs"))
        found.append(Signature(key, graph, *ends))
    return tuple(found)


class _GraphView:
    """Decodes what is asked for; a tensor once, so that operators share it."""

    def __init__(self, root: View, place: int) -> None:
        self.root, self.view = root, root.item("subgraphs", place)
        self._decoded: dict[int, Tensor | None] = {-1: None}

    @property
    def n_operators(self) -> int:
        return self.view.size("operators")

    def graph(self) -> Graph:
        inputs, outputs = (
            self._present(self.tensors(self.view.numbers(end), end), end)
            for end in ("inputs", "outputs")
        )
        operators = tuple(self.operator(k) for k in range(self.n_operators))
        return Graph(inputs, outputs, operators, self.view.text("name"))

    def _present(self, tensors: tuple[Tensor | None, ...], what: str) -> tuple[Tensor, ...]:
        found = tuple(t for t in tensors if t is not None)
        if len(found) != len(tensors):
            raise ModelError(f"the file is damaged: one of its {what} is absent")
        return found

    def named(self, signature: View, end: str) -> dict[str, Tensor]:
        """A signature's inputs or outputs."""
        count = signature.size(end)
        if count > MOST_INPUTS:
            raise ModelError(f"a signature lists {count} {end}; at most {MOST_INPUTS} are read")
        maps = [signature.item(end, k) for k in range(count)]
        places = np.array([entry.scalar("tensor_index") for entry in maps], np.int64)
        tensors = self._present(self.tensors(places, end), end)
        return {entry.text("name"): t for entry, t in zip(maps, tensors, strict=True)}

    def operator(self, index: int) -> Operator:
        view = self.view.item("operators", index)
        code = self.root.item("operator_codes", view.scalar("opcode_index"))
        name = _operator_name(code)
        names = ("inputs", "outputs", "intermediates")
        inputs, outputs, between = (
            self.tensors(view.numbers(n), f"{n} of operator {index} ({name})") for n in names
        )
        return Operator(
            name, inputs, outputs, _options(view, name), code.scalar("version"), between
        )

    def tensors(self, indices: NDArray[Any], what: str) -> tuple[Tensor | None, ...]:
        if len(indices) > MOST_INPUTS:
            raise ModelError(f"it lists {len(indices)} {what}; at most {MOST_INPUTS} are read")
        return tuple(self._tensor(int(index)) for index in indices)

    def _tensor(self, index: int) -> Tensor | None:
        if index not in self._decoded:
            self._decoded[index] = self._decode(self.view.item("tensors", index))
        return self._decoded[index]

    def _decode(self, view: View) -> Tensor:
        name, shape, number = view.text("name"), view.numbers("shape"), view.scalar("type")
        if len(shape) > MOST_AXES:
            raise ModelError(f"tensor '{name}' has {len(shape)} axes; at most {MOST_AXES} are read")
        quantization = view.table("quantization")
        scales: Any = [] if quantization is None else quantization.numbers("scale")
        zeros: Any = [] if quantization is None else quantization.numbers("zero_point")
        tensor = Tensor(
            name,
            tuple(int(n) for n in shape),
            TYPES[number] if 0 <= number < len(TYPES) else f"type {number}",
            float(scales[0]) if len(scales) else None,
            int(zeros[np.argmax(zeros != 0)]) if len(zeros) else 0,
            is_variable=view.scalar("is_variable"),
            channels=scales if len(scales) > 1 or len(zeros) > 1 else None,
            channel_axis=0 if quantization is None else quantization.scalar("quantized_dimension"),
            sparse=view.has("sparsity"),
        )
        stored = self.root.item("buffers", view.scalar("buffer")).numbers("data")
        return dataclasses.replace(tensor, data=_constant(tensor, stored))


def _constant(tensor: Tensor, stored: NDArray[np.uint8]) -> NDArray[Any] | None:
    """Bytes of a buffer in the tensor's type and shape; None if it has none or of another type."""
    if not stored.size or tensor.type not in CONSTANTS or tensor.sparse:
        return None
    needed = math.prod(tensor.shape) * np.dtype(tensor.type).itemsize
    if min(tensor.shape, default=1) < 1 or stored.size != needed:
        raise ModelError(
            f"tensor '{tensor.name}' holds {stored.size} bytes; "
            f"{tensor.type} of shape {tensor.shape} needs {needed}"
        )
    return stored.view(np.dtype(tensor.type).newbyteorder("<")).reshape(tensor.shape)


def default_options(name: str) -> dict[str, Any]:
    """Every field of an operator's option table at its default."""
    fields = SCHEMA[OPTIONS[name][1]] if name in OPTIONS else {}
    return {
        field: "" if stated.kind == "string" else stated.default for field, stated in fields.items()
    }


def _operator_name(code: View) -> str:
    # Files from before the second field leave it 0.
    number = max(code.scalar("deprecated_builtin_code"), code.scalar("builtin_code"))
    if not 0 <= number < len(OPERATORS):
        return f"operator code {number}"
    name = OPERATORS[number]
    return f"CUSTOM {code.text('custom_code')}" if name == "CUSTOM" else name


def _options(view: View, name: str) -> dict[str, Any]:
    """Every field of the operator's option table, defaults where the file says nothing."""
    if name not in OPTIONS:
        return {}
    tag, kind = OPTIONS[name]
    options = view.table("builtin_options", kind)
    if options is None:
        return default_options(name)
    if view.scalar("builtin_options_type") != tag:
        raise ModelError(f"the file is damaged: {name} has the options of another operator")
    return {
        field: options.text(field) if stated.kind == "string" else options.scalar(field)
        for field, stated in SCHEMA[kind].items()
    }
