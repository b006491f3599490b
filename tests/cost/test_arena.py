"""The computed arena against what TFLM's own interpreter needs: never below, at most 30 % above."""

import pathlib
import random

import pytest

from edgelstm.cost.arena import arena
from edgelstm.cost.count_ops import count
from edgelstm.cost.placing import Buffer, placed_bytes
from edgelstm.formats import write
from edgelstm.layers.activation import Activation
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes.arena import smallest_arena
from tests.networks import bidirectional_network, random_input, random_network
from tests.present import skip_without
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
    skip_without("tflm")
    network = made(name)
    written: Network | QuantizedNetwork = network
    if precision != "float32":
        written = quantize(network, random_input(network, 2, 5), precision)
    path = write(written, tmp_path / "net.tflite", steps=steps, streaming=streaming)
    measured = smallest_arena(path)
    bound = arena(count(network, precision=precision).buffers, steps)
    total = bound.states_bytes + bound.values_bytes + bound.notes_bytes
    assert measured is not None
    assert measured <= total <= 1.3 * measured


# Cells without an operator of their own: both directions, head over the last step.
COMPOSED = {
    "each step": (("gru", (40, 64)), False, False),
    "last step": (("gru", (12, 32)), False, True),
    "peepholes": (("lstm_peephole", (12, 32)), False, True),
    "two layers": (("mgu", (12, 32, 16)), False, False),
    "both directions": (("rnn", (6, 20)), True, False),
}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "int8", "int16x8"])
@pytest.mark.parametrize("name", COMPOSED)
def test_the_bound_of_step_graphs_is_never_below_and_at_most_50_percent_above(
    name: str, precision: str, tmp_path: pathlib.Path
) -> None:
    skip_without("tflm")
    asked, both, last = COMPOSED[name]
    network = (bidirectional_network if both else random_network)(*asked, last_step=last)
    written: Network | QuantizedNetwork = network
    if precision != "float32":
        written = quantize(network, random_input(network, 2, 5), precision)
    for steps, streaming in ((100, False), (20, False), *([] if both else [(1, True)])):
        path = write(written, tmp_path / "net.tflite", steps=steps, streaming=streaming)
        measured = smallest_arena(path)
        bound = arena(count(written, precision=precision).buffers, steps)
        total = bound.states_bytes + bound.values_bytes + bound.notes_bytes
        assert measured is not None
        assert measured <= total <= 1.6 * measured, (steps, measured, total)


# int8, 3 -> 2, one step, each value in 16 B: h and c; x, y and four gates.
def test_parts_are_counted_by_hand() -> None:
    buffers = count(lstm(3, 2)).buffers
    got = arena(buffers, 1)
    assert (got.states_bytes, got.values_bytes) == (2 * 16, 6 * 16)
    assert arena(buffers, 100).values_bytes == 304 + 208 + 4 * 16


def test_a_quantized_network_needs_what_its_original_needs() -> None:
    network = made("stack of both directions")
    quantized = quantize(network, random_input(network, 2, 5))
    assert arena(count(quantized).buffers, 20) == arena(count(network).buffers, 20)


def test_buffers_that_are_not_needed_together_share_a_place() -> None:
    assert placed_bytes([Buffer(64, 0, 1), Buffer(64, 2, 3)]) == 64
    assert placed_bytes([Buffer(64, 0, 2), Buffer(64, 2, 3)]) == 128
    assert placed_bytes([Buffer(48, 0, 1), Buffer(32, 1, 2), Buffer(16, 2, 2)]) == 80


def lowest_places(buffers: list[Buffer]) -> int:
    """Height when each buffer tries every multiple of 16 B from below, byte by byte."""
    taken: set[tuple[int, int]] = set()  # place and time
    height = 0
    for buffer in sorted(reversed(buffers), key=lambda b: -b.size_bytes):
        cells = [
            {
                (at, time)
                for at in range(start, start + buffer.size_bytes, 16)
                for time in range(buffer.first, buffer.last + 1)
            }
            for start in range(0, height + 16, 16)
        ]
        start, found = next((16 * k, c) for k, c in enumerate(cells) if not c & taken)
        taken |= found
        height = max(height, start + buffer.size_bytes)
    return height


def test_each_buffer_takes_the_lowest_place_that_is_free() -> None:
    draw = random.Random(3)
    for _ in range(200):
        first = [draw.randint(0, 6) for _ in range(draw.randint(1, 20))]
        buffers = [Buffer(16 * draw.randint(1, 5), f, f + draw.choice((0, 0, 1, 3))) for f in first]
        assert placed_bytes(buffers) == lowest_places(buffers)


@pytest.mark.slow
@pytest.mark.parametrize(("function", "numbers"), [("leaky_relu", (0.1,)), ("clamp", (0.1, 0.6))])
def test_the_bound_of_activations_on_each_step_is_never_below(
    function: str, numbers: tuple[float, ...], tmp_path: pathlib.Path
) -> None:
    skip_without("tflm")
    first, read, dense = random_network("gru", (5, 40), outputs=8, last_step=True).layers
    network = Network((first, Activation("a", 40, function, numbers), read, dense))
    written = quantize(network, random_input(network, 2, 5))
    measured = smallest_arena(write(written, tmp_path / "net.tflite", steps=20))
    bound = arena(count(written).buffers, 20)
    total = bound.states_bytes + bound.values_bytes + bound.notes_bytes
    assert measured is not None
    assert measured <= total <= 1.3 * measured
