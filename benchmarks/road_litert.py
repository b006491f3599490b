"""LiteRT's ways into a network: the files that edgelstm writes.

A file of one step keeps its states between calls. `CompiledModel` takes no files with variables.
"""

import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.networks import Array, Case
from benchmarks.road import Road, from_start
from edgelstm.formats import write
from edgelstm.runtimes.litert import reset_of


def litert(case: Case) -> Iterator[Road]:
    """Every file in every interface, with one thread; int8 from integers to integers."""
    from ai_edge_litert.interpreter import Interpreter

    for precision, network in case.networks.items():
        for mode in case.modes:
            with tempfile.TemporaryDirectory() as folder:
                is_step = mode == "step"
                path = pathlib.Path(folder, "m.tflite")
                steps = 1 if is_step else len(case.x)
                content = write(network, path, steps=steps, streaming=is_step).read_bytes()
            for interface, opened in LITERT.items():
                interpreter = Interpreter(model_content=content, num_threads=1)
                interpreter.allocate_tensors()
                call, anew = opened(interpreter), reset_of(interpreter)

                def reset(anew: Callable[[], object] = anew) -> None:
                    anew()

                yield Road(
                    "LiteRT",
                    interface,
                    precision,
                    mode,
                    call if mode == "step" else from_start(call, reset),
                    lead=lambda x: np.atleast_2d(x)[None],
                    raw=precision == "int8",
                    reset=reset,
                )


def _ends(interpreter: Any) -> tuple[int, int]:
    """Indices of x and y."""
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    return inputs[0]["index"], outputs[0]["index"]


def _litert_copied(interpreter: Any) -> Callable[[Array], Array]:
    at_x, at_y = _ends(interpreter)

    def call(x: Array) -> Array:
        interpreter.set_tensor(at_x, x)
        interpreter.invoke()
        y: Array = interpreter.get_tensor(at_y)
        return y

    return call


def _litert_in_place(interpreter: Any) -> Callable[[Array], Array]:
    tensor_x, tensor_y = map(interpreter.tensor, _ends(interpreter))
    out = np.array(tensor_y())

    def call(x: Array) -> Array:
        tensor_x()[...] = x
        interpreter.invoke()
        out[...] = tensor_y()
        return out

    return call


def _litert_signature(interpreter: Any) -> Callable[[Array], Array]:
    runner = interpreter.get_signature_runner("serving_default")

    def call(x: Array) -> Array:
        y: Array = runner(x=x)["y"]
        return y

    return call


LITERT: dict[str, Callable[[Any], Callable[[Array], Array]]] = {
    "set_tensor": _litert_copied,
    "tensors in place": _litert_in_place,
    "signature runner": _litert_signature,
}
