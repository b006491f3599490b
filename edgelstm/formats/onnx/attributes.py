"""A node's attributes as plain values, with the defaults that hang on the file's opset."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelstm.formats.onnx.tensors import to_array

if TYPE_CHECKING:
    import onnx


def attributes_of(node: onnx.NodeProto, opset: int, folder: pathlib.Path) -> dict[str, Any]:
    """Numbers, texts, lists and arrays by name.

    Args:
        node: Of the graph.
        opset: Of ONNX's own operators in the file.
        folder: Where the model lies.

    Raises:
        ModelError: A tensor that is not read.
    """
    from onnx import AttributeProto
    from onnx.helper import get_attribute_value

    attributes: dict[str, Any] = {}
    if node.op_type in ("Softmax", "LogSoftmax"):
        attributes["axis"] = -1 if opset >= 13 else 1
    if node.op_type == "Split":
        attributes["num_outputs"] = len(node.output)
    for attribute in node.attribute:
        value = get_attribute_value(attribute)
        if attribute.type == AttributeProto.TENSOR:
            value = to_array(value, folder)
        attributes[attribute.name] = _plain(value)
    return attributes


def _plain(value: Any) -> Any:
    """Bytes as text, repeated fields as lists."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    is_repeated = isinstance(value, Iterable) and not isinstance(value, (str, np.ndarray))
    return [_plain(item) for item in value] if is_repeated else value
