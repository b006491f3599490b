"""Ranges that calibration reads off a float network, and what it says on the way."""

from typing import Any

import numpy as np
import pytest

from edgelstm.model.network import Network
from edgelstm.quantization import calibration
from edgelstm.quantization.calibration import observe
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_bidirectional, random_input, random_network, random_recurrent

LIMIT = 0.5


class Everywhere(dict[tuple[str, str], float]):
    """One limit for every value."""

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def get(self, key: Any, default: Any = None) -> Any:
        return self._limit


def input_sums(network: Any, x: Any) -> Any:
    """W x + b of the forget gate, step by step in float64."""
    layer = network.layers[0].forward
    rows = slice(layer.hidden_size, 2 * layer.hidden_size)
    bias = layer.bias_ih[rows].astype(np.float64) + layer.bias_hh[rows]
    return x.astype(np.float64) @ layer.weight_ih[rows].T.astype(np.float64) + bias


def test_ranges_are_those_of_all_steps_of_all_sequences() -> None:
    network = random_network("lstm", (3, 6), outputs=2)
    batches = [random_input(network, 2, 300), 3 * random_input(network, 1, 41)]
    ranges = observe(network, batches, Everywhere(LIMIT))
    x = np.concatenate([b.reshape(-1, 3) for b in batches]).astype(np.float64)
    seen = ranges["lstm1", "x"]
    assert seen.ends == (x.min(), x.max()) and seen.largest == np.abs(x).max()
    assert (seen.values, seen.beyond) == (x.size, int((np.abs(x) > LIMIT).sum()))
    sums = np.concatenate([input_sums(network, b).ravel() for b in batches])
    found = [r for r in ranges.values() if r.ends == pytest.approx((sums.min(), sums.max()))]
    assert found and found[0].beyond == int((np.abs(sums) > LIMIT).sum())
    assert ranges["lstm1", "h"].values == 641 * 6 and ranges["dense1", "linear"].values == 641 * 2


@pytest.mark.parametrize("together", [1, 50, 10**9])
def test_how_many_steps_are_looked_at_in_one_go_changes_nothing(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    both = random_bidirectional("lstm", 4, 5, rng, name="a")
    network = Network((both, random_recurrent("lstm", 10, 3, rng, name="b")))
    batches = [random_input(network, 3, 40), random_input(network, 1, 7)]
    expected = observe(network, batches, Everywhere(LIMIT))
    monkeypatch.setattr(calibration, "TOGETHER", together)
    assert observe(network, batches, Everywhere(LIMIT)) == expected


def test_progress_ends_at_all_steps_of_all_layers() -> None:
    network = random_network("lstm", (4, 32, 8), outputs=2)
    told: list[tuple[int, int]] = []
    quantize(
        network, [random_input(network, 1, 2000), random_input(network, 9, 50)], tell=told_to(told)
    )
    done, of = zip(*told, strict=True)
    assert set(of) == {2 * 2050} and done[-1] == 2 * 2050
    assert list(done) == sorted(set(done)) and len(told) > 5


def told_to(told: list[tuple[int, int]]) -> Any:
    return lambda done, steps: told.append((done, steps))
