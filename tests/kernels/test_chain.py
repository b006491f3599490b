"""A whole network in one call: the same bits however it is called, nothing compiled twice."""

import dataclasses
import gc
import itertools
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution import compiled, stages
from edgelstm.execution.session import Session, run
from edgelstm.kernels import links
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
from edgelstm.model.forward import forward
from edgelstm.model.network import Layer, Network
from edgelstm.quantization.quantizer import quantize
from tests.networks import (
    bidirectional_network,
    random_input,
    random_network,
    random_recurrent,
    uniform,
)

ACTIVATIONS = (None, "relu", "sigmoid", "softmax")
PRECISIONS = ("float32", "int8", "hybrid")


def drawn_network(rng: np.random.Generator) -> Network:
    """1 to 4 layers, recurrent and dense, any widths, a head at each step or at the last one."""
    layers: list[Layer] = []
    width = int(rng.integers(1, 40))
    n_dense = int(rng.integers(0, 3))
    for k in range(int(rng.integers(1, 5 - n_dense))):
        units = int(rng.integers(1, 50))
        layers.append(
            random_recurrent("lstm", width, units, rng, name=f"lstm{k}", gain=rng.choice([1, 5]))
        )
        width = units
    for k in range(n_dense):
        units = int(rng.integers(1, 20))
        last = k + 1 == n_dense
        activation = ACTIVATIONS[rng.integers(len(ACTIVATIONS) if last else 2)]
        weight, bias = uniform(rng, (units, width), 1), uniform(rng, (units,), 1)
        layers.append(Dense(f"dense{k}", weight, bias, activation))
        width = units
    return Network(reading(layers, last_step=bool(rng.integers(2))))


def values_compared(rng: np.random.Generator) -> int:
    """Of one random int8 network, in every way in which it can be called."""
    network = drawn_network(rng)
    n, steps = 7, int(rng.integers(1, 60))
    x = random_input(network, n, steps, seed=int(rng.integers(1000)))
    quantized: Any = quantize(network, x)
    raw = rng.integers(-128, 128, x.shape).astype(np.int8)
    total = 0
    for given in (x, raw):
        expected = run(quantized, given, engine="reference")
        assert expected.dtype == (np.int8 if given is raw else np.float32)
        assert np.array_equal(run(quantized, given), expected)
        assert np.array_equal([run(quantized, row) for row in given], expected)
        one, side = Session(quantized), Session(quantized, batch=n)
        outs = np.array([one.step(x_t) for x_t in given[0]])
        together = np.stack([side.step(given[:, t]) for t in range(steps)], 1)
        assert np.array_equal(together[0], outs)
        if network.last_step:
            assert np.array_equal(together[:, -1], expected)
        else:
            assert np.array_equal(together, expected)
        total += expected.size * 2 + together.size + outs.size
    return total


@pytest.mark.parametrize(
    "values", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow, id="million")]
)
def test_integers_are_the_references_in_every_way_of_calling(
    values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "LEAST_MACS_PER_WORKER", 0)
    # Every second engine in threads, of uneven shares.
    monkeypatch.setattr(compiled, "cores", itertools.cycle((1, 3)).__next__)
    rng, compared = np.random.default_rng(12), 0
    while compared < values:
        compared += values_compared(rng)


@pytest.mark.parametrize("precision", ["float32", "hybrid"])
@pytest.mark.parametrize("seed", range(4))
def test_floats_are_the_same_in_every_way_of_calling(precision: str, seed: int) -> None:
    network: Any = drawn_network(np.random.default_rng(seed))
    if precision != "float32":
        network = quantize(network, None, precision)
    x = random_input(network, 4, 50)
    expected = run(network, x)
    session, side = Session(network), Session(network, batch=4)
    steps = np.array([session.step(x_t) for x_t in x[0]])
    together = np.stack([side.step(x[:, t]) for t in range(50)], 1)
    assert np.array_equal(together[0], steps)
    assert np.array_equal(together[:, -1] if network.last_step else together, expected)
    reference = run(network, x, engine="reference")
    # A value on an edge between two of hybrid's steps may round either way.
    assert np.abs(expected - reference).max() < (1e-5 if precision == "float32" else 0.1)


def test_layers_of_several_phases_and_one_that_projects_share_a_chain() -> None:
    rng = np.random.default_rng(2)
    layers = (
        random_recurrent("gru_reset_before", 5, 33, rng, name="a"),
        random_recurrent("lstm", 33, 20, rng, name="b", projection=7),
        random_recurrent("mgu", 7, 16, rng, name="c"),
        Dense("d", uniform(rng, (4, 16), 1), uniform(rng, (4,), 1), "softmax"),
    )
    network = Network(layers)
    x = random_input(network, 7, 31)
    expected = run(network, x)
    assert np.abs(expected - forward(network, x)).max() < 2e-6  # as in test_session.py
    session = Session(network)
    assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])
    assert np.array_equal(run(network, x[2]), expected[2])


