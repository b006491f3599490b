""".tflite files in LiteRT, or in its predecessor tflite-runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgelstm.runtimes.runtime import Array, CalledFile


def open_litert(path: Path, initial_states: Mapping[str, Array]) -> CalledFile:
    """Opens a file in ai-edge-litert, with its default kernels and one thread."""
    from ai_edge_litert.interpreter import Interpreter

    return _opened(Interpreter(model_content=path.read_bytes(), num_threads=1))


def open_tflite_runtime(path: Path, initial_states: Mapping[str, Array]) -> CalledFile:
    """Opens a file in tflite-runtime, with its default kernels and one thread."""
    from tflite_runtime.interpreter import Interpreter

    return _opened(Interpreter(model_content=path.read_bytes(), num_threads=1))


def _opened(interpreter: Any) -> CalledFile:
    """Of either package."""
    interpreter.allocate_tensors()
    x = interpreter.get_input_details()[0]["index"]
    y = interpreter.get_output_details()[0]["index"]

    def invoke(value: Array) -> Array:
        interpreter.set_tensor(x, value)
        interpreter.invoke()
        result: Array = interpreter.get_tensor(y)
        return result

    return CalledFile(invoke, interpreter.reset_all_variables)
