"""The promise: integers equal, bit for bit, in every runtime that is installed.

The runtimes are the oracle here, each in a child process; a runtime that is absent is skipped with
the line that installs it. `pytest tests/runtimes/test_exactness.py -s` prints how many values were
compared.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.execution.session import run
from edgelstm.formats import facts, write
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.isolation import execute
from edgelstm.verification.verifier import ORACLES, expected_outputs
from tests.networks import bidirectional_network, golden_lstm, random_input, random_network
from tests.present import skip_without

pytestmark = pytest.mark.slow

N_SEQUENCES, N_STEPS = 50, 100
CASES: dict[str, dict[str, Any]] = {
    "1-1": {"sizes": (1, 1)},
    "1-7": {"sizes": (1, 7)},
    "5-16": {"sizes": (5, 16)},
    "13-33": {"sizes": (13, 33)},
    "40-64": {"sizes": (40, 64)},
    "64-128": {"sizes": (64, 128)},
    "two layers": {"sizes": (5, 24, 16)},
    "three layers and a head": {"sizes": (5, 16, 12, 8), "outputs": 4},
    "head relu": {"sizes": (12, 32), "outputs": 40, "activation": "relu"},
    "head sigmoid": {"sizes": (12, 32), "outputs": 40, "activation": "sigmoid"},
    "head of the last step": {"sizes": (12, 32), "outputs": 9, "last_step": True},
    "weights times 6": {"sizes": (13, 33), "gain": 6},
    "weights times 40": {"sizes": (13, 33), "gain": 40, "outputs": 20},
    "cell clip": {"sizes": (13, 33), "gain": 6, "cell_clip": 0.5},
    "both directions 1-1": {"sizes": (1, 1), "both": True},
    "both directions": {"sizes": (13, 33), "both": True},
    "both directions, weights times 6": {"sizes": (13, 33), "gain": 6, "both": True},
    "both directions twice and a head": {"sizes": (5, 16, 12), "outputs": 9, "both": True},
}
# Emulated cores have test_sweep.py; a folder of C has no reverse direction.
FILES = [name for name, runtime in RUNTIMES.items() if runtime.suffix != "_c"]
RUN = [
    (name, runtime)
    for name, case in CASES.items()
    for runtime in (*FILES, *(() if "both" in case else ("host",)))
]


def quantized(case: dict[str, Any]) -> QuantizedNetwork:
    options = {name: value for name, value in case.items() if name != "both"}
    network = (bidirectional_network if "both" in case else random_network)("lstm", **options)
    return quantize(network, random_input(network, 20, N_STEPS))


def integers(network: QuantizedNetwork, n: int = N_SEQUENCES, steps: int = N_STEPS) -> Any:
    """Half over the whole range, half mostly at its ends: far outside what was calibrated."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, steps, network.input_size)) * 60
    x[n // 2 :] *= 5
    return np.clip(np.rint(x), -128, 127).astype(np.int8)


def free_scales(network: QuantizedNetwork) -> QuantizedNetwork:
    """Scales as other converters choose them: any float32, not of 12 bits."""
    rng = np.random.default_rng(4)

    def freed(scale: float) -> float:
        return float(np.float32(scale * (1 + rng.uniform(1e-4, 1e-3))))

    layers = []
    for layer in parts(network.layers):
        x, h = (
            dataclasses.replace(layer.scales[v], scale=freed(layer.scales[v].scale)) for v in "xh"
        )
        scales = {v: h if s == layer.scales["h"] else s for v, s in layer.scales.items()}
        weights = {key: freed(scale) for key, scale in layer.weight_scales.items()}
        freed_layer = dataclasses.replace(layer, scales={**scales, "x": x}, weight_scales=weights)
        layers.append(Recurrent((freed_layer,)))
    return dataclasses.replace(network, layers=tuple(layers))


def wide(gain: float) -> QuantizedNetwork:
    network = random_network("lstm", (48, 256), gain=gain, seed=1)
    return free_scales(quantize(network, random_input(network, 5, 30)))


FOREIGN: dict[str, Callable[[], QuantizedNetwork]] = {
    "golden vector": golden_lstm,
    "256 units": lambda: wide(1),
    "256 units, weights times 6": lambda: wide(6),
}


def differing(runtime: str, path: Path, network: QuantizedNetwork, x: Any) -> int:
    """Values of a runtime that are not the oracle's; skips where the runtime is absent."""
    skip_without(runtime)
    about = facts(path)
    done = execute(runtime, path, x, streaming=about.streaming, initial_states=about.initial_states)
    assert done.outputs is not None, done.reason
    expected = expected_outputs(network, x, runtime, every_step=about.streaming)
    assert done.outputs.shape == expected.shape
    print(f"{path.name} {runtime}: {expected.size:,} values")
    return int(np.count_nonzero(done.outputs != expected))


@pytest.mark.parametrize("name, runtime", RUN)
def test_no_value_differs(name: str, runtime: str, tmp_path: Path) -> None:
    network = quantized(CASES[name])
    path = write(network, tmp_path / f"net{RUNTIMES[runtime].suffix}", steps=N_STEPS)
    assert differing(runtime, path, network, integers(network)) == 0


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_numba_equals_the_oracle(case: dict[str, Any]) -> None:
    network = quantized(case)
    x = integers(network)
    assert np.array_equal(run(network, x), run(network, x, engine="reference"))


@pytest.mark.parametrize("runtime", ["tflm", "litert", "tflite-runtime"])
@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_free_scales_keep_the_bits_of_each_runtime(
    make: Callable[[], QuantizedNetwork], runtime: str, tmp_path: Path
) -> None:
    network = make()
    path = write(network, tmp_path / "net.tflite", steps=N_STEPS)
    assert differing(runtime, path, network, integers(network)) == 0


@pytest.mark.parametrize("runtime", ORACLES)
def test_streaming_equals_the_whole_sequence(runtime: str, tmp_path: Path) -> None:
    network = quantized({"sizes": (13, 33, 16), "outputs": 4, "gain": 3})
    suffix, x = RUNTIMES[runtime].suffix, integers(network, n=6)
    step = write(network, tmp_path / f"step{suffix}", streaming=True)
    whole = write(network, tmp_path / f"whole{suffix}", steps=N_STEPS)
    assert differing(runtime, step, network, x) == 0
    assert differing(runtime, whole, network, x) == 0


# Another rounding of LiteRT's dense layers shows in 1 value of 100,000.
@pytest.mark.parametrize("sizes, activation", [((59, 22), "relu"), ((33, 9), None)])
@pytest.mark.parametrize("runtime", ["tflm", "litert", "tflite-runtime"])
def test_dense_layers_alone_keep_the_bits(
    runtime: str, sizes: tuple[int, int], activation: str | None, tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    weight, bias = rng.normal(size=sizes[::-1]), rng.normal(size=sizes[1])
    layer = Dense("d", weight.astype(np.float32), bias.astype(np.float32), activation)
    network = quantize(Network((layer,)), rng.normal(size=(4, 50, sizes[0])).astype(np.float32))
    path = write(network, tmp_path / "net.tflite", steps=N_STEPS)
    x = rng.integers(-128, 128, (300, N_STEPS, sizes[0])).astype(np.int8)
    assert differing(runtime, path, network, x) == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("runtime", ["tflm", "litert", "tflite-runtime"])
def test_wide_heads_keep_the_bits(runtime: str, seed: int, tmp_path: Path) -> None:
    network = quantized({"sizes": (8, 24), "outputs": 300, "seed": seed})
    path = write(network, tmp_path / "net.tflite", steps=N_STEPS)
    assert differing(runtime, path, network, integers(network, n=20)) == 0
