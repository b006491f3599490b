"""The test vector of a folder: a sequence, half of it saturating, and what comes out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.c.build import INDICES, AnyNetwork, Built
from edgelstm.formats.c.calls import C_TYPES, array_text
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import at_each_step, can_read_each
from edgelstm.model.forward import forward
from edgelstm.model.front import entered
from edgelstm.model.network import Network
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.reference import run_integers

STEPS = 20
RELATIVE = 1e-5  # of float32: sums in another order


def vector_header(built: Built, network: AnyNetwork) -> str:
    """test/test_vector.h: input and expected output, from the laptop's reference."""
    x = inputs(network)
    y = _expected(built, network, x)
    kind = C_TYPES[built.output_type]
    is_real = built.output_type == "float32"
    tolerance = RELATIVE * max(1.0, float(np.abs(y).max())) if is_real else 0
    values = ((x, "x", C_TYPES[built.input_type]), (y.astype(built.output_type), "y", kind))
    lines = [
        "/* a sequence from the initial state, and the results of the reference */",
        "#include <stdint.h>",
        "",
        f"#define TEST_STEPS {x.shape[1]}",
        f"#define TEST_VALUES {y.size}",
        f"#define TEST_TOLERANCE {tolerance:.9g}",
    ]
    for array, name, c_type in values:
        text = array_text(array.ravel())
        lines += ["", f"static const {c_type} test_{name}[{array.size}] = {text};"]
    return "\n".join(lines) + "\n"


def _expected(built: Built, network: AnyNetwork, x: NDArray[Any]) -> NDArray[Any]:
    """Of each step what a sequence gives that ends there; of a whole sequence its result."""
    if not built.streams:
        return _run(network, x)
    if can_read_each(network.layers):
        return _run(at_each_step(network), x)
    return np.stack([_run(network, x[:, : t + 1]) for t in range(x.shape[1])], 1)


def _run(network: AnyNetwork, x: NDArray[Any]) -> NDArray[Any]:
    if isinstance(network, Network):
        return forward(network, x)
    scale, behind = network.input, network.behind
    if network.indices and scale is not None:
        x = quantize_reals(entered(network, x), scale.scale, scale.zero_point, scale.limits)
    return run_integers(behind, x)


def inputs(network: AnyNetwork) -> NDArray[Any]:
    """(1, steps, input_size): the first half usual values, the second far out; or indices."""
    rng, steps = np.random.default_rng(0), network.fixed_steps or STEPS
    first = network.layers[0]
    if isinstance(first, Embedding):
        lowest = 0 if network.mask_value is None else min(1, len(first.weight) - 1)
        return rng.integers(lowest, len(first.weight), size=(1, steps)).astype(INDICES)
    x = rng.normal(size=(1, steps, network.input_size))
    if network.input is None:
        x[:, steps // 2 :] *= 10
        return x.astype(np.float32)
    low, high = network.input.limits
    x = (low + high) / 2 + x * (high - low) / 8
    x[:, steps // 2 :] *= 10
    return np.clip(np.rint(x), low, high).astype(network.input.type)
