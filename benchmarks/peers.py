"""The runtimes that a user would pick instead, each with one thread and the same weights.

Those that `edgelstm bench` knows are called by its preparers; OpenVINO has none.
"""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.contestants import Array, Contestant, Task
from benchmarks.networks import Case
from benchmarks.onnx_graph import graph
from benchmarks.road import PEERS, Road


def peers(given: Task, folder: pathlib.Path) -> Iterator[Contestant]:
    """Every peer that is installed; the others are named on standard output.

    Args:
        given: The layer in each form.
        folder: Where their files are written; behind the last peer nothing reads them any more.
    """
    for build in (*PEERS, _openvino):
        try:
            yield from build(given) if build is _openvino else _called(given, build, folder)
        except ImportError as error:
            print(f"left out: {error}")


def _called(given: Task, build: Any, folder: pathlib.Path) -> Iterator[Contestant]:
    """A row for each file of a peer; those of the GRU have a mode of their own."""
    lstm = {name: network for name, network in given.networks.items() if name != "gru"}
    for mode, networks in ((None, lstm), ("gru", {"float32": given.networks["gru"]})):
        case = Case("one layer", networks, given.x)
        calls: dict[tuple[str, str], dict[str, Any]] = {}
        own = folder / f"{build.__name__}_{mode}"
        own.mkdir()
        for road in build(case, own):
            of_mode = mode if mode and road.precision == "float32" else road.precision
            if mode in (None, of_mode):
                found = calls.setdefault((f"{road.name}, {of_mode}", of_mode), {})
                found[road.mode] = _call(road, case, given)
        for (name, of_mode), both in calls.items():
            yield Contestant(name, of_mode, "peer", both["sequence"], both["step"])


def _call(road: Road, case: Case, given: Task) -> Callable[[], Array]:
    """Its result as (steps, hidden_size)."""
    x = road.inputs(case)[0]

    def call() -> Array:
        return road.call(x).reshape(-1, given.hidden_size)

    return call


def _openvino(given: Task) -> Iterator[Contestant]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    core, requests = openvino.Core(), []
    for steps in (len(given.x), 1):
        model = core.read_model(graph(given.networks["float32"]))
        model.reshape({"x": [steps, 1, given.input_size]})
        requests.append(core.compile_model(model, "CPU", settings).create_infer_request())
    zero = np.zeros((1, 1, given.hidden_size), np.float32)
    rows, state = given.x[:, None].copy(), [zero, zero]

    def sequence() -> Array:
        requests[0].infer([rows, zero, zero], share_inputs=True)
        y: Array = requests[0].get_output_tensor(0).data[:, 0, 0]
        return y

    def step() -> None:
        requests[1].infer([rows[:1], *state], share_inputs=True)
        state[:] = [requests[1].get_output_tensor(k).data.copy() for k in (1, 2)]

    yield Contestant("OpenVINO", "float32", "peer", sequence, step)
