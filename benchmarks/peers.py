"""The runtimes that a user would pick instead, each with one thread and the same weights."""

import pathlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.contestants import Array, Contestant, Task
from benchmarks.onnx_graph import dynamic, graph
from edgelstm.formats import write


def peers(given: Task) -> Iterator[Contestant]:
    """Every peer that is installed; the others are named on standard output."""
    for build in (_onnxruntime, _litert, _torch, _openvino):
        try:
            yield from build(given)
        except ImportError as error:
            print(f"left out: {error}")


# ---- ONNX Runtime: one LSTM or GRU operator and nothing else


def _onnxruntime(given: Task) -> Iterator[Contestant]:
    lstm = graph(given.networks["float32"])
    yield from _ort_rows(given, "ONNX Runtime", "float32", lstm)
    yield from _ort_rows(given, "ONNX Runtime GRU", "gru", graph(given.networks["gru"]))
    for name, content in dynamic(lstm):
        yield from _ort_rows(given, f"ONNX Runtime {name}", "hybrid", content)


def _ort_rows(given: Task, name: str, mode: str, content: bytes) -> Iterator[Contestant]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    runner = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    states = [i.name for i in runner.get_inputs()][1:]
    zero, rows = np.zeros((1, 1, given.hidden_size), np.float32), given.x[:, None].copy()
    start = dict.fromkeys(states, zero)

    def sequence() -> Array:
        y: Array = runner.run(["y"], {"x": rows, **start})[0][:, 0, 0]
        return y

    yield Contestant(name, mode, "peer", sequence, _ort_bound_step(runner, given, states))


def _ort_bound_step(runner: Any, given: Task, states: list[str]) -> Callable[[], None]:
    """Two bindings that hand the states to and fro: nothing is copied."""
    from onnxruntime import OrtValue

    n = given.hidden_size
    x = OrtValue.ortvalue_from_numpy(given.x[:1, None].copy())
    y = OrtValue.ortvalue_from_numpy(np.zeros((1, 1, 1, n), np.float32))
    values = [
        [OrtValue.ortvalue_from_numpy(np.zeros((1, 1, n), np.float32)) for _ in states]
        for _ in range(2)
    ]
    bindings = []
    for k in range(2):
        binding = runner.io_binding()
        binding.bind_ortvalue_input("x", x)
        binding.bind_ortvalue_output("y", y)
        for state, old, new in zip(states, values[k], values[1 - k], strict=True):
            binding.bind_ortvalue_input(state, old)
            binding.bind_ortvalue_output(f"{state}_out", new)
        bindings.append(binding)

    def step() -> None:
        runner.run_with_iobinding(bindings[0])
        bindings.reverse()

    return step


# ---- LiteRT: the files that edgelstm writes


def _litert(given: Task) -> Iterator[Contestant]:
    from ai_edge_litert.interpreter import Interpreter

    for mode in ("float32", "hybrid", "int8"):
        with tempfile.TemporaryDirectory() as folder:
            x = given.input(mode)
            opened = []
            for steps in (len(x), 1):
                path = write(given.networks[mode], pathlib.Path(folder, "m.tflite"), steps=steps)
                opened.append(Interpreter(model_content=path.read_bytes(), num_threads=1))
                opened[-1].allocate_tensors()
            yield Contestant(f"LiteRT {mode}", mode, "peer", *_litert_calls(opened, x))


def _litert_calls(opened: list[Any], x: Array) -> tuple[Callable[[], Array], Callable[[], Any]]:
    ends = [(i.get_input_details()[0]["index"], i.get_output_details()[0]["index"]) for i in opened]
    whole, single = x[None].copy(), x[None, :1].copy()

    def call(k: int, data: Array) -> Array:
        opened[k].set_tensor(ends[k][0], data)
        opened[k].invoke()
        y: Array = opened[k].get_tensor(ends[k][1])[0]
        return y

    def sequence() -> Array:
        opened[0].reset_all_variables()
        return call(0, whole)

    return sequence, lambda: call(1, single)


# ---- torch


def _torch(given: Task) -> Iterator[Contestant]:
    import torch

    torch.set_num_threads(1)
    layer = given.networks["float32"].layers[0].parts[0]
    lstm = torch.nn.LSTM(given.input_size, given.hidden_size)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    lstm.load_state_dict({f"{k}_l0": torch.from_numpy(getattr(layer, k)) for k in names})
    lstm.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_dynamic: Any = torch.ao.quantization.quantize_dynamic
        dynamic = quantize_dynamic(torch.nn.Sequential(lstm), {torch.nn.LSTM}, torch.qint8)[0]
    yield Contestant("torch", "float32", "peer", *_torch_calls(lstm, given))
    yield Contestant("torch dynamic", "hybrid", "peer", *_torch_calls(dynamic, given))


def _torch_calls(module: Any, given: Task) -> tuple[Callable[[], Array], Callable[[], Any]]:
    import torch

    rows, zero = torch.from_numpy(given.x[:, None].copy()), torch.zeros(1, 1, given.hidden_size)
    row, state = rows[:1].clone(), [(zero, zero)]

    def sequence() -> Array:
        with torch.inference_mode():
            y: Array = module(rows, (zero, zero))[0][:, 0].numpy()
        return y

    def step() -> None:
        with torch.inference_mode():
            state[0] = module(row, state[0])[1]

    return sequence, step


# ---- OpenVINO


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
