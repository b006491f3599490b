"""What an .onnx file is fixed to: its inputs, and where its states start."""

import pathlib

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.stated import whole_text
from edgelstm.formats.tensors import at


def facts(path: pathlib.Path) -> FileFacts:
    """Of a file with the input x and, when streaming, one input per state."""
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's and onnx's own kinds
        raise ModelError(f"{path.name}: not a readable .onnx file") from error
    constants = {tensor.name for tensor in model.graph.initializer}
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*model.graph.input, *model.graph.output)
        if value.name not in constants
    }
    if not {"x", "y"} <= set(types):
        raise ModelError(
            f"{path.name}: has inputs and outputs {', '.join(types)}; a file with x and y, "
            "as edgelstm writes it, is needed"
        )
    properties = {entry.key: entry.value for entry in model.metadata_props}
    kinds = {onnx.TensorProto.INT8: "int8", onnx.TensorProto.INT16: "int16"}
    states = [v.name for v in model.graph.input if v.name in types and v.name != "x"]
    starts = {}
    for name in states:
        kind, key = kinds.get(types[name], "float32"), f"edgelstm.{name}_zero_point"
        info = np.iinfo(kind) if kind in kinds.values() else np.iinfo("int8")
        with at(f"{path.name}: metadata"):
            zero_point = whole_text(properties.get(key, "0"), key, (int(info.min), int(info.max)))
        starts[name] = np.array(zero_point, kind)
    into, out = (kinds.get(types[end], "float32") for end in ("x", "y"))
    return FileFacts(None, into, out, bool(states), initial_states=starts)
