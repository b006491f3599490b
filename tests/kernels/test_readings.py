"""What is read of the steps, compiled: the oracle's values, however a network is called."""

from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.kernels import links
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.network import Layer, Network
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_bidirectional, random_input, random_recurrent, uniform

STEPS, UNITS = 17, 12
PRECISIONS = ("float32", "hybrid", "int8", "int16x8")
READS = (
    ("mean",),
    ("max",),
    ("last", "max"),
    ("mean", "max"),
    ("last",),
    ("finals",),
    ("flatten",),
)


def encoder(rng: np.random.Generator) -> Layer:
    return random_recurrent("lstm", 5, UNITS, rng, name="lstm1")


def reading(*reads: str) -> Network:
    """A head over what is read of the steps."""
    rng = np.random.default_rng(0)
    is_both = "finals" in reads
    layer = random_bidirectional("lstm", 5, UNITS, rng, name="lstm1") if is_both else encoder(rng)
    read = ReadSteps(layer.output_size, reads, STEPS if "flatten" in reads else None)
    head = uniform(rng, (3, read.output_size), 0.3), uniform(rng, (3,), 0.3)
    return Network((layer, read, Dense("dense1", *head)))


def repeating(*behind: Layer) -> Network:
    """What was read, repeated for a second layer."""
    rng = np.random.default_rng(1)
    decoder = random_recurrent("lstm", UNITS, 7, rng, name="lstm2")
    return Network((encoder(rng), ReadSteps(UNITS), Repeat(UNITS, 9), decoder, *behind))


def turned() -> Network:
    """A layer that reads from the last step to the first."""
    layers = (
        encoder(np.random.default_rng(2)),
        random_recurrent("lstm", UNITS, 4, np.random.default_rng(3), name="lstm2"),
    )
    return Network((ReverseSteps(5), layers[0], ReverseSteps(UNITS), layers[1]))


NETWORKS: dict[str, Network] = {
    **{" and ".join(reads): reading(*reads) for reads in READS},
    "repeat": repeating(),
    "repeat, last": repeating(ReadSteps(7)),
    "repeat, mean": repeating(ReadSteps(7, ("mean",))),
    "reverse": turned(),
}


def in_precision(network: Network, precision: str) -> Any:
    if precision == "float32":
        return network
    x = random_input(network, 4, STEPS)
    try:
        return quantize(network, None if precision == "hybrid" else x, precision)
    except ModelError as error:
        assert "the mean of integers has no form in fused int8" in str(error)
        return quantize(network, x, precision, form="composed")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_read_is_what_the_oracle_reads(
    name: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "WHOLE_BYTES", 1)  # room for KEPT_ROWS steps
    network = in_precision(NETWORKS[name], precision)
    x = random_input(network, 4, STEPS)
    inputs = [x, x[1], x[:1]]
    if "flatten" not in name:
        inputs += [x[:, :1], random_input(network, 2, 70), x[2]]
    session = Session(network)
    for given in inputs:
        expected = run(network, given, engine="reference")
        session.reset()
        for got in (run(network, given), *([session.run(given)] if given.ndim == 2 else [])):
            assert got.shape == expected.shape
            if precision.startswith("int"):
                assert np.array_equal(got, expected)
            else:  # as in test_session.py, and in test_exactness.py of rounded h
                limit = 3e-6 if precision == "float32" else 2e-2
                assert np.abs(got - expected).max() < limit


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("reads", [("max",), ("last", "max")])
def test_the_max_goes_on_from_step_to_step(reads: tuple[str, ...], precision: str) -> None:
    network = in_precision(reading(*reads), precision)
    x = random_input(network, 4, STEPS)
    session, both = Session(network), Session(network, batch=4)
    for t in range(STEPS):
        expected = run(network, x[:, : t + 1])
        assert np.array_equal(session.step(x[0, t]), expected[0])
        assert np.array_equal(both.step(x[:, t]), expected)
        if t == 8:
            kept = both.state
            both = Session(network, batch=4)
            both.state = kept


def test_what_is_read_side_by_side_has_the_steps_that_are_repeated() -> None:
    behind = (
        ReadSteps(7, ("flatten",), 9),
        Dense("dense1", np.ones((2, 63), np.float32), np.zeros(2, np.float32)),
    )
    network = repeating(*behind)
    x = random_input(network, 2, 5)
    assert np.abs(run(network, x) - run(network, x, engine="reference")).max() < 1e-5  # 63 sums
    with pytest.raises(ModelError, match="3 steps are read side by side where 9 are repeated"):
        repeating(ReadSteps(7, ("flatten",), 3))


def test_the_mean_of_many_steps_loses_nothing() -> None:
    network = Network(
        (
            ReadSteps(1, ("mean",)),
            Dense("dense1", np.ones((1, 1), np.float32), np.zeros(1, np.float32)),
        )
    )
    x = np.full((100_000, 1), 0.1, np.float32)
    assert run(network, x)[0] == x[0, 0]  # sums in float64 are right to 2^-53 of 10,000


def test_a_length_that_has_no_room_leaves_the_others_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = in_precision(reading("mean"), "int16x8")
    session, x = Session(network), random_input(network, 1, 400)[0]
    expected = session.run(x[:10])

    def full(*given: Any) -> Any:
        raise MemoryError

    session.reset()
    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr(links, "aligned", full)
        session.run(x)
    assert np.array_equal(session.run(x[:10]), expected)


def test_the_max_of_what_is_not_a_number_is_none() -> None:
    network = reading("max")
    x = random_input(network, 1, STEPS)[0]
    x[3, 2] = np.nan
    assert np.isnan(run(network, x)).all()
    assert np.isnan(run(network, x, engine="reference")).all()


def test_a_network_that_reads_the_steps_needs_one() -> None:
    for network in NETWORKS.values():
        if any(isinstance(layer, ReadSteps) for layer in network.layers):
            with pytest.raises(ModelError, match="x has "):
                run(network, np.zeros((0, 5), np.float32))
