"""The .onnx graph that ONNX Runtime runs fastest: its operators one behind the other, steps first.

The files that edgelstm writes are batch first, which costs nodes at both ends of a short step.
"""

import logging
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network

Array = NDArray[Any]
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}  # of i f g o, of r z n
OPSET, IR_VERSION = 17, 9


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, inputs: list[str], outputs: list[str], **options: Any) -> str:
        """A node; the name of its first result."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, **options))
        return outputs[0]

    def constant(self, name: str, value: Array) -> str:
        """Its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def graph(network: Network) -> bytes:
    """The file of a float network of LSTMs, GRUs and dense layers without activation.

    Inputs are x (steps, 1, input_size) and the states h0 c0 h1 ... (directions, 1, hidden_size) of
    each recurrent layer; outputs y and the states h0_out ... . y has the axes that the last
    operator gives: (steps, directions, 1, hidden_size), (steps, 1, outputs), or (1, 1, outputs)
    where the last step is read.
    """
    from onnx import helper

    made, y = _Graph(), "x"
    states: dict[int, tuple[list[str], Any]] = {}
    for k, layer in enumerate(network.layers):
        after = network.layers[k + 1 :]
        name = "y" if not after else f"y{k}"
        if isinstance(layer, Recurrent):
            names = [f"{s}{len(states)}" for s in CELLS[layer.cell_name].states]
            y = _recurrent(made, layer, (y, name, names), follows=after)
            states[k] = names, layer
        elif not isinstance(layer, ReadSteps):
            assert isinstance(layer, Dense) and layer.activation is None
            weight = made.constant(f"{layer.name}.weight", layer.weight.T)
            product = made.add("MatMul", [y, weight], [f"{name}_product"])
            y = made.add("Add", [product, made.constant(f"{layer.name}.bias", layer.bias)], [name])
    free = {n: [len(f.parts), 1, f.forward.hidden_size] for ns, f in states.values() for n in ns}
    inputs = [_info("x", ["steps", 1, network.input_size]), *(_info(n, s) for n, s in free.items())]
    outputs = [_info("y", None), *(_info(f"{n}_out", s) for n, s in free.items())]
    proto = helper.make_graph(made.nodes, "network", inputs, outputs, made.constants)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(proto, opset_imports=[opset], ir_version=IR_VERSION)
    content: bytes = model.SerializeToString()
    return content


def _info(name: str, shape: list[Any] | None) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _recurrent(
    made: _Graph, layer: Any, names: tuple[str, str, list[str]], *, follows: tuple[Any, ...]
) -> str:
    """Its node, and behind it what brings the result to (steps, 1, size) for those that follow."""
    x, y, states = names
    order, scope = GATES[layer.cell_name], f"{layer.name}."
    weights = [
        made.constant(scope + name, np.stack([_blocks(part, name, order) for part in layer.parts]))
        for name in ("weight_ih", "weight_hh", "bias")
    ]
    options: dict[str, Any] = {"hidden_size": layer.forward.hidden_size}
    options |= {"direction": "bidirectional"} if len(layer.parts) == 2 else {}
    options |= {"linear_before_reset": 1} if layer.cell_name == "gru" else {}
    news = [f"{state}_out" for state in states]
    reads_last = bool(follows) and isinstance(follows[0], ReadSteps) and len(layer.parts) == 1
    own = y if not follows else f"{y}_own"
    made.add(
        "GRU" if layer.cell_name == "gru" else "LSTM",
        [x, *weights, "", *states],
        ["" if reads_last else own, *news],
        **options,
    )
    if not follows:
        return own
    if reads_last:
        return news[0]
    if len(layer.parts) == 1:
        return made.add("Squeeze", [own, _constant_int(made, f"{y}_axis", [1])], [y])
    turned = made.add("Transpose", [own], [f"{y}_turned"], perm=[0, 2, 1, 3])
    return made.add("Reshape", [turned, _constant_int(made, f"{y}_shape", [0, 0, -1])], [y])


def _constant_int(made: _Graph, name: str, value: list[int]) -> str:
    return made.constant(name, np.array(value, np.int64))


def _blocks(part: Any, name: str, order: tuple[int, ...]) -> Array:
    """A direction's weights, gates in ONNX's order; both biases one behind the other."""
    if name == "bias":
        return np.concatenate([_blocks(part, side, order) for side in ("bias_ih", "bias_hh")])
    gates = np.split(getattr(part, name), len(order))
    return np.concatenate([gates[k] for k in order])


def dynamic(content: bytes, **options: Any) -> Iterator[tuple[str, bytes]]:
    """The same graph with int8 weights, by ONNX Runtime's own quantizer: what it is, and the file.

    Where a processor lacks VNNI, products of 8 bits saturate, and 7 bits of weights are the advice.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for name, reduced in (("dynamic", False), ("dynamic, 7 bits", True)):
        with tempfile.TemporaryDirectory() as folder:
            source, made = pathlib.Path(folder, "f.onnx"), pathlib.Path(folder, "q.onnx")
            source.write_bytes(content)
            logging.disable(logging.WARNING)
            try:
                quantize_dynamic(
                    source, made, weight_type=QuantType.QInt8, reduce_range=reduced, **options
                )
            finally:
                logging.disable(logging.NOTSET)
            yield name, made.read_bytes()
