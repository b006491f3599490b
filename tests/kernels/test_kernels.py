"""The fused kernels: equal to the oracles however they are called; what is refused."""

import concurrent.futures
import copy
import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.cells.spec import CellSpec, sigmoid, tanh, trace
from edgelstm.execution import stages
from edgelstm.execution.bytecode import encode
from edgelstm.execution.fused import packed_layer
from edgelstm.execution.session import Session, run
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.model.precision import HYBRID
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.scales import Scale
from tests.networks import random_input, random_network, random_recurrent
from tests.parameters import cells_of, compiled

CELL_LOG2 = range(-15, -8)


def with_cell_scale(network: QuantizedNetwork, log2: int) -> QuantizedNetwork:
    """The same integers with another scale of the cell state."""
    layers = []
    for layer in parts(network.layers):
        cell = Scale(2.0**log2, 0, "int16")
        roles = layer.plan.roles
        scales = {v: cell if roles[v] == "cell" else s for v, s in layer.scales.items()}
        layers.append(Recurrent((dataclasses.replace(layer, scales=scales),)))
    return dataclasses.replace(network, layers=tuple(layers))


def integers(network: QuantizedNetwork, n: int, steps: int, seed: int = 3) -> Any:
    """Over the whole range, and in half of the sequences mostly at its ends."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, steps, network.input_size)) * 60
    x[n // 2 :] *= 5
    return np.clip(np.rint(x), -128, 127).astype(np.int8)


def random_int8(rng: np.random.Generator) -> QuantizedNetwork:
    """Any size from 1 to 300, weights up to hard saturation, any cell scale, at times a clip."""
    sizes = (int(rng.integers(1, 301)), int(rng.integers(1, 301)))
    gain, clip = float(rng.choice([0.3, 1, 6, 40])), float(rng.choice([0, 0, 0.25, 3]))
    network = random_network(
        "lstm", sizes, gain=gain, cell_clip=clip, seed=int(rng.integers(1 << 30))
    )
    quantized = quantize(network, random_input(network, 4, 20))
    return with_cell_scale(quantized, int(rng.choice(CELL_LOG2)))


@pytest.mark.slow
def test_a_million_int8_values_equal_the_oracle() -> None:
    rng, values = np.random.default_rng(11), 0
    while values < 1_000_000:
        network = random_int8(rng)
        x = integers(network, 4, 40)
        expected = run(network, x, engine="reference")
        assert np.array_equal(run(network, x), expected)
        session = Session(network)
        assert np.array_equal([session.step(x_t) for x_t in x[-1]], expected[-1])
        values += expected.size + expected[-1].size
    print(f"{values:,} values")


@pytest.mark.parametrize("log2", CELL_LOG2)
@pytest.mark.parametrize("gain", [1, 12])
def test_every_cell_scale_equals_the_oracle(log2: int, gain: float) -> None:
    network = random_network("lstm", (9, 37), gain=gain)
    quantized = with_cell_scale(quantize(network, random_input(network, 4, 20)), log2)
    x = integers(quantized, 4, 50)
    session = Session(quantized, batch=4)
    assert np.array_equal(session.run(x), run(quantized, x, engine="reference"))
    reference = Session(quantized, batch=4, engine="reference")
    reference.run(x)
    for state in ("h", "c"):
        assert np.array_equal(session.state["lstm1"][state], reference.state["lstm1"][state])


@pytest.mark.parametrize("cell_name", compiled(CELLS))
@pytest.mark.parametrize("sizes", [(1, 1), (3, 17), (20, 100), (64, 256)], ids=str)
def test_float32_is_within_a_millionth(cell_name: str, sizes: tuple[int, ...]) -> None:
    network = random_network(cell_name, sizes)
    x = random_input(network, 2, 60)
    # Rounding of sums of up to 320 products; the states stay within +-1.
    assert np.abs(run(network, x) - forward(network, x)).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("cell_name", ["lstm", "lstm_peephole", "lstm_coupled"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 40, 7), (5, 16, 33), (8, 33, 16)], ids=str)
def test_a_projected_layer_is_within_a_millionth(
    cell_name: str, sizes: tuple[int, int, int]
) -> None:
    rng, (inputs, hidden, outputs) = np.random.default_rng(5), sizes
    layers = (
        random_recurrent(cell_name, inputs, hidden, rng, name="a", projection=outputs),
        random_recurrent(
            cell_name, outputs, hidden, rng, name="b", projection=outputs, cell_clip=0.3
        ),
    )
    network = Network(layers)
    x = random_input(network, 4, 40)
    expected = run(network, x)
    assert np.abs(expected - forward(network, x)).max() < 1e-6
    session = Session(network)
    assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])
    assert {s: v.shape for s, v in session.state["b"].items()} == {"h": (outputs,), "c": (hidden,)}


@pytest.mark.parametrize("cell_name", CELLS)
def test_every_cell_has_a_fused_kernel_in_float32(cell_name: str) -> None:
    assert packed_layer(random_network(cell_name, (3, 4)).layers[0].parts[0]) is not None


@pytest.mark.parametrize("cell_name", compiled(cells_of(HYBRID)))
@pytest.mark.parametrize("sizes", [(1, 1), (3, 17), (40, 64)], ids=str)
def test_hybrid_is_within_a_step_of_the_oracle(cell_name: str, sizes: tuple[int, int]) -> None:
    network = quantize(random_network(cell_name, sizes), None, "hybrid")
    x = random_input(network, 2, 40)
    # Float gates; a value on an edge between two steps of the rounded h may round either way.
    got, expected = run(network, x), run(network, x, engine="reference")
    assert np.abs(got - expected).max() < 2e-2
    assert np.median(np.abs(got - expected)) < 1e-6


def every_form(sizes: tuple[int, ...] = (7, 40, 21)) -> list[Any]:
    lstm = random_network("lstm", sizes, outputs=3)
    calibration = random_input(lstm, 4, 9)
    return [
        lstm,
        quantize(lstm, calibration),
        quantize(lstm, None, "hybrid"),
        random_network("gru", sizes, outputs=3),
        random_network("gru_reset_before", sizes),
        random_network("lstm_peephole", sizes),
        quantize(random_network("gru", sizes), None, "hybrid"),
    ]


FORM_NAMES = ("float32", "int8", "hybrid", "gru", "gru_reset_before", "lstm_peephole", "hybrid gru")
LATER = ("gru_reset_before", "lstm_peephole")  # which take longest to compile
FORMS = pytest.mark.parametrize(
    "network",
    [
        pytest.param(form, id=name, marks=pytest.mark.slow if name in LATER else ())
        for name, form in zip(FORM_NAMES, every_form(), strict=True)
    ],
)


@FORMS
def test_sequence_steps_and_batch_give_the_same_bits(network: Any) -> None:
    x = random_input(network, 5, 70)
    expected = np.stack([run(network, row) for row in x])
    assert np.array_equal(run(network, x), expected)
    session = Session(network)
    assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])
    parts = Session(network, batch=5)
    got = [parts.run(x[:, a:b]) for a, b in ((0, 1), (1, 4), (4, 31), (31, 70))]
    assert np.array_equal(np.concatenate(got, 1), expected)


@FORMS
def test_threads_give_the_bits_of_one_core(network: Any, monkeypatch: Any) -> None:
    x = random_input(network, 7, 30)
    expected = run(network, x)
    monkeypatch.setattr(stages, "LEAST_MACS_PER_WORKER", 0)
    monkeypatch.setattr("edgelstm.execution.backends.cores", lambda: 3)
    assert np.array_equal(run(network, x), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_threads_go_on_in_a_fork() -> None:
    code = """
