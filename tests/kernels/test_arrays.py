"""Which arrays the kernels take as they are, and that they leave all others alone."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgelstm.execution.compiled import NumbaEngine
from edgelstm.execution.session import Session, run
from edgelstm.execution.stages import UNFIT
from edgelstm.quantization.quantized import QuantizedNetwork
from tests.kernel_forms import FORMS, every_form
from tests.networks import random_input, random_network


def test_an_array_that_is_not_aligned_gives_the_same() -> None:
    for network in every_form():
        x = random_input(network, 2, 10)
        shifted = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
        shifted[...] = x
        assert np.array_equal(run(network, shifted), run(network, x))


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


def lone_layer(sizes: tuple[int, int], batch: int | None = None) -> NumbaEngine:
    return NumbaEngine(random_network("lstm", sizes), batch)


@pytest.mark.parametrize("x_shape, y_shape", UNFIT_SEQUENCES)
def test_a_sequence_leaves_alone_what_it_cannot_take(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...]
) -> None:
    engine = lone_layer((5, 16), 4)
    run_on = engine.call(is_step=False, real=True)
    for x_type, y_type in ((np.float32, np.float32), (np.float64, np.float32)):
        x, y = np.ones(x_shape, x_type), np.full(y_shape, 7, y_type)
        assert run_on(x, y) == UNFIT
        assert (y == 7).all() and not engine.states()["lstm1"]["h"].any()


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


UNFIT_ROWS = {
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


@pytest.mark.parametrize("unfit", UNFIT_ROWS.values(), ids=UNFIT_ROWS)
def test_a_step_leaves_alone_what_it_cannot_take(unfit: Any) -> None:
    engine = lone_layer((5, 5))
    step, fit = engine.call(is_step=True, real=True), np.ones(5, np.float32)
    y, before = np.full(5, 7, np.float32), copy.copy(unfit)
    assert step(unfit, y) == step(fit, unfit) == UNFIT
    assert step(fit, read_only(fit.copy())) == UNFIT
    assert (y == 7).all() and np.array_equal(unfit, before)
    assert not engine.states()["lstm1"]["h"].any()
    assert step(fit, y) == 0 and engine.states()["lstm1"]["h"].any()


def test_a_step_takes_every_object_that_stands_for_its_type() -> None:
    step = lone_layer((5, 5)).call(is_step=True, real=True)
    odd = np.dtype(np.float32).newbyteorder("S").newbyteorder("S")
    x = np.zeros(5, odd)
    assert x.dtype == np.float32 and x.dtype is not np.dtype(np.float32)
    assert step(x, np.zeros(5, np.float32)) == 0


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
