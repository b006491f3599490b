"""How many random sequences a file is checked on, and where they lie."""

import numpy as np
import pytest

from edgelstm.model.sizes import shapes
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification import sampling
from edgelstm.verification.sampling import affordable_sequences, random_sequences, widest
from tests.networks import bidirectional_network, random_input, random_network


@pytest.mark.parametrize(("precision", "factor"), [("float32", 10), ("hybrid", 3)])
def test_real_values_are_normal_then_several_times_as_large(precision: str, factor: int) -> None:
    network = random_network("lstm", (3, 4))
    taken = network if precision == "float32" else quantize(network, None, precision)
    got = random_sequences(taken, 5, 400)
    normal = np.random.default_rng(0).normal(size=(5, 400, 3))
    normal[2:] *= factor
    assert got.dtype == np.float32 and np.array_equal(got, normal.astype(np.float32))


def test_integers_fill_their_range_then_mostly_stand_at_its_ends() -> None:
    network = random_network("lstm", (3, 4))
    got = random_sequences(quantize(network, random_input(network, 4, 9)), 40, 500)
    assert got.dtype == np.int8
    inside, outside = got[:20].astype(float), got[20:].astype(float)
    # Uniform over 255 steps around the middle: a deviation of 255 / sqrt(12) = 73.6.
    assert abs(inside.mean() + 0.5) < 3 and abs(inside.std() - 73.6) < 2
    assert (inside.min(), inside.max()) == (-128, 127)
    # Normal of deviation 255: 61.7 % lie beyond half a range, at the two ends alike.
    at_ends = np.isin(outside, (-128, 127))
    assert abs(at_ends.mean() - 0.617) < 0.02
    assert abs((outside == 127).mean() - (outside == -128).mean()) < 0.02
    normal = np.random.default_rng(0).normal(size=got.shape)
    assert np.array_equal(outside, np.clip(np.rint(255 * normal[20:] - 0.5), -128, 127))


def test_the_same_sequences_come_each_time() -> None:
    network = random_network("lstm", (3, 4))
    assert np.array_equal(random_sequences(network, 3, 5), random_sequences(network, 3, 5))


# An LSTM 40 -> 64 has 4 * 64 * 104 = 26,624 MACs; 2e9 of them are affordable.
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1, 128),
        (586, 128),  # 2e9 // (26,624 * 586) = 128
        (587, 127),
        (1000, 75),
        (37_560, 2),  # 2e9 // (26,624 * 37,560) = 2
        (100_000, 2),  # two at least, by time
    ],
)
def test_as_many_sequences_as_take_seconds(steps: int, expected: int) -> None:
    assert affordable_sequences(shapes("lstm", 40, 64), steps) == expected


def test_steps_and_values_bound_the_sequences_too(monkeypatch: pytest.MonkeyPatch) -> None:
    network = shapes("lstm", 40, 64)
    monkeypatch.setattr(sampling, "AFFORDABLE_STEPS", 1000)
    assert affordable_sequences(network, 100) == 10
    monkeypatch.setattr(sampling, "MOST_VALUES", 100 * 64 * 3)
    assert affordable_sequences(network, 100) == 3
    monkeypatch.setattr(sampling, "MOST_VALUES", 100 * 64)
    assert affordable_sequences(network, 100) == 1
    monkeypatch.setattr(sampling, "MOST_VALUES", 1)
    assert affordable_sequences(network, 100) == 1


def test_the_widest_layer_counts_by_what_it_takes_or_gives() -> None:
    assert widest(shapes("lstm", 40, 8, outputs=3)) == 40
    assert widest(shapes("lstm", 4, 8, outputs=30)) == 30
    assert widest(bidirectional_network("lstm", (4, 8))) == 16
