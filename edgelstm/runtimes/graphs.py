"""Graphs of others in ONNX Runtime, in a child process: any inputs, any outputs, several calls."""

import dataclasses
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.isolation import run_child
from edgelstm.runtimes.runtime import Array

TIMEOUT_S = 600.0


@dataclasses.dataclass(frozen=True, eq=False)
class Calls:
    """What a graph is called with, one after the other.

    Attributes:
        inputs: Of each call, name to value.
        carried: Name of an input to that of the output which the call before gave; the first call
            has it among its inputs.
    """

    inputs: Sequence[Mapping[str, Array]]
    carried: Mapping[str, str] = dataclasses.field(default_factory=dict)


def run_graph(
    model: bytes, folder: Path, outputs: Sequence[str], calls: Calls
) -> list[dict[str, Array]]:
    """Outputs of each call by name; those that are no numbers are left out.

    Args:
        model: An ONNX model.
        folder: Where its tensors outside of the file lie.
        outputs: Which are wanted.
        calls: What it is called with.

    Raises:
        ModelError: ONNX Runtime is not here, refuses, crashes or does not answer.
    """
    if told := RUNTIMES["onnxruntime"].obstacle:
        raise ModelError(f"the graph is run in onnxruntime, and {told}")
    asked = {
        "folder": str(folder.resolve()),
        "outputs": list(outputs),
        "calls": [list(call) for call in calls.inputs],
        "carried": dict(calls.carried),
    }
    arrays = {
        f"{k} {n}": value
        for k, call in enumerate(calls.inputs)
        for n, value in enumerate(call.values())
    }
    arrays["asked"] = np.frombuffer(json.dumps(asked).encode(), np.uint8)
    with tempfile.TemporaryDirectory() as own:
        path = Path(own) / "graph.onnx"
        path.write_bytes(model)
        done = run_child(["graph", str(path)], arrays, timeout_s=TIMEOUT_S)
    if done.outputs is None:
        raise ModelError(f"onnxruntime: {done.reason}")
    with np.load(io.BytesIO(done.outputs.tobytes())) as found:
        return [
            {name: found[f"{k} {n}"] for n, name in enumerate(outputs) if f"{k} {n}" in found}
            for k in range(len(calls.inputs))
        ]
