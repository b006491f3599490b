"""Activations by themselves in .tflite files of others: RELU, RELU6, clips, LOGISTIC, TANH, ELU."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from edgelstm.execution.session import run
from edgelstm.formats.tflite.activations import FIXED
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.quantization.reference import run_integers
from edgelstm.quantization.rounding import LITERT
from tests.networks import random_input
from tests.tflite_files import (
    NETWORKS,
    STEPS,
    Litert,
    chain,
    constant,
    graph_of,
    int8,
    read_bytes,
    refusal,
    result_of,
)

NETWORK = NETWORKS["one layer"]
CUTS = {"MINIMUM": 0.125, "MAXIMUM": -0.0625}


def behind(lstm: Operator, name: str, limit: Tensor | None = None, **result: Any) -> bytes:
    """An operator behind an LSTM; its result is like what it reads, but for `result`."""
    h = result_of(lstm)
    y = dataclasses.replace(h, name="y", **result)
    inputs = (h,) if limit is None else (h, limit)
    version = 1 if h.type == "float32" else 2
    return chain(lstm, Operator(name, inputs, (y,), version=version))


@pytest.mark.parametrize("name", [*FIXED, *CUTS])
def test_real_values_are_those_of_litert(name: str, tmp_path: pathlib.Path) -> None:
    (lstm,) = graph_of(NETWORK).operators
    limit = constant([CUTS[name]], "float32") if name in CUTS else None
    content = behind(lstm, name, limit)
    x = random_input(NETWORK, 1, STEPS)
    # Another sigmoid and tanh, and sums in another order.
    np.testing.assert_allclose(
        run(read_bytes(content, tmp_path), x), Litert(content).run(x), atol=1e-5
    )


@pytest.mark.parametrize("name", ["RELU", *CUTS])
def test_integers_are_those_of_litert(name: str, tmp_path: pathlib.Path) -> None:
    (lstm,) = graph_of(int8(NETWORK)).operators
    h, limit = result_of(lstm), None
    if name in CUTS:
        steps = round(CUTS[name] / (h.scale or 1)) + h.zero_point
        limit = dataclasses.replace(constant([steps], "int8", h.scale), zero_point=h.zero_point)
    content = behind(lstm, name, limit)
    network: Any = read_bytes(content, tmp_path)
    x = np.random.default_rng(0).integers(-128, 128, (1, STEPS, 3)).astype(np.int8)
    np.testing.assert_array_equal(run_integers(network, x, LITERT), Litert(content).run(x))


def test_what_is_no_clip_at_one_number_is_refused(tmp_path: pathlib.Path) -> None:
    (lstm,) = graph_of(NETWORK).operators
    (whole,) = graph_of(int8(NETWORK)).operators
    h = result_of(whole)
    other = dataclasses.replace(constant([1], "int8", 0.5), zero_point=h.zero_point)
    cases = {
        "its second input is not one number": behind(
            lstm, "MINIMUM", constant([1, 2, 1, 1, 1], "float32")
        ),
        "its second input has another size": behind(lstm, "MINIMUM", constant([1, 1], "float32")),
        "is not one number; a clip": behind(lstm, "MAXIMUM", constant([np.nan], "float32")),
        "its limit has another scale": behind(whole, "MAXIMUM", other),
        "layer 'activation1': its result has another scale": behind(whole, "RELU", scale=0.5),
        "layer 'activation1': a result of its elu is near a tie": behind(
            *(whole, "ELU"), scale=2 * (h.scale or 1)
        ),
    }
    for told, content in cases.items():
        assert told in refusal(content, tmp_path)
