"""What was read of the steps, repeated in front of a second fused LSTM: written and read."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.cost.arena import arena
from edgelstm.cost.count_ops import count
from edgelstm.execution.session import run
from edgelstm.formats import facts, read, write
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes.arena import smallest_arena
from edgelstm.verification.verifier import verify
from tests.networks import random_input, random_recurrent, uniform
from tests.tflite_files import chain, graph_of, refusal


def autoencoder(steps: int, reads: tuple[str, ...] = ("last",)) -> Network:
    rng = np.random.default_rng(steps)
    first = random_recurrent("lstm", 5, 7, rng, name="lstm1")
    second = random_recurrent("lstm", 7, 6, rng, name="lstm2")
    head = Dense("dense1", uniform(rng, (5, 6), 0.5), uniform(rng, (5,), 0.5))
    return Network((first, ReadSteps(7, reads), Repeat(7, steps), second, head))


@pytest.mark.parametrize("precision", ["float32", "hybrid", "int8"])
@pytest.mark.parametrize(("steps", "reads"), [(9, ("last",)), (12, ("max",)), (1, ("last",))])
def test_a_repetition_is_packed_in_front_of_a_second_fused_lstm(
    steps: int, reads: tuple[str, ...], precision: str, tmp_path: Path
) -> None:
    network: Any = autoencoder(steps, reads)
    x = random_input(network, 6, 9)
    if precision != "float32":
        network = quantize(network, x, precision)
    path = write(network, tmp_path / "net.tflite", steps=9)
    about = facts(path)
    assert "PACK" in about.operators and "WHILE" not in about.operators and not about.streaming
    again: Any = read(path)
    assert [layer.kind for layer in again.layers] == [layer.kind for layer in network.layers]
    got, expected = (run(n, x, engine="reference") for n in (again, network))
    np.testing.assert_allclose(got, expected, atol=1e-6 if network.input is None else 0)
    found = verify(path, network, n_sequences=8).verified
    assert [v.mismatches for v in found if v.status == "ok"]
    assert all((v.status, v.mismatches or 0) in (("ok", 0), ("skipped", 0)) for v in found)
    measured = smallest_arena(path) if precision != "hybrid" else None
    computed = arena(count(network, precision=precision).buffers, 9)
    assert measured is None or measured <= sum(dataclasses.astuple(computed))


def test_a_pack_of_anything_else_is_refused(tmp_path: Path) -> None:
    lstm, cut, packed, *_ = graph_of(autoencoder(3)).operators
    (row,) = cut.outputs
    assert row is not None
    other = dataclasses.replace(row, name="other")
    told = "joins other values than one row, read of all steps"
    mixed = dataclasses.replace(packed, inputs=(row, other, row))
    assert told in refusal(chain(lstm, cut, mixed), tmp_path)
    (each,) = lstm.outputs
    early = dataclasses.replace(packed, inputs=(each,) * 3)
    assert told in refusal(chain(lstm, early), tmp_path)
