"""An embedding in front of fused LSTMs: a GATHER of rows, written, and read in files of others."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats import facts, read, write
from edgelstm.formats.tflite.model import Operator, one_graph
from edgelstm.formats.tflite.pack import pack
from edgelstm.layers.dense import Dense
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.networks import random_recurrent, uniform
from tests.present import expected_status
from tests.tflite_files import graph_of, refusal

WORDS, STEPS = 40, 9


def tagger(precision: str = "float32") -> Any:
    rng = np.random.default_rng(0)
    table = Embedding("embedding1", uniform(rng, (WORDS, 5), 1.0))
    lstm = random_recurrent("lstm", 5, 7, rng, name="lstm1")
    head = Dense("dense1", uniform(rng, (3, 7), 0.5), uniform(rng, (3,), 0.5))
    network = Network((table, lstm, ReadSteps(7), head))
    return network if precision == "float32" else quantize(network, indices(8), precision)


def indices(n: int) -> Any:
    return np.random.default_rng(n).integers(0, WORDS, (n, STEPS))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("precision", ["float32", "hybrid", "int8"])
def test_rows_are_gathered_in_front_of_a_fused_lstm(
    precision: str, streaming: bool, tmp_path: Path
) -> None:
    network = tagger(precision)
    steps = 1 if streaming else STEPS
    path = write(network, tmp_path / "net.tflite", steps=steps, streaming=streaming)
    about = facts(path)
    assert about.operators[:2] == ("GATHER", "UNIDIRECTIONAL_SEQUENCE_LSTM")
    assert (about.input_type, about.streaming) == ("int32", streaming)
    again: Any = read(path)
    assert np.array_equal(again.layers[0].weight, network.layers[0].weight)
    got, expected = (run(n, indices(3), engine="reference") for n in (again, network))
    np.testing.assert_allclose(got, expected, atol=1e-6 if network.input is None else 0)
    for one in verify(path, network, n_sequences=8, steps=STEPS if streaming else None).verified:
        assert (one.runtime, one.status) == (one.runtime, expected_status(one.runtime))
        assert one.mismatches in (0, None)


def test_no_runtime_for_microcontrollers_gathers_int16(tmp_path: Path) -> None:
    network = quantize(tagger(), indices(8), "int16x8", "fused")
    with pytest.raises(ModelError, match="no form for embedding behind fused int16x8 LSTMs"):
        write(network, tmp_path / "net.tflite")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_other_lookups_are_refused(precision: str, tmp_path: Path) -> None:
    gather, *others = graph_of(tagger(precision), STEPS).operators
    (table, x), (rows,) = gather.inputs, gather.outputs
    assert table is not None and x is not None and rows is not None
    kept = dataclasses.replace

    def told(first: Operator, given: Any = None) -> str:
        """Of a file with this input, or that of its first operator."""
        given, (y,) = given or first.inputs[1], others[-1].outputs
        assert y is not None
        return refusal(pack(one_graph(given, y, (first, *others), "")), tmp_path)

    assert "otherwise than whole rows" in told(kept(gather, options={"axis": 1, "batch_dims": 0}))
    wide = kept(x, type="int64")
    assert "by int32 indices" in told(kept(gather, inputs=(table, wide)))
    free = kept(table, data=None)
    assert "no constant matrix" in told(kept(gather, inputs=(free, x)))
    elsewhere = kept(gather, inputs=(table, kept(x, name="other")))
    assert "by other values than the file's input" in told(elsewhere, x)
    if precision == "int8":
        moved = kept(rows, zero_point=rows.zero_point + 1)
        first = kept(gather, outputs=(moved,))
        assert "another scale or zero point than its table" in told(first)
