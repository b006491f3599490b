"""Shared by tests of .onnx files: a file after ONNX's own checks, its results in ONNX Runtime."""

import dataclasses
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgelstm.formats.onnx.write import encode
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import at_each_step, reading
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Layer, Network, layer_names
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network, uniform
from tests.present import imported

ort = imported("onnxruntime", "onnxruntime")
AnyNetwork = Network | QuantizedNetwork
Array = NDArray[Any]


def model(network: AnyNetwork, *, streaming: bool = False) -> onnx.ModelProto:
    """The parsed file, after ONNX's own checks."""
    content = encode(network, steps=1, streaming=streaming, target="onnxruntime")[""]
    parsed = onnx.load_from_string(content)
    onnx.checker.check_model(parsed, full_check=True)
    onnx.shape_inference.infer_shapes(parsed, check_type=True, strict_mode=True, data_prop=True)
    return parsed


def session(parsed: onnx.ModelProto) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(parsed.SerializeToString(), options)


def run(network: AnyNetwork, x: Array) -> Array:
    return np.asarray(session(model(network)).run(["y"], {"x": x})[0])


def stream(network: AnyNetwork, x: Array) -> Array:
    """Results of a streaming file fed step by step, (batch, steps, ...)."""
    opened = session(model(network, streaming=True))
    _, *inputs = opened.get_inputs()
    types = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(int16)": np.int16}
    start = opened.get_modelmeta().custom_metadata_map
    states = {
        s.name: np.full(
            (len(x), s.shape[1]), int(start.get(f"edgelstm.{s.name}_zero_point", 0)), types[s.type]
        )
        for s in inputs
    }
    results = []
    for t in range(x.shape[1]):
        y, *new = opened.run(["y", *(f"{s}_out" for s in states)], {"x": x[:, t : t + 1], **states})
        states = dict(zip(states, new, strict=True))
        results.append(y if y.ndim == 2 else y[:, 0])
    return np.stack(results, 1)


def int8(network: Network, n: int = 20, steps: int = 20) -> QuantizedNetwork:
    return quantize(network, random_input(network, n, steps, seed=5))


def integers(network: QuantizedNetwork, n: int, steps: int, seed: int = 1) -> Array:
    x = random_input(network, n, steps, seed)
    q = quantize_reals(x, network.input_scale, network.input_zero_point, (-128, 127))
    return q.astype(np.int8)


def snr_db(expected: Array, got: Array) -> float:
    return float(10 * np.log10((expected**2).sum() / ((expected - got) ** 2).sum()))


def around(dense: tuple[int, int, str | None], network: Network) -> Network:
    """A dense layer in front of a network."""
    into, out, activation = dense
    rng = np.random.default_rng(9)
    layer = Dense("dense", uniform(rng, (out, into), 0.5), uniform(rng, (out,), 0.5), activation)
    layers: list[Layer] = [layer, *at_each_step(network).layers]
    kinds = [k.cell_name if isinstance(k, Recurrent) else "dense" for k in layers]
    named = [renamed(k, name) for k, name in zip(layers, layer_names(kinds), strict=True)]
    return Network(reading(named, last_step=network.last_step))


def renamed(layer: Layer, name: str) -> Layer:
    """A layer of one direction, or a dense one, by another name."""
    part: Any = layer.parts[0]
    made = dataclasses.replace(part, name=name)
    return Recurrent((made,)) if isinstance(layer, Recurrent) else made


def dense_only() -> Network:
    head = random_network("lstm", (6, 6), outputs=3, activation="sigmoid").layers[1]
    return around((5, 6, "relu"), Network((head,)))
