""".tflite files in LiteRT, or in its predecessor tflite-runtime."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgelstm.runtimes.runtime import Array, Call, CalledFile, Calling, initial

RESET = "reset"  # signature of files whose states are resource variables


def open_litert(
    path: Path, initial_states: Mapping[str, Array], kernels: str = "AUTO"
) -> CalledFile:
    """Opens a file in ai-edge-litert, with one thread.

    Args:
        path: The file.
        initial_states: See `Runtime`.
        kernels: Name in its `OpResolverType`; `AUTO`: its default kernels and delegate.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=path.read_bytes(),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType[kernels],
    )
    return _opened(interpreter, initial_states)


def open_tflite_runtime(path: Path, initial_states: Mapping[str, Array]) -> CalledFile:
    """Opens a file in tflite-runtime, with its default kernels and one thread."""
    from tflite_runtime.interpreter import Interpreter

    return _opened(Interpreter(model_content=path.read_bytes(), num_threads=1), initial_states)


def prepare_litert(path: Path, calling: Calling) -> Call:
    """A `Preparer` of ai-edge-litert."""
    from ai_edge_litert.interpreter import Interpreter

    content, threads = path.read_bytes(), calling.threads
    return _prepared(Interpreter(model_content=content, num_threads=threads), calling)


def prepare_tflite_runtime(path: Path, calling: Calling) -> Call:
    """A `Preparer` of tflite-runtime."""
    from tflite_runtime.interpreter import Interpreter

    content, threads = path.read_bytes(), calling.threads
    return _prepared(Interpreter(model_content=content, num_threads=threads), calling)


def _prepared(interpreter: Any, calling: Calling) -> Call:
    """Tensors are set and got: in place is faster for some files and slower for others."""
    interpreter.allocate_tensors()
    at_x, *at_states = (details["index"] for details in interpreter.get_input_details())
    at_y, *_ = (details["index"] for details in interpreter.get_output_details())
    assert not at_states, "a streaming file keeps its state inside"
    x, start = calling.batched, (lambda: None) if calling.is_step else reset_of(interpreter)
    set_x, invoke, get_y = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

    def call() -> Array:
        start()
        set_x(at_x, x)
        invoke()
        y: Array = get_y(at_y)
        return y

    return call


def _opened(interpreter: Any, initial_states: Mapping[str, Array]) -> CalledFile:
    """Of either package; a state not given starts at 0."""
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    outputs = [details["index"] for details in interpreter.get_output_details()]

    def invoke(values: Sequence[Array]) -> list[Array]:
        for details, value in zip(inputs, values, strict=True):
            interpreter.set_tensor(details["index"], value)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    start = [initial(state, initial_states.get(state["name"], 0)) for state in inputs[1:]]
    return CalledFile(invoke, reset_of(interpreter), start)


def reset_of(interpreter: Any) -> Callable[[], object]:
    """What returns a state to its start: of variable tensors, or of resource variables.

    Variables keep their values when tensors are reset.
    """
    if RESET in interpreter.get_signature_list():
        # A runner that is kept would keep the interpreter from being invoked.
        return lambda: interpreter.get_signature_runner(RESET)()
    reset: Callable[[], object] = interpreter.reset_all_variables
    return reset
