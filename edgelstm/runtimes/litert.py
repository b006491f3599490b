""".tflite files in LiteRT, or in its predecessor tflite-runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.runtimes.runtime import Array


class LiteFile:
    """An `OpenedFile`; the state stays inside the interpreter."""

    def __init__(self, interpreter: Any) -> None:
        """Of either package."""
        interpreter.allocate_tensors()
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._output = interpreter.get_output_details()[0]["index"]

    def run(self, sequences: Array) -> Array:
        """See `OpenedFile`."""
        return np.stack([self._run_one(x) for x in sequences])

    def _run_one(self, x: Array) -> Array:
        self.reset()
        y: Array = self._invoke(x[None])[0]
        return y

    def step(self, x_t: Array) -> Array:
        """See `OpenedFile`."""
        return self._invoke(x_t[None, None]).reshape(-1)

    def reset(self) -> None:
        """See `OpenedFile`."""
        self._interpreter.reset_all_variables()

    def _invoke(self, x: Array) -> Array:
        self._interpreter.set_tensor(self._input, x)
        self._interpreter.invoke()
        y: Array = self._interpreter.get_tensor(self._output)
        return y


def open_litert(path: Path, initial_states: Mapping[str, Array]) -> LiteFile:
    """Opens a file in ai-edge-litert, with its default kernels and one thread."""
    from ai_edge_litert.interpreter import Interpreter

    return LiteFile(Interpreter(model_content=path.read_bytes(), num_threads=1))


def open_tflite_runtime(path: Path, initial_states: Mapping[str, Array]) -> LiteFile:
    """Opens a file in tflite-runtime, with its default kernels and one thread."""
    from tflite_runtime.interpreter import Interpreter

    return LiteFile(Interpreter(model_content=path.read_bytes(), num_threads=1))
