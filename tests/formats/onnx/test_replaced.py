"""Nodes of larger graphs: read alone, and rewritten at every opset with their states."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.helper import make_graph, make_node, make_tensor_value_info

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.formats.onnx.carried import carried
from edgelstm.formats.onnx.part import find
from edgelstm.formats.onnx.replaced import rewritten
from tests.larger_graphs import INPUTS, stateful
from tests.onnx_files import session, snr_db

NODE = "deep/in it"
LEAST_DB = {"float32": 100, "hybrid": 25, "int8": 20, "int16x8": 20}


def put(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("precision", LEAST_DB)
@pytest.mark.parametrize("operator", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("directions", [1, 2])
def test_states_are_connected_at_every_opset(
    operator: str, directions: int, precision: str, tmp_path: Path
) -> None:
    rng, states = np.random.default_rng(1), ("h", "c")[: 2 if operator == "LSTM" else 1]
    feed = {"x": rng.normal(size=(7, 3, INPUTS)).astype(np.float32)}
    feed |= {s: rng.uniform(-0.7, 0.7, (directions, 3, 4)).astype(np.float32) for s in states}
    path = put(tmp_path / "in.onnx", stateful(operator, directions))
    network: Any = edgelstm.read(path, node=NODE)
    if precision != "float32":
        seen = np.sin(np.concatenate([feed["x"], rng.normal(size=(7, 30, INPUTS))], 1))
        seen = seen.transpose(1, 0, 2).astype(np.float32)
        network = edgelstm.quantize(network, seen, precision)
    results = []
    for opset in (11, 12, 13, 14, 15, 17, 18, 21):
        model = stateful(operator, directions, opset=opset)
        if opset < 13 and network.input is not None:
            with pytest.raises(ModelError, match="13 or newer is needed"):
                rewritten(model, find(model, [NODE]), network)
            continue
        made = rewritten(model, find(model, [NODE]), network)
        onnx.checker.check_model(made, full_check=True)
        expected, got = (session(m).run(None, feed) for m in (model, made))
        for a, b in zip(expected, got, strict=True):
            assert np.array_equal(a, b) or snr_db(a, b) > LEAST_DB[precision]
        results.append(got)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
