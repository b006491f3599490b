"""Masks: read as a network without one, which refuses x in which a step is masked."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.execution import session
from edgelstm.formats import read, write
from edgelstm.model.network import Network
from edgelstm.verification.verifier import verify
from tests.keras_files import (
    INPUTS,
    check,
    functional,
    layers,
    outputs,
    random_x,
    saved,
    sequential,
)

L = layers
# Kernels of integers take a minute to compile, and masks are looked at before them.
run = functools.partial(session.run, engine="reference")
Session = functools.partial(session.Session, engine="reference")


@pytest.fixture
def masking(tmp_path: Path) -> Network:
    """Masks steps of -1."""
    model = sequential(L.Masking(-1.0), L.LSTM(5, return_sequences=True), L.GRU(4), L.Dense(3))
    return check(model, tmp_path)


@pytest.fixture
def words(tmp_path: Path) -> Network:
    """Masks index 0."""
    indices = np.random.default_rng(0).integers(1, 10, size=(3, 7))
    call = lambda x: L.Dense(3)(L.LSTM(5)(L.Embedding(10, 4, mask_zero=True)(x)))  # noqa: E731
    check(
        sequential(L.Embedding(10, 4, mask_zero=True), L.LSTM(5), shape=(None,)), tmp_path, indices
    )
    return check(functional(call, (None,), "int32"), tmp_path, indices)


def masked(x: Any, step: int = 2) -> Any:
    """The same x, one step of which is masked."""
    held = x.copy()
    held[..., step, :] = -1
    return held


def test_what_is_assumed_says_so(masking: Network, words: Network) -> None:
    for network, value in ((masking, "every value is -1"), (words, "steps of index 0")):
        (said,) = network.assumed
        assert f"masks steps {'in which ' if 'every' in value else 'of '}" in said and value in said
        assert "a written file cannot check it" in said
    assert (masking.mask_value, words.mask_value) == (-1, 0)


def test_x_with_a_masked_step_is_refused_everywhere(masking: Network) -> None:
    x, said = random_x(3), "masked step, step 2.* of sequence 0.*mask.*cut them off"
    quantized = edgelstm.quantize(masking, x, "int8", form="composed")
    hybrid = edgelstm.quantize(masking, None, "hybrid")
    for network in (masking, quantized, hybrid):
        assert run(network, x).shape == (3, 3)
        with pytest.raises(ModelError, match=said):
            run(network, masked(x))
        with pytest.raises(ModelError, match="masked step, step 2 "):
            Session(network).run(masked(x[0]))
        with pytest.raises(ModelError, match="masked step, step 0 "):
            Session(network).step(np.full(INPUTS, -1, np.float32))
    for precision in ("int8", "hybrid"):
        with pytest.raises(ModelError, match=said):
            edgelstm.quantize(masking, masked(x), precision, form=None)


def test_integers_and_steps_partly_alike_pass(masking: Network) -> None:
    x = random_x(3)
    x[:, 2, 1:] = -1
    run(masking, x)
    quantized = edgelstm.quantize(masking, x, "int8", form="composed")
    assert quantized.input is not None
    run(quantized, np.full((4, INPUTS), quantized.input_zero_point, np.int8))


def test_the_line_that_is_named_cuts_the_steps_off(masking: Network, words: Network) -> None:
    x = masked(random_x(3))[0]
    with pytest.raises(ModelError) as caught:
        run(masking, x)
    line = str(caught.value).rpartition("x = ")[2]
    assert run(masking, eval(line, {"x": x})).shape == (3,)  # what a user would type
    indices = np.array([3, 4, 0, 5, 0, 0])
    with pytest.raises(ModelError) as caught:
        run(words, indices)
    line = str(caught.value).rpartition("x = ")[2]
    np.testing.assert_array_equal(eval(line, {"x": indices}), [3, 4, 5])


def test_cutting_off_is_what_keras_does(tmp_path: Path) -> None:
    model = sequential(L.Masking(-1.0), L.LSTM(5, return_sequences=True), L.GRU(4), L.Dense(3))
    network = read(saved(model, tmp_path / "net.keras"))
    x = masked(random_x(3), 6)
    np.testing.assert_allclose(run(network, x[:, :6]), outputs(model, x), atol=1e-5)


def test_a_masked_index_is_refused(words: Network) -> None:
    x = np.array([[1, 2, 3], [4, 0, 5]])
    with pytest.raises(ModelError, match="masked step, step 1 of sequence 1 .*its index is 0"):
        run(words, x)
    with pytest.raises(ModelError, match="mask"):
        Session(words).step(np.array(0))
    with pytest.raises(ModelError, match="mask"):
        edgelstm.quantize(words, x, "int8", form="composed")


@pytest.mark.parametrize("suffix", [".npz", ".onnx", ".tflite"])
def test_a_file_keeps_the_mask_and_is_verified_without_masked_steps(
    suffix: str, masking: Network, words: Network, tmp_path: Path
) -> None:
    for network, x in ((masking, random_x(3)), (words, np.array([[1, 2, 3], [4, 7, 5]]))):
        quantized = edgelstm.quantize(network, x, "int8", form="composed")
        for made in (network, quantized):
            path = write(made, tmp_path / f"net{suffix}", steps=5)
            again = read(path)
            if made is quantized or suffix == ".npz":
                assert again.mask_value == network.mask_value
            if suffix == ".tflite":
                (found, *_) = verify(path, made, n_sequences=2, steps=5).verified
                assert found.status in ("ok", "skipped"), found


@pytest.mark.parametrize("value", [float("nan"), 1, "0", 1e39, 0.1])
def test_a_mask_is_a_number_that_x_can_hold(value: Any, masking: Network) -> None:
    with pytest.raises(ModelError, match="mask_value is"):
        Network(masking.layers, mask_value=value)