import os
import numpy as np
from edgelstm.execution import stages
from edgelstm.execution.session import run
from tests.networks import random_network
stages.LEAST_MACS_PER_WORKER = 0
network, x = random_network("rnn", (3, 4)), np.ones((4, 5, 3), np.float32)
expected = run(network, x)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(run(network, x), expected) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout == "0\n"


@FORMS
def test_sessions_in_threads_give_the_bits_of_one_after_the_other(network: Any) -> None:
    x = random_input(network, 4, 200)
    expected = [run(network, row) for row in x]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sessions = [Session(network) for _ in x]
        got = list(pool.map(lambda s, row: [s.step(x_t) for x_t in row], sessions, x))
    assert np.array_equal(got, expected)


def test_other_threads_run_while_a_kernel_does() -> None:
    network = random_network("lstm", (64, 256))
    session, x = Session(network), np.zeros((1, 64), np.float32)
    session.run(x)
    # 20,000 steps of 0.3 million products; with the GIL held, this thread would not wake meanwhile.
    work = threading.Thread(target=session.run, args=(np.zeros((20_000, 64), np.float32),))
    work.start()
    wakes = 0
    while work.is_alive():
        time.sleep(0.001)
        wakes += 1
    assert wakes > 20


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", [0, 2, 3], ids=["float32", "hybrid", "gru"])
def test_one_value_that_is_not_finite_is_seen_in_the_result(form: int, bad: float) -> None:
    network = every_form()[form]
    x = random_input(network, 1, 20)[0]
    x[5, 2] = bad
    y = run(network, x)
    assert np.isfinite(y[:5]).all()
    saturates = np.isinf(bad) and form != 2  # an infinite sum is the end of a gate's range
    assert saturates or np.isnan(y[5:]).all()


