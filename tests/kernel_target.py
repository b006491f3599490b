"""Run in a child process with restricted features: `python -m tests.kernel_target [FORMAT...]`.

Prints one JSON object: processor, lanes, form of the int8 products, values that differ from the
oracle, and the largest errors of the float kernels. What instructions are used is settled when
numba starts. Of the formats that are given, fewer sizes and cells: an emulator compiles slowly.
"""

import json
import sys
from typing import Any

import numpy as np

from edgelstm.execution.session import Session, run
from edgelstm.kernels.simd import target
from edgelstm.layers.dense import Dense
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network

SIZES = [(1, 1), (5, 16), (13, 33), (40, 64), (7, 20, 50)]
CELLS = ["lstm", "gru"]
HEADS = [(1, 1, None), (13, 33, "relu"), (40, 9, "sigmoid"), (7, 21, "softmax"), (33, 150, None)]
FEW = [(1, 1), (13, 33), (7, 20, 50)]


def integers(
    sizes: tuple[int, ...], gain: float, cell_name: str = "lstm", form: str = "fused"
) -> int:
    """Values of an int8 network that differ from the oracle's, in sequences and in single steps."""
    network = random_network(cell_name, sizes, gain=gain)
    quantized = quantize(network, random_input(network, 4, 30), form=form)
    x = np.random.default_rng(3).integers(-128, 128, (2, 30, sizes[0])).astype(np.int8)
    expected = run(quantized, x, engine="reference")
    session = Session(quantized)
    steps = np.stack([session.step(x_t) for x_t in x[0]])
    wrong = np.count_nonzero(run(quantized, x) != expected)
    return int(wrong + np.count_nonzero(steps != expected[0]))


def floats(cell_name: str, sizes: tuple[int, ...]) -> float:
    """Largest error of a float network."""
    network = random_network(cell_name, sizes)
    x = random_input(network, 2, 30)
    return float(np.abs(run(network, x) - forward(network, x)).max())


def hybrid(sizes: tuple[int, ...]) -> float:
    """Largest error of a hybrid network."""
    network = quantize(random_network("lstm", sizes), None, "hybrid")
    x = random_input(network, 2, 30)
    return float(np.abs(run(network, x) - run(network, x, engine="reference")).max())


def head(inputs: int, outputs: int, activation: str | None) -> Network:
    """A dense layer by itself."""
    rng = np.random.default_rng(outputs)
    weight, bias = rng.normal(size=(outputs, inputs)) * 0.3, rng.normal(size=outputs)
    layer = Dense("dense1", weight.astype(np.float32), bias.astype(np.float32), activation)
    return Network((layer,))


def head_integers(inputs: int, outputs: int, activation: str | None) -> int:
    """Values of an int8 head that differ from the oracle's, from floats and to floats."""
    network = head(inputs, outputs, activation)
    quantized = quantize(network, random_input(network, 4, 9))
    x = random_input(quantized, 2, 29) * 2  # beyond the calibrated range
    expected = run(quantized, x, engine="reference")
    session = Session(quantized)
    steps = np.stack([session.step(x_t) for x_t in x[0]])
    wrong = np.count_nonzero(run(quantized, x) != expected)
    return int(wrong + np.count_nonzero(steps != expected[0]))


def head_error(network: Any) -> float:
    """Largest error of a head in real numbers."""
    x = random_input(network, 2, 29)
    return float(np.abs(run(network, x) - run(network, x, engine="reference")).max())


def main() -> None:
    """Prints what was found."""
    given = sys.argv[1:]
    sizes, cells = (FEW, CELLS[:1]) if given else (SIZES, CELLS)
    found: dict[str, Any] = {
        "cpu": target.CPU,
        "lanes": target.LANES,
        "dot4": target.DOT4,
    }
    if not given or "int8" in given:
        found["mismatches"] = sum(integers(s, gain) for s in sizes for gain in (1, 12))
        found["mismatches"] += sum(head_integers(*h) for h in HEADS if h[2] != "softmax")
    if not given or "composed" in given:
        composed = ("gru", "lstm_peephole")[: 1 if given else 2]
        found["composed"] = sum(integers(s, 6, c, "composed") for s in FEW for c in composed)
    if not given or "float32" in given:
        found["float32"] = max(floats(cell, s) for cell in cells for s in sizes)
        found["float32 heads"] = max(head_error(head(*h)) for h in HEADS)
    if not given or "hybrid" in given:
        found["hybrid"] = max(hybrid(s) for s in sizes)
        found["hybrid heads"] = max(head_error(quantize(head(*h), None, "hybrid")) for h in HEADS)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