@pytest.mark.parametrize("cell_name", ["mgu", "gru_reset_before"])
def test_a_program_shares_a_chain_where_a_cell_has_no_kernel(cell_name: str) -> None:
    network = random_network(cell_name, (5, 12, 9), outputs=3)
    x = random_input(network, 4, 30)
    hybrid = quantize(network, None, "hybrid")
    assert repr(Session(hybrid)).count(": program") == 2  # the head has a kernel
    expected = run(hybrid, x)
    # A value on an edge between two steps of the rounded h may round either way.
    assert np.abs(expected - run(hybrid, x, engine="reference")).max() < 2e-2
    assert np.array_equal(run(hybrid, x[1]), expected[1])
    session = Session(hybrid)
    assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])


@pytest.mark.parametrize("last_step", [False, True])
@pytest.mark.parametrize("outputs", [0, 3])
def test_a_bidirectional_layer_is_exact(last_step: bool, outputs: int) -> None:
    network = bidirectional_network(
        "lstm",
        (5, 16),
        outputs=outputs,
        activation="relu" if outputs else None,
        last_step=last_step,
    )
    x = random_input(network, 4, 30)
    assert np.abs(run(network, x) - forward(network, x)).max() < 2e-6
    quantized = quantize(network, x)
    raw = np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)
    for given in (x, raw, x[0]):
        expected = run(quantized, given, engine="reference")
        assert np.array_equal(run(quantized, given), expected)
    session = Session(quantized)
    assert np.array_equal(session.run(x[0]), run(quantized, x[0]))
    with pytest.raises(ModelError, match="is bidirectional"):
        session.step(x[0, 0])


@pytest.mark.parametrize(
    ("cell_name", "precision"),
    [
        *(("lstm", p) for p in (*PRECISIONS, "int16x8")),
        ("gru", "int8"),
        ("gru_reset_before", "float32"),  # of two phases
        ("gru_reset_before", "hybrid"),  # a program
    ],
)
def test_the_reverse_direction_is_its_layer_over_steps_turned_round(
    cell_name: str, precision: str
) -> None:
    network: Any = bidirectional_network(cell_name, (5, 20))
    x = random_input(network, 7, 53)
    if precision != "float32":
        network = quantize(network, None if precision == "hybrid" else x, precision)
    (layer,) = network.layers
    there, back = (
        dataclasses.replace(network, layers=(type(layer)((part,)),)) for part in layer.parts
    )
    for given in (x, x[:3], x[2], x[0, :1]):
        turned = given[..., ::-1, :]
        expected = run(there, given), run(back, turned)[..., ::-1, :]
        assert np.array_equal(run(network, given), np.concatenate(expected, -1))
    session, forward_session = Session(network), Session(there)
    for part in (x[0, :9], x[0, 9:]):
        got = session.run(part)
        assert np.array_equal(got[:, :20], forward_session.run(part))  # goes on
        assert np.array_equal(got[:, 20:], run(back, part[::-1])[::-1])  # begins anew


@pytest.mark.parametrize("last_step", [False, True])
def test_bidirectional_layers_take_sequences_of_any_length(
    monkeypatch: pytest.MonkeyPatch, last_step: bool
) -> None:
    network = bidirectional_network("lstm", (5, 16, 9), outputs=3, last_step=last_step)
    x = random_input(network, 4, 60)
    expected = run(network, x)
    monkeypatch.setattr(links, "WHOLE_BYTES", 1)  # room for KEPT_ROWS steps
    for given, right in ((x, expected), (x[1], expected[1])):
        session = Session(network, batch=4 if given.ndim == 3 else None)
        assert np.array_equal(session.run(given), right)
        session.reset()
        assert np.array_equal(session.run(given), right)


