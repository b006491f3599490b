"""An embedding of int16: rows are cut out of the table one by one, in all runtimes alike."""

import pathlib
from typing import Any

import numpy as np
import pytest

from edgelstm.formats import read, write
from edgelstm.layers.dense import Dense
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.networks import random_bidirectional, random_recurrent, uniform
from tests.present import skip_without

rng = np.random.default_rng(0)
TABLE = Embedding("embedding1", uniform(rng, (9, 4), 1.0))
FRONT = Dense("dense2", uniform(rng, (4, 4), 1.0), uniform(rng, (4,), 1.0), "relu")
LSTM = random_recurrent("lstm", 4, 6, rng, name="lstm1")
# What stands behind it: the loop looks the rows up, or a loop of its own does.
BEHIND: dict[str, tuple[Any, ...]] = {
    "each step": (LSTM,),
    "last step": (LSTM, ReadSteps(6)),
    "dense in front": (FRONT, LSTM, ReadSteps(6, ("max",))),
    "both directions": (
        random_bidirectional("gru", 4, 6, rng, name="gru1"),
        ReadSteps(12, ("finals",)),
    ),
    "dense alone": (FRONT,),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("streaming", [False, True, "io"])
def test_no_value_differs(tmp_path: pathlib.Path, streaming: bool | str, behind: str) -> None:
    skip_without("litert")
    if streaming and behind == "both directions":
        return  # needs whole sequences
    network = Network((TABLE, *BEHIND[behind]))
    indices = np.random.default_rng(1).integers(0, 9, (5, 7))
    q = quantize(network, indices, "int16x8")
    steps = 1 if streaming else 7
    path = write(q, tmp_path / "net.tflite", streaming=streaming, steps=steps)
    got, expected = (net.layers[0].arrays["weight"] for net in (read(path), q))
    np.testing.assert_array_equal(got, expected)
    found = verify(path, q, n_sequences=6, steps=7 if streaming else None).verified
    for result in found:
        assert result.status == "skipped" or (result.status, result.mismatches) == ("ok", 0)
    assert any(result.status == "ok" for result in found)