def float_form(name: str) -> Network:
    """A cell with its kernel, or an LSTM with a projection."""
    if name != "projected":
        return random_network(name, (1, 17))
    layer = random_recurrent("lstm", 1, 17, np.random.default_rng(2), projection=5)
    return Network((layer,))


@pytest.mark.parametrize("name", compiled([*CELLS, "projected"]))
def test_an_infinite_value_stays_where_it_belongs(name: str) -> None:
    network = float_form(name)
    x = np.array([[1], [np.inf], [1], [-np.inf], [1]], np.float32)
    with np.errstate(invalid="ignore"):
        expected = forward(network, x[None])[0]
    got = run(network, x)
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    assert np.nanmax(np.abs(got - expected)) < 1e-6


@pytest.mark.parametrize("name", compiled([*CELLS, "projected"]))
def test_a_state_that_is_set_leaves_nothing_of_the_one_before(name: str) -> None:
    network = float_form(name)
    session, x = Session(network), np.ones((1, 1), np.float32)
    session.run(x)
    before, expected = session.state, session.run(x)
    session.step(np.full(1, np.nan, np.float32))
    session.state = before
    assert np.array_equal(session.run(x), expected)


def test_an_array_that_is_not_aligned_gives_the_same() -> None:
    for network in every_form():
        x = random_input(network, 2, 10)
        shifted = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
        shifted[...] = x
        assert np.array_equal(run(network, shifted), run(network, x))


def test_a_batch_runs_where_no_thread_starts_any_more(monkeypatch: Any) -> None:
    network = random_network("lstm", (5, 16))
    x = random_input(network, 4, 9)
    expected = run(network, x)
    ended = concurrent.futures.ThreadPoolExecutor(1)
    ended.shutdown()
    monkeypatch.setattr(stages, "_pool", lambda process: ended)
    monkeypatch.setattr(stages, "LEAST_MACS_PER_WORKER", 0)
    monkeypatch.setattr("edgelstm.execution.backends.cores", lambda: 2)
    assert np.array_equal(run(network, x), expected)


def test_a_hybrid_program_sees_one_value_that_is_not_a_number() -> None:
    network = quantize(random_network("lstm", (4, 5), outputs=2), None, "hybrid")
    program = stages.ProgramStage(encode(parts(network.layers)), 1)
    x = random_input(network, 1, 4)
    x[0, 0, 1] = np.nan
    assert np.isnan(program.advance(x)).all()


