"""What code that calls a written file must know beside its inputs and outputs."""

import dataclasses
import pathlib
from collections.abc import Iterable
from typing import Any

from edgelstm.cells import CELLS
from edgelstm.formats import AnyNetwork, facts
from edgelstm.formats.signature import FileFacts
from edgelstm.layers.recurrent import Recurrent

TFLM_RESET = "MicroInterpreter::Reset()"


@dataclasses.dataclass(frozen=True)
class Called:
    """How the file for TensorFlow Lite is called, or the .onnx file where there is none.

    Attributes:
        operators: Their names, which TFLM's interpreter in C++ is given; of `.tflite` alone.
        states: Of files with states as inputs: name of the input, layer, state.
        resource_variables: For how many TFLM's `MicroResourceVariables` needs room.
        reset: Runtime to what returns the state to its start; None where each call begins there.
    """

    operators: tuple[str, ...] = ()
    states: tuple[dict[str, str], ...] = ()
    resource_variables: int = 0
    reset: dict[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Keys of the report."""
        return dataclasses.asdict(self) | {
            "operators": list(self.operators),
            "states": list(self.states),
        }


def called(network: AnyNetwork, paths: Iterable[pathlib.Path]) -> Called:
    """Of the files that were written of a network."""
    found = {path.suffix: facts(path) for path in paths if path.suffix in (".tflite", ".onnx")}
    about = found.get(".tflite") or found.get(".onnx")
    if about is None:
        return Called()
    layers = [layer for layer in network.layers if isinstance(layer, Recurrent)]
    states = tuple(
        {"input": f"{state}{k}", "layer": layer.name, "state": state}
        for k, layer in enumerate(layers)
        for state in CELLS[layer.cell_name].states
    )
    reset = _reset(about) if layers and ".tflite" in found else None
    return Called(
        about.operators, states if about.initial_states else (), about.resource_variables, reset
    )


def _reset(about: FileFacts) -> dict[str, str] | None:
    if about.starts_anew:
        return None
    if about.initial_states:
        return {"tflm": "zeros", "litert": "zeros"}
    signature = "signature reset" if about.resource_variables else "reset_all_variables()"
    return {"tflm": TFLM_RESET, "litert": signature}