@pytest.mark.parametrize("precision", [*PRECISIONS, "int16x8"])
def test_x_is_normalised_in_the_same_call(precision: str) -> None:
    plain = random_network("lstm", (5, 12), outputs=3, last_step=True)
    mean = np.array([1, 2, 3, -4, 5], np.float32)
    std = np.array([0.1, 2, -3, 0.5, 7], np.float32)
    network: Any = dataclasses.replace(plain, input_mean=mean, input_std=std)
    x = random_input(network, 4, 30)
    if precision != "float32":
        network = quantize(network, None if precision == "hybrid" else x, precision)
    expected = run(network.behind, (x - mean) / std)
    assert np.array_equal(run(network, x), expected)
    assert np.array_equal(run(network, x[1].astype(np.float64)), expected[1])
    session = Session(network)
    got = [session.step(x_t) for x_t in x[2]]
    assert np.array_equal(got[-1], expected[2])
    assert np.abs(run(network, x, engine="reference") - expected).max() < 2e-2
    if network.input is not None:
        raw = np.zeros((6, 5), network.input.type)
        assert np.array_equal(run(network, raw), run(network.behind, raw))
        for engine in ("numba", "reference"):
            x[1, 2, 0] = 3e38  # which, over 0.1, leaves float32
            with pytest.raises(ModelError, match="x holds 1 values that are not finite"):
                run(network, x, engine=engine)
        x[1, 2, :2] = 1, 3e38  # which, over 2, stays in it
        assert np.array_equal(run(network, x), run(network, x, engine="reference"))


def test_a_second_network_of_the_same_kinds_compiles_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgelstm.kernels import cache

    def use(network: Any) -> None:
        x = random_input(network, 4, 30)
        for ready in (network, quantize(network, x), quantize(network, None, "hybrid")):
            run(ready, x)
            Session(ready).step(x[0, 0])
            Session(ready, batch=4).step(x[:, 0])

    use(random_network("lstm", (3, 8), outputs=2))
    made: list[Any] = []
    monkeypatch.setattr(cache, "bound", lambda *given: made.append(given))
    use(random_network("lstm", (7, 20, 33, 5), outputs=4, activation="sigmoid"))
    use(random_network("lstm", (2, 4, 4), outputs=1, activation="softmax"))
    assert made == []


def test_codes_addresses_hold_in_the_next_process() -> None:
    code = """
import numpy as np
from edgelstm.execution.session import run
from tests.networks import random_network
y = run(random_network("lstm", (3, 8), outputs=2), np.ones((30, 3), np.float32))
print(y.tobytes().hex())
"""
    given = [sys.executable, "-c", code]
    texts = {subprocess.run(given, capture_output=True, check=True).stdout for _ in range(2)}
    network = random_network("lstm", (3, 8), outputs=2)
    assert texts == {run(network, np.ones((30, 3), np.float32)).tobytes().hex().encode() + b"\n"}


@pytest.mark.parametrize("cell_name", ["lstm", "gru_reset_before"])
def test_states_of_a_batch_are_those_of_its_sequences(cell_name: str) -> None:
    network = random_network(cell_name, (5, 16, 9))
    x = random_input(network, 7, 31)
    side = Session(network, batch=7)
    side.run(x[:, :30])
    side.step(x[:, 30])
    got = side.state
    for k in range(7):
        alone = Session(network)
        alone.run(x[k])
        for layer, states in alone.state.items():
            for name, value in states.items():
                assert np.array_equal(got[layer][name][k], value)


def test_a_call_holds_all_that_its_addresses_point_to() -> None:
    network = random_network("lstm", (6, 24, 17), outputs=5)
    x = random_input(network, 1, 30)[0]
    y = np.empty((30, 5), np.float32)
    for ready in (network, quantize(network, x[None], "int8")):
        expected = run(ready, x)
        call = compiled.NumbaEngine(ready, None).call(is_step=False, real=True)
        gc.collect()
        used = [np.full(n, 77, np.int8) for n in range(1, 9_000, 7)]
        assert call(x, y) == 0 and np.array_equal(y, expected)
        assert len(used) > 1_000


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_step_allocates_nothing_with_out(precision: str) -> None:
    network: Any = random_network("lstm", (6, 24, 17), outputs=5)
    x = random_input(network, 2, 30)
    if precision != "float32":
        network = quantize(network, x if precision == "int8" else None, precision)
    session, x_t, out = Session(network), x[0, 0].copy(), np.empty(5, np.float32)
    session.step(x_t, out=out)
    gc.disable()
    tracemalloc.start()
    try:
        first = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(100):
            session.step(x_t, out=out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert peak - first < 200  # the loop's own number


def test_a_session_says_which_road_each_layer_takes() -> None:
    network = bidirectional_network("lstm", (5, 8), outputs=3)
    lines = repr(Session(network)).splitlines()
    assert lines[0] == "Session: float32, 5 inputs, 3 outputs"
    assert lines[1].endswith(": kernel")
    assert lines[2].endswith(": kernel")
    assert repr(Session(network, engine="reference")).endswith(": reference")
    assert "<th scope='col'>computed by</th>" in Session(network)._repr_html_()