def test_the_result_may_lie_where_the_input_does() -> None:
    for network in every_form((16, 16))[:4]:
        recurrent: Any = dataclasses.replace(network, layers=network.layers[:1])
        x = random_input(recurrent, 1, 6)[0]
        if recurrent is network or isinstance(network, QuantizedNetwork) and network.input:
            x = np.rint(x * 30).astype(np.int8)
        expected, session = run(recurrent, x), Session(recurrent)
        for t, x_t in enumerate(x.copy()):
            session.step(x_t, out=x_t)
            assert np.array_equal(x_t, expected[t])


def test_arrays_that_a_kernel_cannot_take_as_they_are_give_the_same() -> None:
    network = every_form()[0]
    x = random_input(network, 1, 8)[0]
    expected = run(network, x)
    forms: list[Callable[[Any], Any]] = [
        lambda v: v.astype(np.float64),
        lambda v: np.stack([v, v], 1)[:, 0],
        lambda v: v.astype(">f4"),
        lambda v: v.tolist(),
        lambda v: np.frombuffer(v.tobytes(), np.float32),
    ]
    for form in forms:
        session = Session(network)
        assert np.array_equal([session.step(form(x_t)) for x_t in x], expected)
    session, out = Session(network), np.zeros((3, 2), np.float32)[:, 1]
    assert np.array_equal(session.step(x[0], out=out), expected[0])
    read_only = np.frombuffer(x.tobytes(), np.float32).reshape(x.shape)
    assert np.array_equal(run(network, read_only), expected)


UNFIT_SEQUENCES = [
    ((4, 9, 6), (4, 9, 16)),
    ((4, 9, 5), (4, 9, 15)),
    ((4, 9, 5), (4, 8, 16)),
    ((2, 9, 5), (4, 9, 16)),
    ((4, 9, 5), (2, 9, 16)),
    ((3, 9, 5), (3, 9, 16)),
    ((5, 9, 5), (5, 9, 16)),
    ((36, 5), (36, 16)),
]


@pytest.mark.parametrize("x_shape, y_shape", UNFIT_SEQUENCES)
def test_a_sequence_leaves_alone_what_it_cannot_take(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...]
) -> None:
    from edgelstm.kernels.state import Running

    running = Running(packed_layer(random_network("lstm", (5, 16)).layers[0].parts[0]), 4)
    for x_type, y_type in ((np.float32, np.float32), (np.float64, np.float32)):
        x, y = np.ones(x_shape, x_type), np.full(y_shape, 7, y_type)
        with pytest.raises(ValueError, match="do not fit"):
            running.advance(0, x, y)
        assert (y == 7).all() and not running.state("h").any()


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


UNFIT = {
    "short": np.zeros(4, np.float32),
    "long": np.zeros(6, np.float32),
    "of another type": np.zeros(5, np.int32),
    "of two axes": np.zeros((5, 5), np.float32),
    "of four axes": np.zeros((5, 1, 1, 1), np.float32),
    "without axes": np.float32(1) + np.zeros((), np.float32)[...],
    "with gaps": np.zeros((5, 2), np.float32)[:, 0],
    "backwards": np.zeros(5, np.float32)[::-1],
    "of the other byte order": np.zeros(5, ">f4"),
    "no array": [0.0] * 5,
    "of a subclass": np.zeros(5, np.float32).view(np.recarray),
    "unaligned": np.zeros(21, np.uint8)[1:].view(np.float32),
}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
def test_a_step_leaves_alone_what_it_cannot_take(unfit: Any) -> None:
    from edgelstm.kernels.state import Running

    running = Running(packed_layer(random_network("lstm", (5, 5)).layers[0].parts[0]), 1)
    step, fit = running.step_call(), np.ones(5, np.float32)
    y, before = np.full(5, 7, np.float32), copy.copy(unfit)
    assert not step(unfit, y) and not step(fit, unfit)
    assert not step(fit, read_only(fit.copy()))
    assert (y == 7).all() and np.array_equal(unfit, before)
    assert not running.state("h").any()
    assert step(fit, y) and running.state("h").any()


