"""pack: from a model to the bytes of a .tflite file."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.flatbuffer import Table, encode
from edgelstm.formats.tflite.model import MOST_OPERATORS, Graph, Model, Operator, Signature, Tensor
from edgelstm.formats.tflite.schema import (
    IDENTIFIER,
    LARGEST_INT8_CODE,
    OPERATORS,
    OPTIONS,
    SCHEMA,
    TYPES,
    VERSION,
)

MIN_RUNTIME_VERSION = "2.14.0"  # the oldest runtime that files were tested in

Code = tuple[str, int]  # name and version of an operator
Indices = Mapping[int, int]  # id of a tensor to its place in its graph


def pack(model: Model) -> bytes:
    """The file: tensors of a graph in the order of their first use, each array stored once."""
    operators = [op for graph in model.graphs for op in graph.operators]
    if len(operators) > MOST_OPERATORS:
        raise ModelError(
            f"the layers need {len(operators)} operators; at most {MOST_OPERATORS} are read"
        )
    tensors = [_tensors(graph) for graph in model.graphs]
    constants = {id(t.data): t.data for found in tensors for t in found if t.data is not None}
    metadata = {
        "min_runtime_version": MIN_RUNTIME_VERSION.encode().ljust(16, b"\0"),
        **model.metadata,
    }
    # Buffer 0 belongs to every tensor without data.
    buffers = [None, *(c.tobytes() for c in constants.values()), *metadata.values()]
    places = {name: k + 1 for k, name in enumerate((*constants, *metadata))}
    codes = list(dict.fromkeys((op.name, op.version) for op in operators))
    indices = [_indices(found) for found in tensors]
    root = {
        "version": VERSION,
        "operator_codes": [_code_table(*code) for code in codes],
        "subgraphs": [
            _graph_table(
                graph, [_tensor_table(t, places.get(id(t.data), 0)) for t in found], index, codes
            )
            for graph, found, index in zip(model.graphs, tensors, indices, strict=True)
        ],
        "description": model.description,
        "buffers": [Table("Buffer", {"data": data}) for data in buffers],
        "metadata": [
            Table("Metadata", {"name": name, "buffer": places[name]}) for name in metadata
        ],
        "signature_defs": [_signature_table(s, indices[s.graph]) for s in model.signatures],
    }
    return encode(SCHEMA, Table("Model", root), IDENTIFIER)


def _tensors(graph: Graph) -> list[Tensor]:
    used: list[Tensor] = [*graph.inputs]
    for op in graph.operators:
        used += [t for t in (*op.inputs, *op.intermediates, *op.outputs) if t is not None]
    return list({id(tensor): tensor for tensor in (*used, *graph.outputs)}.values())


def _indices(tensors: Iterable[Tensor]) -> Indices:
    return {id(tensor): k for k, tensor in enumerate(tensors)} | {id(None): -1}


def _graph_table(
    graph: Graph, tensors: Sequence[Table], index: Indices, codes: Sequence[Code]
) -> Table:
    fields = {
        "tensors": tensors,
        "inputs": _places(graph.inputs, index),
        "outputs": _places(graph.outputs, index),
        "operators": [
            _operator_table(op, codes.index((op.name, op.version)), index) for op in graph.operators
        ],
        "name": graph.name,
    }
    return Table("SubGraph", fields)


def _places(tensors: Sequence[Tensor | None], index: Indices) -> NDArray[np.int32]:
    return np.array([index[id(tensor)] for tensor in tensors], np.int32)


def _tensor_table(tensor: Tensor, buffer: int) -> Table:
    quantization = None
    if tensor.scale is not None:
        scales = {
            "scale": np.array([tensor.scale], np.float32),
            "zero_point": np.array([tensor.zero_point], np.int64),
        }
        quantization = Table("Quantization", scales)
    fields = {
        "shape": np.array(tensor.shape, np.int32),
        "type": TYPES.index(tensor.type),
        "buffer": buffer,
        "name": tensor.name,
        "quantization": quantization,
        "is_variable": tensor.is_variable,
        "has_rank": True,
    }
    return Table("Tensor", fields)


def _operator_table(op: Operator, code: int, index: Indices) -> Table:
    tag, kind = OPTIONS.get(op.name, (0, ""))
    fields = {
        "opcode_index": code,
        "inputs": _places(op.inputs, index),
        "outputs": _places(op.outputs, index),
        "builtin_options_type": tag,
        "builtin_options": Table(kind, op.options) if tag else None,
        "intermediates": _places(op.intermediates, index) if op.intermediates else None,
    }
    return Table("Operator", fields)


def _code_table(name: str, version: int) -> Table:
    code = OPERATORS.index(name)
    fields = {
        "deprecated_builtin_code": min(code, LARGEST_INT8_CODE),
        "version": version,
        "builtin_code": code,
    }
    return Table("OperatorCode", fields)


def _signature_table(signature: Signature, index: Indices) -> Table:
    def named(tensors: Mapping[str, Tensor]) -> list[Table]:
        return [
            Table("TensorMap", {"name": name, "tensor_index": index[id(tensor)]})
            for name, tensor in tensors.items()
        ]

    fields = {
        "inputs": named(signature.inputs),
        "outputs": named(signature.outputs),
        "signature_key": signature.key,
        "subgraph_index": signature.graph,
    }
    return Table("SignatureDef", fields)
