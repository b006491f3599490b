"""The test vector of a folder: 20 steps of input, half of them saturating, and what comes out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.build import AnyNetwork, Built
from edgelstm.formats.c.calls import C_TYPES, array_text
from edgelstm.layers.read_steps import at_each_step
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.reference import run_integers

STEPS = 20
RELATIVE = 1e-5  # of float32: sums in another order


def vector_header(built: Built, network: AnyNetwork) -> str:
    """test/test_vector.h: input and expected output of each step, from the laptop's reference."""
    x = inputs(network)
    every = at_each_step(network)
    y = forward(every, x) if isinstance(every, Network) else run_integers(every, x)
    kind = C_TYPES[built.ends]
    tolerance = RELATIVE * max(1.0, float(np.abs(y).max())) if built.ends == "float32" else 0
    values = ((x, "x", built.input_size), (y.astype(x.dtype), "y", built.output_size))
    lines = [
        f"/* {STEPS} steps from the initial state, and the results of the reference */",
        "#include <stdint.h>",
        "",
        f"#define TEST_STEPS {STEPS}",
        f"#define TEST_TOLERANCE {tolerance:.9g}",
    ]
    for array, name, size in values:
        text = array_text(array[0].ravel())
        lines += ["", f"static const {kind} test_{name}[TEST_STEPS * {size}] = {text};"]
    return "\n".join(lines) + "\n"


def inputs(network: AnyNetwork) -> NDArray[Any]:
    """(1, STEPS, input_size): the first half usual values, the second far out."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, STEPS, network.input_size))
    if network.input is None:
        x[:, STEPS // 2 :] *= 10
        return x.astype(np.float32)
    low, high = network.input.limits
    x = (low + high) / 2 + x * (high - low) / 8
    x[:, STEPS // 2 :] *= 10
    return np.clip(np.rint(x), low, high).astype(network.input.type)