def test_a_step_takes_every_object_that_stands_for_its_type() -> None:
    from edgelstm.kernels.state import Running

    running = Running(packed_layer(random_network("lstm", (5, 5)).layers[0].parts[0]), 1)
    odd = np.dtype(np.float32).newbyteorder("S").newbyteorder("S")
    x = np.zeros(5, odd)
    assert x.dtype == np.float32 and x.dtype is not np.dtype(np.float32)
    assert running.step_call()(x, np.zeros(5, np.float32))


@FORMS
def test_programs_run_where_arrays_are_laid_out_otherwise(network: Any, monkeypatch: Any) -> None:
    x = random_input(network, 1, 6)[0]
    expected = run(network, x)
    monkeypatch.setattr("edgelstm.kernels.simd.arrays.layout_is_known", lambda: False)
    network = copy.deepcopy(network)  # what is packed for a layer stays so
    session = Session(network)
    got = np.array([session.step(x_t) for x_t in x])
    # Other sums in float32; a value on an edge between two of hybrid's steps may round either way.
    assert np.array_equal(got, run(network, x)) and np.abs(got - expected).max() < 2e-2


def compile_cell(spec: CellSpec, equations: Callable[..., Any]) -> None:
    """A cell with the list of `spec` and other equations."""
    from edgelstm.kernels import bind
    from edgelstm.kernels.cell_ops import Cell

    traced = trace(spec)
    cell = Cell(
        name=spec.name,
        equations=equations,
        functions={"sigmoid": sigmoid, "tanh": tanh},
        gates=spec.gates,
        states=spec.states,
        new_states=traced.new_states,
        ops=traced.ops,
        roles=(),
        clips=False,
    )
    assert bind.kernel(cell, bind.FORMATS["float32"], "sequence").function


def test_equations_that_are_not_in_the_list_do_not_compile() -> None:
    from numba.core.errors import TypingError

    def swapped(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
        r = sigmoid(W.r(x) + U.r(h))
        return (tanh(W.n(x) + U.n(r * h)),)

    def listed(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
        r = sigmoid(W.r(x) + U.r(h))
        return (tanh(W.n(x) + r * U.n(h)),)

    with pytest.raises(TypingError, match="the traced equations have no"):
        compile_cell(CellSpec("swapped", ("r", "n"), ("h",), listed), swapped)


def input_of_a_value(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    return (tanh(W.n(sigmoid(U.r(h)))),)


def two_values_at_once(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
    r = sigmoid(W.r(x))
    return (tanh(U.n(r) + U.m(r * h)),)


def three_states(W: Any, U: Any, x: Any, h: Any, c: Any, d: Any) -> tuple[Any, Any, Any]:
    return tanh(W.n(x) + U.n(h)), d, c


@pytest.mark.parametrize(
    "equations, states, why",
    [
        (input_of_a_value, ("h",), "weight_ih multiplies v1, which is not x"),
        (two_values_at_once, ("h",), "two values are multiplied in phase 1"),
        (three_states, ("h", "c", "d"), "3 states; two have a place"),
    ],
)
def test_a_cell_that_has_no_place_is_an_error_before_it_compiles(
    equations: Callable[..., Any], states: tuple[str, ...], why: str
) -> None:
    from numba.core.errors import TypingError

    with pytest.raises(TypingError, match=why):
        compile_cell(CellSpec("new", ("r", "n", "m"), states, equations), equations)


def test_weights_are_packed_once_per_layer() -> None:
    network = random_network("lstm", (5, 16))
    assert packed_layer(network.layers[0].parts[0]) is packed_layer(network.layers[0].parts[0])


def test_a_program_gives_what_the_fused_kernels_give() -> None:
    network = random_network("gru_reset_before", (4, 6, 5), outputs=2)
    x = random_input(network, 2, 9)
    got = stages.ProgramStage(encode(parts(network.layers)), 2).advance(x)
    assert np.abs(got - forward(network, x)).max() < 2e-6  # as in test_session.py
