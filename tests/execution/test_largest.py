"""The max of the steps goes on from call to call, in both engines and in streaming files."""

import pathlib
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.formats import encode, facts, write
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.network import Network
from tests.formats.c.networks import around
from tests.networks import random_input, random_recurrent
from tests.present import expected_status

FORMS = (
    *(("float32", None), ("hybrid", None), ("int8", "fused")),
    *(("int8", "composed"), ("int16x8", "composed")),
)
STEPS = 7


def made(name: str, precision: str, form: str | None) -> tuple[Any, Any]:
    """A network of `around`, and input for it."""
    network = around()[name]
    x: Any = random_input(network, 3, STEPS)
    if network.indices:
        x = np.random.default_rng(0).integers(0, 9, (3, STEPS))
    return quantized(network, x, precision, form), x


def quantized(network: Network, x: Any, precision: str, form: str | None) -> Any:
    return network if precision == "float32" else edgelstm.quantize(network, x, precision, form)


def by_prefix(network: Any, x: Any) -> Any:
    """Of each step what a sequence gives that ends there."""
    ends = [run(network, x[:, : t + 1], engine="reference") for t in range(x.shape[1])]
    return np.stack(ends, 1)


@pytest.mark.parametrize(("precision", "form"), FORMS)
@pytest.mark.parametrize("name", ["max", "last_max"])
@pytest.mark.parametrize("engine", ["reference", "numba"])
def test_a_step_gives_what_a_sequence_gives_that_ends_there(
    engine: str, name: str, precision: str, form: str | None
) -> None:
    network, x = made(name, precision, form)
    session, expected = Session(network, 3, engine=engine), by_prefix(network, x)
    got = np.stack([session.step(x[:, t]) for t in range(4)], 1)
    state, there = session.state, Session(network, 3, engine=engine)
    there.state = state  # and goes on in another session
    more = np.stack([there.step(x[:, t]) for t in range(4, STEPS)], 1)
    tolerance = {"hybrid": 0.05, "float32": 2e-6}.get(precision, 0)
    both = np.concatenate([got, more], 1)
    np.testing.assert_allclose(both, expected, rtol=0, atol=tolerance)
    session.reset()
    np.testing.assert_allclose(session.step(x[:, 0]), both[:, 0], rtol=0, atol=1e-7)
    one = Session(network, engine=engine)
    alone = np.stack([one.step(x_t) for x_t in x[0]])
    np.testing.assert_allclose(alone, both[0], rtol=0, atol=tolerance)


def test_a_sequence_in_two_calls_has_the_max_of_both() -> None:
    network, x = made("max", "int8", "composed")
    for engine in ("reference", "numba"):
        session = Session(network, 3, engine=engine)
        session.run(x[:, :5])
        np.testing.assert_array_equal(session.run(x[:, 5:]), run(network, x, engine="reference"))


def test_the_state_begins_at_the_least_number_of_its_type() -> None:
    for precision, form, least in (("int8", "fused", -128), ("int16x8", "composed", -32768)):
        network, _ = made("max", precision, form)
        for engine in ("reference", "numba"):
            largest = Session(network, engine=engine).state["max"]["max"]
            assert (largest == least).all() and largest.dtype == network.input.type


@pytest.mark.parametrize(("precision", "form"), [f for f in FORMS if f[1] != "fused"])
@pytest.mark.parametrize("name", ["max", "last_max"])
@pytest.mark.parametrize("streaming", [True, "io"])
def test_streaming_files_keep_it(
    tmp_path: pathlib.Path, streaming: bool | str, name: str, precision: str, form: str | None
) -> None:
    network, _ = made(name, precision, form)
    path = write(network, tmp_path / "net.tflite", streaming=streaming)
    refused = facts(path).refused_by
    assert not {"tflm", "litert"} & set(refused)
    found = edgelstm.verify(path, network, n_sequences=6, steps=9).verified
    for result in found:
        expected = "skipped" if result.runtime in refused else expected_status(result.runtime)
        assert (result.runtime, result.status) == (result.runtime, expected)
        assert result.mismatches in (0, None)
    assert any(result.status == "ok" for result in found)


@pytest.mark.parametrize(
    ("suffix", "precision", "form", "told"),
    [
        (".tflite", "int8", "fused", "no state of fused int8 files"),
        (".onnx", "float32", None, "a streaming .onnx keeps no max"),
    ],
)
def test_other_streams_refuse_it(suffix: str, precision: str, form: str | None, told: str) -> None:
    network, _ = made("max", precision, form)
    with pytest.raises(ModelError, match=told):
        encode(network, suffix, streaming=True)


@pytest.mark.parametrize("reads", [("mean",), ("last", "mean")])
def test_what_needs_all_steps_is_refused_with_the_reason(reads: tuple[str, ...]) -> None:
    layer = random_recurrent("lstm", 4, 6, np.random.default_rng(0), name="lstm1")
    network = Network((layer, ReadSteps(6, reads)))
    session = Session(network, engine="reference")
    with pytest.raises(ModelError, match="the mean of the steps is known at the end alone"):
        session.step(np.zeros(4, np.float32))
