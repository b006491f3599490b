"""What a .tflite file holds, in Python: tensors, and operators that refer to them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.flatbuffer import Table, View, encode, open_root
from edgelstm.formats.tflite.schema import (
    IDENTIFIER,
    LARGEST_INT8_CODE,
    OPERATORS,
    OPTIONS,
    SCHEMA,
    TYPES,
    VERSION,
)

CONSTANTS = ("float32", "int8", "int16", "int32", "int64")  # types whose constants are decoded
MIN_RUNTIME_VERSION = "2.14.0"  # the oldest runtime that files were tested in
MOST_OPERATORS = 1000
MOST_INPUTS = 100
MOST_AXES = 8


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
        per_channel: The file gives several scales; `scale` is the first.
        sparse: The file lists non-zero values alone.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scale: float | None = None
    zero_point: int = 0
    data: NDArray[Any] | None = None
    is_variable: bool = False
    per_channel: bool = False
    sparse: bool = False


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
class Model:
    """A graph with one input and one output, operators in the order in which they run."""

    input: Tensor
    output: Tensor
    operators: tuple[Operator, ...]
    description: str = ""


def pack(model: Model) -> bytes:
    """The file: tensors in the order of their first use, each constant in a buffer of its own."""
    if len(model.operators) > MOST_OPERATORS:
        raise ModelError(
            f"the layers need {len(model.operators)} operators; at most {MOST_OPERATORS} are read"
        )
    tensors = _tensors(model)
    index = {id(tensor): k for k, tensor in enumerate(tensors)} | {id(None): -1}
    codes = list(dict.fromkeys((op.name, op.version) for op in model.operators))
    constants = [t.data for t in tensors if t.data is not None]
    metadata = MIN_RUNTIME_VERSION.encode().ljust(16, b"\0")
    buffers = [None, *(c.tobytes() for c in constants), metadata]  # 0: without data
    places = iter(range(1, len(buffers)))
    graph = Table(
        "SubGraph",
        {
            "tensors": [_tensor_table(t, 0 if t.data is None else next(places)) for t in tensors],
            "inputs": np.array([index[id(model.input)]], np.int32),
            "outputs": np.array([index[id(model.output)]], np.int32),
            "operators": [
                _operator_table(op, codes.index((op.name, op.version)), index)
                for op in model.operators
            ],
            "name": "main",
        },
    )
    root = {
        "version": VERSION,
        "operator_codes": [_code_table(*code) for code in codes],
        "subgraphs": [graph],
        "description": model.description,
        "buffers": [Table("Buffer", {"data": data}) for data in buffers],
        "metadata": [
            Table("Metadata", {"name": "min_runtime_version", "buffer": len(buffers) - 1})
        ],
        "signature_defs": [_signature(model, index)],
    }
    return encode(SCHEMA, Table("Model", root), IDENTIFIER)


def _tensors(model: Model) -> list[Tensor]:
    used = [model.input]
    for op in model.operators:
        used += [t for t in (*op.inputs, *op.intermediates, *op.outputs) if t is not None]
    return list({id(tensor): tensor for tensor in used}.values())


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


def _operator_table(op: Operator, code: int, index: Mapping[int, int]) -> Table:
    def indices(tensors: Sequence[Tensor | None]) -> NDArray[np.int32]:
        return np.array([index[id(tensor)] for tensor in tensors], np.int32)

    tag, kind = OPTIONS.get(op.name, (0, ""))
    fields = {
        "opcode_index": code,
        "inputs": indices(op.inputs),
        "outputs": indices(op.outputs),
        "builtin_options_type": tag,
        "builtin_options": Table(kind, op.options) if tag else None,
        "intermediates": indices(op.intermediates) if op.intermediates else None,
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


def _signature(model: Model, index: Mapping[int, int]) -> Table:
    def named(tensor: Tensor) -> list[Table]:
        return [Table("TensorMap", {"name": tensor.name, "tensor_index": index[id(tensor)]})]

    fields = {
        "inputs": named(model.input),
        "outputs": named(model.output),
        "signature_key": "serving_default",
        "subgraph_index": 0,
    }
    return Table("SignatureDef", fields)


def unpack(data: bytes) -> Model:
    """The first graph of a file; its constants are views of `data`.

    Raises:
        ModelError: Damaged bytes, several inputs or outputs, more operators than 1000.
    """
    file = _File(open_root(data, SCHEMA, "Model", IDENTIFIER))
    count = file.graph.size("operators")
    if count > MOST_OPERATORS:
        raise ModelError(
            f"it has {count} operators, at most {MOST_OPERATORS} are read; a recurrent layer that "
            "was unrolled over its steps is not supported, the fused LSTM operator is"
        )
    ends = [file.tensors(file.graph.numbers(end), end) for end in ("inputs", "outputs")]
    for end, found in zip(("inputs", "outputs"), ends, strict=True):
        if len(found) != 1 or found[0] is None:
            raise ModelError(f"it has {len(found)} {end}; a network with one is supported")
    (first,), (last,) = ends
    assert first is not None and last is not None
    operators = tuple(file.operator(k) for k in range(count))
    return Model(first, last, operators, file.root.text("description"))


class _File:
    """Decodes what is asked for; a tensor once, so that operators share it."""

    def __init__(self, root: View) -> None:
        if root.size("subgraphs") == 0:
            raise ModelError("it holds no graph")
        self.root, self.graph = root, root.item("subgraphs", 0)
        self._decoded: dict[int, Tensor | None] = {-1: None}

    def operator(self, index: int) -> Operator:
        view = self.graph.item("operators", index)
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
            self._decoded[index] = self._decode(self.graph.item("tensors", index))
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
            int(zeros[0]) if len(zeros) else 0,
            is_variable=view.scalar("is_variable"),
            per_channel=len(scales) > 1 or len(zeros) > 1,
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
        return {field: default.default for field, default in SCHEMA[kind].items()}
    if view.scalar("builtin_options_type") != tag:
        raise ModelError(f"the file is damaged: {name} has the options of another operator")
    return {field: options.scalar(field) for field in SCHEMA[kind]}
