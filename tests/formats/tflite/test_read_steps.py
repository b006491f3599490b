"""Max, mean and all steps behind fused LSTMs, in chains of operators without metadata."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read, write
from edgelstm.formats.tflite.fused import fused_model
from edgelstm.formats.tflite.pack import pack
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.composed_files import dense
from tests.networks import random_input, random_recurrent
from tests.tflite_files import Litert, Tflm, constant, edited, refusal

STEPS = 28


def network_of(reads: str) -> Network:
    """As TensorFlow Lite Micro's own example: LSTM 28 -> 20, all steps, dense 10."""
    lstm = random_recurrent("lstm", 28, 20, np.random.default_rng(0), name="lstm1")
    read_of = ReadSteps(20, (reads,), STEPS if reads == "flatten" else None)
    return Network((lstm, read_of, dense("dense1", read_of.output_size, 10)))


def names(network: Any) -> list[str]:
    return [op.name for op in fused_model(network, STEPS).graphs[0].operators]


@pytest.mark.parametrize(
    "reads, operator", [("flatten", "RESHAPE"), ("max", "REDUCE_MAX"), ("mean", "MEAN")]
)
def test_real_values_give_the_equations_and_read_back(
    reads: str, operator: str, tmp_path: pathlib.Path
) -> None:
    network = network_of(reads)
    path = write(network, tmp_path / "net.tflite", steps=STEPS)
    assert names(network) == ["UNIDIRECTIONAL_SEQUENCE_LSTM", operator, "FULLY_CONNECTED"]
    x = random_input(network, 2, STEPS)
    expected, again = forward(network, x), read(path)
    assert isinstance(again, Network)
    assert [getattr(layer, "reads", None) for layer in again.layers] == [None, (reads,), None]
    np.testing.assert_allclose(forward(again, x), expected, rtol=0, atol=1e-6)  # biases added up
    for runtime in (Litert, Tflm):
        got = np.concatenate([runtime(path.read_bytes()).run(row[None]) for row in x])
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)  # sums in another order


@pytest.mark.parametrize("reads", ["flatten", "max"])
def test_int8_is_equal_in_each_runtime(reads: str, tmp_path: pathlib.Path) -> None:
    network = network_of(reads)
    qnetwork = quantize(network, random_input(network, 8, STEPS))
    assert qnetwork.form == "fused"
    path = write(qnetwork, tmp_path / "net.tflite")
    again = read(path)
    assert again.fixed_steps == network.fixed_steps
    assert again.input == qnetwork.input and again.output == qnetwork.output
    assert verify(path, n_sequences=16).passed


def test_another_axis_and_the_mean_of_integers_are_refused(tmp_path: pathlib.Path) -> None:
    model = fused_model(network_of("max"), STEPS)
    (graph,) = model.graphs
    lstm, reduced, head = graph.operators

    def packed(op: Any) -> bytes:
        operators = (lstm, op, head)
        changed = dataclasses.replace(graph, operators=operators)
        return pack(dataclasses.replace(model, graphs=(changed,)))

    assert "another axis than the steps" in refusal(
        packed(edited(reduced, 1, constant([2]))), tmp_path
    )
    network = network_of("max")
    qnetwork = quantize(network, random_input(network, 4, STEPS))
    model = fused_model(qnetwork, STEPS)
    (graph,) = model.graphs
    lstm, reduced, head = graph.operators
    mean = dataclasses.replace(reduced, name="MEAN")
    assert "the mean of integers differs" in refusal(packed(mean), tmp_path)
    with pytest.raises(ModelError, match="the mean of integers has no form in fused"):
        quantize(network_of("mean"), random_input(network, 4, STEPS))
