"""What a whole network in one call takes of the caller's arrays, and what it leaves alone."""

import ctypes
import mmap
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.compiled import NumbaEngine
from edgelstm.execution.session import Session, run
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import is_bidirectional
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from tests.networks import bidirectional_network, random_input, random_network, uniform

PRECISIONS = ("float32", "int8", "hybrid")


def test_real_values_and_integers_may_take_turns() -> None:
    network = random_network("lstm", (5, 16), outputs=3)
    x = random_input(network, 1, 12)[0]
    quantized: Any = quantize(network, x[None])
    scale = quantized.input
    raw = np.clip(np.rint(x / np.float64(scale.scale)) + scale.zero_point, -128, 127)
    raw = raw.astype(np.int8)
    expected, session = run(quantized, x), Session(quantized)
    for t in range(12):
        if t % 3 == 1:
            got = session.step(raw[t])
            assert got.dtype == np.int8
            got = quantized.output.reals(got)
        else:
            got = session.step(x[t])
        assert np.array_equal(got, expected[t])
    with pytest.raises(ModelError, match="out is float32"):
        session.step(raw[0], out=np.empty(3, np.float32))
    with pytest.raises(ModelError, match="out is int8"):
        session.step(x[0], out=np.empty(3, np.int8))


@pytest.mark.parametrize("batch", [None, 4])
def test_what_is_not_finite_is_counted_and_moves_no_state(batch: int | None) -> None:
    network = random_network("lstm", (5, 16), outputs=3)
    data = random_input(network, 4, 100)
    session = Session(quantize(network, data), batch)
    x = data.copy() if batch else data[0].copy()
    session.run(x)
    before = session.state
    x[..., 90, 2], x[..., 3, 0] = np.inf, np.nan
    with pytest.raises(ModelError, match=f"x holds {2 * (batch or 1)} values that are not finite"):
        session.run(x)
    with pytest.raises(ModelError, match=f"x holds {batch or 1} values that are not finite"):
        session.step(x[..., 3, :])
    for state, value in session.state["lstm1"].items():
        assert np.array_equal(value, before["lstm1"][state])


def test_the_result_may_overlap_the_input() -> None:
    rng = np.random.default_rng(3)
    lone = Network((Dense("d", uniform(rng, (6, 6), 1), uniform(rng, (6,), 1)),))
    for network in (lone, random_network("lstm", (6, 6)), random_network("lstm", (6, 9, 6))):
        x = random_input(network, 7, 9)
        expected = Session(network, batch=7)
        session = Session(network, batch=7)
        for t in range(9):
            room = np.zeros(60, np.float32)
            given, out = room[:42].reshape(7, 6), room[t : t + 42].reshape(7, 6)
            given[...] = x[:, t]
            wanted = expected.step(x[:, t].copy())
            assert session.step(given, out=out) is out and np.array_equal(out, wanted)


@pytest.fixture
def guarded() -> Iterator[Any]:
    """Arrays that end, or begin, where no byte may be touched."""
    libc, page = ctypes.CDLL(None, use_errno=True), mmap.PAGESIZE
    libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    kept: list[tuple[Any, int, int]] = []

    def make(values: Any, *, at_end: bool) -> Any:
        n_bytes = -(-max(1, values.nbytes) // page) * page
        room = mmap.mmap(-1, n_bytes + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(room))
        for guard in (start, start + page + n_bytes):
            assert libc.mprotect(guard, page, 0) == 0
            kept.append((room, guard, page))
        offset = page + (n_bytes - values.nbytes if at_end else 0)
        made = np.frombuffer(room, values.dtype, values.size, offset).reshape(values.shape)
        made[...] = values
        return made

    yield make
    for _, guard, size in kept:
        libc.mprotect(guard, size, 3)


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect is POSIX")
@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_nothing_is_touched_beside_the_callers_arrays(
    precision: str, at_end: bool, guarded: Any
) -> None:
    networks: list[Any] = [
        random_network("lstm", sizes, outputs=3, last_step=last_step)
        for sizes, last_step in (((1, 1), False), ((13, 33), True), ((7, 20, 5), False))
    ]
    networks += [bidirectional_network("lstm", sizes) for sizes in ((3, 5), (7, 20, 17))]
    for network in networks:
        x = random_input(network, 4, 29)
        if precision != "float32":
            network = quantize(network, x if precision == "int8" else None, precision)
        expected = run(network, x)
        assert np.array_equal(run(network, guarded(x, at_end=at_end)), expected)
        y = guarded(expected, at_end=at_end)
        y.fill(0)
        call = NumbaEngine(network, 4).call(is_step=False, real=True)
        assert call(guarded(x, at_end=at_end), y) == 0
        assert np.array_equal(y, expected)
        if is_bidirectional(network.layers[0]):
            continue
        session, steps = Session(network), Session(network)
        for x_t in x[0]:
            out = guarded(np.zeros(3, np.float32), at_end=at_end)
            session.step(guarded(x_t, at_end=at_end), out=out)
            assert np.array_equal(out, steps.step(x_t))
