"""The computed arena against what TFLM's own interpreter needs: never below, at most 30 % above."""

import pathlib

import pytest

from edgelstm.cost.arena import Buffer, arena, placed_bytes
from edgelstm.formats import write
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes.arena import smallest_arena
from tests.networks import bidirectional_network, random_input, random_network
from tests.shapes import lstm

# Sizes of the layers, outputs, activation of the head, both directions, head over the last step.
NETWORKS = {
    "one unit": ((1, 1), 0, None, False, False),
    "keyword spotting": ((40, 64), 12, None, False, True),
    "wide input": ((100, 8), 0, None, False, False),
    "wide layer": ((2, 96), 1, "sigmoid", False, True),
    "two layers": ((8, 16, 16), 4, None, False, True),
    "four layers": ((6, 12, 24, 12, 6), 2, None, False, True),
    "head on each step": ((12, 20), 30, None, False, False),
    "bidirectional": ((12, 32), 0, None, True, False),
    "stack of both directions": ((10, 20, 30), 5, None, True, True),
}
# Precision, steps of a call, streaming.
CALLS = (
    ("int8", 1, True),
    ("int8", 30, False),
    ("float32", 1, False),
    ("float32", 50, False),
)
CASES = [
    (name, *call) for name in NETWORKS for call in CALLS if not (call[2] and NETWORKS[name][3])
]


def made(name: str) -> Network:
    sizes, outputs, activation, both, last = NETWORKS[name]
    build = bidirectional_network if both else random_network
    return build("lstm", sizes, outputs=outputs, activation=activation, last_step=last)


def test_at_least_thirty_networks_are_measured() -> None:
    assert len(CASES) >= 30


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision", "steps", "streaming"), CASES)
def test_the_bound_is_never_below_the_measured_arena_and_at_most_30_percent_above(
    name: str, precision: str, steps: int, *, streaming: bool, tmp_path: pathlib.Path
) -> None:
    pytest.importorskip("tflite_micro", reason="pip install tflite-micro")
    network = made(name)
    written: Network | QuantizedNetwork = network
    if precision != "float32":
        written = quantize(network, random_input(network, 2, 5), precision)
    path = write(written, tmp_path / "net.tflite", steps=steps, streaming=streaming)
    measured = smallest_arena(path)
    bound = arena(network, precision, steps)
    total = bound.states_bytes + bound.values_bytes + bound.notes_bytes
    assert measured is not None
    assert measured <= total <= 1.3 * measured


# int8, 3 -> 2, one step, each value in 16 B: h and c; x, y and four gates.
def test_parts_are_counted_by_hand() -> None:
    got = arena(lstm(3, 2), "int8", 1)
    assert (got.states_bytes, got.values_bytes) == (2 * 16, 6 * 16)
    assert arena(lstm(3, 2), "int8", 100).values_bytes == 304 + 208 + 4 * 16


def test_a_quantized_network_needs_what_its_original_needs() -> None:
    network = made("stack of both directions")
    quantized = quantize(network, random_input(network, 2, 5))
    assert arena(quantized, None, 20) == arena(network, "int8", 20)


def test_buffers_that_are_not_needed_together_share_a_place() -> None:
    assert placed_bytes([Buffer(64, 0, 1), Buffer(64, 2, 3)]) == 64
    assert placed_bytes([Buffer(64, 0, 2), Buffer(64, 2, 3)]) == 128
    assert placed_bytes([Buffer(48, 0, 1), Buffer(32, 1, 2), Buffer(16, 2, 2)]) == 80
