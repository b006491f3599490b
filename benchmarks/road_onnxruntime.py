"""ONNX Runtime's ways into a network: float32, and int8 weights by its own quantizer.

It has no LSTM that computes in int8, and no GRU with int8 weights.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.networks import Array, Case
from benchmarks.onnx_graph import dynamic, graph
from benchmarks.road import Road, steps_first
from edgelstm.layers.recurrent import Recurrent

States = dict[str, Array]


def onnxruntime(case: Case) -> Iterator[Road]:
    """Every file in every interface, with one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for precision, kind, file in _files(case):
        for mode in case.modes:
            for interface, opened in INTERFACES.items():
                runner = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
                start = {i.name: np.zeros(i.shape, np.float32) for i in runner.get_inputs()[1:]}
                carried = list(start) if mode == "step" else []
                x = case.x[:1] if mode == "step" else case.x
                call, reset = opened(runner, x[:, None].copy(), start, carried)
                yield Road(
                    "ONNX Runtime",
                    interface + kind,
                    precision,
                    mode,
                    call,
                    lead=steps_first,
                    reset=reset,
                )


def _files(case: Case) -> Iterator[tuple[str, str, bytes]]:
    """Precision, how it was made, and the file."""
    network = case.networks["float32"]
    content = graph(network)
    yield "float32", "", content
    cells = {layer.cell_name for layer in network.layers if isinstance(layer, Recurrent)}
    if cells == {"lstm"}:
        for name, made in dynamic(content):
            yield "hybrid", f", {name}", made
        # A small head is quicker with float weights.
        for name, made in dynamic(content, op_types_to_quantize=["LSTM"]):
            yield "hybrid", f", {name}, float head", made


# Each takes the session, x's buffer, the states at the start, and those that go on to the next
# call; it returns a call and what brings the states back to the start.


def _run(runner: Any, x: Array, start: States, carried: list[str]) -> Any:
    """The states go from the results into the next call, as NumPy arrays."""
    names, feed = ["y", *(f"{state}_out" for state in carried)], {"x": x, **start}

    def call(x: Array) -> Array:
        feed["x"] = x
        y: Array
        y, *new = runner.run(names, feed)
        feed.update(zip(carried, new, strict=True))
        return y

    return call, lambda: feed.update(start)


def _bound(runner: Any, x: Array, start: States, carried: list[str]) -> Any:
    """Arrays that ONNX Runtime reads and writes in place; two bindings hand the states over."""
    from onnxruntime import OrtValue

    made = OrtValue.ortvalue_from_numpy
    out = np.array(runner.run(["y"], {"x": x, **start})[0])
    memory = [{name: value.copy() for name, value in start.items()} for _ in range(2)]
    values = [{name: made(value) for name, value in states.items()} for states in memory]
    x_value, y_value, bindings = made(x), made(out), []
    for old, new in (values, values[::-1]):
        binding = runner.io_binding()
        binding.bind_ortvalue_input("x", x_value)
        binding.bind_ortvalue_output("y", y_value)
        for state in start:
            binding.bind_ortvalue_input(state, old[state])
        for state in carried:
            binding.bind_ortvalue_output(f"{state}_out", new[state])
        bindings.append(binding)
    buffer = x

    def call(x: Array) -> Array:
        buffer[...] = x
        runner.run_with_iobinding(bindings[0])
        if carried:
            bindings.reverse()
        return out

    def reset() -> None:
        for states in memory:
            for value in states.values():
                value[...] = 0

    return call, reset


def _ort_values(runner: Any, x: Array, start: States, carried: list[str]) -> Any:
    """OrtValues in, OrtValues out; the states never become NumPy arrays."""
    from onnxruntime import OrtValue

    made, buffer = OrtValue.ortvalue_from_numpy, x
    begin = {name: made(value) for name, value in start.items()}
    names, feed = ["y", *(f"{state}_out" for state in carried)], {"x": made(x), **begin}

    def call(x: Array) -> Array:
        buffer[...] = x
        y, *new = runner.run_with_ort_values(names, feed)
        feed.update(zip(carried, new, strict=True))
        result: Array = y.numpy()
        return result

    return call, lambda: feed.update(begin)


INTERFACES: dict[str, Callable[[Any, Array, States, list[str]], Any]] = {
    "run": _run,
    "io-binding": _bound,
    "OrtValues": _ort_values,
}
