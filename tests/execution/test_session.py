"""run and Session: kernels equal to the oracles, states that carry over, input that is refused."""

import copy
import dataclasses
import pickle
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network, uniform
from tests.parameters import compiled

SIZES = [(1, 1), (1, 7), (5, 16), (13, 33), (40, 64), (3, 8, 5), (4, 6, 1, 3)]
CASES: list[dict[str, Any]] = [
    {},
    {"gain": 6},
    {"gain": 40, "outputs": 3},
    {"cell_clip": 0.25, "outputs": 3, "activation": "relu"},
    {"outputs": 4, "activation": "sigmoid", "last_step": True},
]


def raw_input(network: QuantizedNetwork, n: int, steps: int) -> Any:
    rng = np.random.default_rng(5)
    x = rng.integers(-128, 128, (n, steps, network.input_size))
    x[: n // 2] = np.where(x[: n // 2] < 0, -128, 127)
    return x.astype(np.int8)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_integer_kernel_equals_the_oracle(sizes: tuple[int, ...], case: dict[str, Any]) -> None:
    network = random_network("lstm", sizes, **case)
    quantized = quantize(network, random_input(network, 8, 20))
    x = raw_input(quantized, 6, 25)
    assert np.array_equal(run(quantized, x), run(quantized, x, engine="reference"))


# float32 against float64 sums; the states stay within +-1, so errors do not grow.
@pytest.mark.parametrize("case", [CASES[k] for k in (0, 1, 3, 4)], ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_float_kernel_follows_the_oracle(sizes: tuple[int, ...], case: dict[str, Any]) -> None:
    network = random_network("lstm", sizes, **case)
    x = random_input(network, 3, 25)
    assert np.abs(run(network, x) - forward(network, x)).max() < 2e-6


@pytest.mark.parametrize("cell_name", compiled(CELLS))
def test_every_cell_runs_in_float(cell_name: str) -> None:
    case = {"outputs": 3, "activation": "softmax"}
    network = random_network(cell_name, (5, 16, 9), **case)  # type: ignore[arg-type]
    x = random_input(network, 3, 25)
    assert np.abs(run(network, x) - forward(network, x)).max() < 2e-6


def test_hybrid_kernel_follows_the_oracle() -> None:
    network = quantize(random_network("lstm", (5, 16), outputs=3), None, "hybrid")
    x = random_input(network, 3, 25)
    # A value on the edge between two steps may round either way: one step of h is 1/127.
    assert np.abs(run(network, x) - run(network, x, engine="reference")).max() < 2e-2


def test_hybrid_reaches_25_db_and_float_accuracy_of_weights_times_6() -> None:
    for gain in (1, 6):
        network = random_network("lstm", (12, 32), gain=gain)
        x = random_input(network, 20, 50)
        noise = run(quantize(network, x, "hybrid"), x) - forward(network, x)
        assert 10 * np.log10((forward(network, x) ** 2).mean() / (noise**2).mean()) > 25


def networks() -> list[Any]:
    lstm = random_network("lstm", (5, 16, 4), outputs=3)
    return [
        lstm,
        quantize(lstm, random_input(lstm, 4, 9)),
        quantize(lstm, None, "hybrid"),
        random_network("gru", (5, 8)),
    ]


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("network", networks(), ids=["float32", "int8", "hybrid", "gru"])
def test_steps_equal_the_whole_sequence(network: Any, engine: str) -> None:
    x = random_input(network, 3, 11)
    expected = run(network, x, engine=engine)
    session = Session(network, batch=3, engine=engine)
    got = np.stack([session.step(x[:, t]) for t in range(11)], 1)
    assert np.array_equal(got, expected)
    session.reset()
    assert np.array_equal(session.run(x[:, :4]), expected[:, :4])
    assert np.array_equal(session.run(x[:, 4:]), expected[:, 4:])


@pytest.mark.parametrize("network", networks(), ids=["float32", "int8", "hybrid", "gru"])
def test_batch_rows_equal_single_sequences(network: Any) -> None:
    x = random_input(network, 3, 7)
    assert np.array_equal(run(network, x), np.stack([run(network, row) for row in x]))


def test_streaming_a_head_over_the_last_step_gives_it_at_each_step() -> None:
    network = random_network("lstm", (5, 8), outputs=3, last_step=True)
    x = random_input(network, 1, 6)[0]
    session = Session(network)
    got = [session.step(x_t) for x_t in x]
    for t in range(6):
        assert np.array_equal(got[t], run(network, x[: t + 1]))


def test_raw_integers_give_integers_and_reals_give_reals() -> None:
    network = networks()[1]
    x = random_input(network, 2, 9)
    steps = np.rint(x.astype(np.float64) / network.input_scale) + network.input_zero_point
    raw = np.clip(steps, -128, 127).astype(np.int8)
    y = run(network, raw)
    real = (y.astype(np.float64) - network.output_zero_point) * network.output_scale
    assert y.dtype == np.int8
    assert np.array_equal(run(network, x), real.astype(np.float32))


def test_dense_layers_alone_run_on_each_step() -> None:
    rng = np.random.default_rng(0)
    layers = (
        Dense("dense1", uniform(rng, (6, 4), 1), uniform(rng, (6,), 1), "relu"),
        Dense("dense2", uniform(rng, (2, 6), 1), uniform(rng, (2,), 1)),
    )
    network = Network(layers)
    x = random_input(network, 2, 5)
    hidden = np.maximum(x @ layers[0].weight.T + layers[0].bias, 0)
    expected = hidden @ layers[1].weight.T + layers[1].bias
    assert np.abs(run(network, x) - expected).max() < 1e-5  # sums in another order
    quantized = quantize(network, x)
    assert np.array_equal(run(quantized, x), run(quantized, x, engine="reference"))


def test_dense_before_a_recurrent_layer_runs_on_every_step() -> None:
    tail = random_network("lstm", (6, 8), outputs=2, last_step=True)
    rng = np.random.default_rng(0)
    first = Dense("dense0", uniform(rng, (6, 4), 1), uniform(rng, (6,), 1), "relu")
    network = dataclasses.replace(tail, layers=(first, *tail.layers))
    x = random_input(network, 4, 10)
    assert np.abs(run(network, x) - forward(network, x)).max() < 2e-6
    quantized = quantize(network, x)
    assert np.array_equal(run(quantized, x), run(quantized, x, engine="reference"))


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("network", networks(), ids=["float32", "int8", "hybrid", "gru"])
def test_an_empty_batch_gives_an_empty_result(network: Any, engine: str) -> None:
    y = run(network, np.zeros((0, 4, 5), np.float32), engine=engine)
    assert y.shape == (0, 4, network.output_size)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_session_is_not_copied(duplicate: Any) -> None:
    session = Session(random_network("lstm", (3, 4)))
    with pytest.raises(ModelError, match="make another and give it this one's `state`"):
        duplicate(session)


def test_an_empty_sequence_gives_an_empty_result() -> None:
    network = random_network("lstm", (5, 8))
    assert run(network, np.zeros((0, 5), np.float32)).shape == (0, 8)
    last = Network(reading(network.layers, last_step=True))
    with pytest.raises(ModelError, match="at least one"):
        run(last, np.zeros((0, 5), np.float32))


def test_not_finite_is_refused_by_integers_and_passes_through_floats() -> None:
    x = np.full((4, 5), np.nan, np.float32)
    assert np.isnan(run(networks()[0], x)).all()
    assert np.isnan(run(networks()[2], x)).all()
    with pytest.raises(ModelError, match="20 values that are not finite"):
        run(networks()[1], x)


BAD_INPUT = [
    (np.zeros((9, 4), np.float32), "x has shape (9, 4); (steps, 5) is needed"),
    (np.zeros(5, np.float32), "x has shape (5,); (steps, 5) or (batch, steps, 5) is needed"),
    (np.zeros((9, 5), np.int16), "x is int16, but this network's raw integers are int8"),
    (np.zeros((9, 5), np.complex64), "x is of type complex64; numbers are needed"),
    (np.full((9, 5), "a"), "numbers are needed"),
]


@pytest.mark.parametrize(("x", "expected"), BAD_INPUT)
def test_input_that_does_not_fit_is_refused(x: Any, expected: str) -> None:
    with pytest.raises(ModelError, match=re.escape(expected)):
        run(networks()[1], x)


def test_step_refuses_another_width_and_a_wrong_out() -> None:
    session = Session(networks()[1])
    with pytest.raises(ModelError, match=re.escape("x_t has shape (4,); (5,) is needed")):
        session.step(np.zeros(4, np.float32))
    with pytest.raises(ModelError, match="out is float64"):
        session.step(np.zeros(5, np.float32), out=np.zeros(3))
    out = np.empty(3, np.float32)
    assert session.step(np.zeros(5, np.float32), out=out) is out


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("network", networks(), ids=["float32", "int8", "hybrid", "gru"])
def test_state_is_a_copy_that_can_be_set_saved_and_loaded(
    network: Any, engine: str, tmp_path: Path
) -> None:
    x = random_input(network, 1, 12)[0]
    session = Session(network, engine=engine)
    session.run(x[:5])
    kept = session.state
    session.save(tmp_path / "state.npz")
    expected = session.run(x[5:])
    other = Session(network, engine=engine)
    other.load(tmp_path / "state.npz")
    assert np.array_equal(other.run(x[5:]), expected)
    other.state = kept
    assert np.array_equal(other.run(x[5:]), expected)


def test_states_of_other_networks_are_refused(tmp_path: Path) -> None:
    float32, int8 = networks()[:2]
    session, other = Session(int8), Session(float32)
    other.save(tmp_path / "state.npz")
    with pytest.raises(ModelError, match="is float32 of shape"):
        session.load(tmp_path / "state.npz")
    with pytest.raises(ModelError, match="lacks 'h' of layer 'lstm1'"):
        session.state = {}
    (tmp_path / "bad.npz").write_bytes(b"PK no")
    with pytest.raises(
        ModelError, match="bad.npz: is not a zip archive .*; give a file of Session.save"
    ):
        session.load(tmp_path / "bad.npz")
    with pytest.raises(ModelError, match="absent.npz does not exist"):
        session.load(tmp_path / "absent.npz")


def test_unknown_engine_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="known: numba, reference"):
        run(networks()[0], np.zeros((2, 5), np.float32), engine="cuda")


def test_sessions_in_threads_do_not_disturb_each_other() -> None:
    network = networks()[1]
    x = random_input(network, 8, 200)
    expected = run(network, x)
    got: dict[int, Any] = {}

    def work(k: int) -> None:
        got[k] = Session(network).run(x[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(np.array_equal(got[k], expected[k]) for k in range(8))
