"""FileFacts: what a written file is fixed to, beside its network."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class FileFacts:
    """How a file is called.

    Attributes:
        steps: Time steps per call; None where the file leaves them open.
        input_type, output_type: `float32`, `int8` or `int16`. A file with an integer network that
            takes or gives float32 converts at its ends, with the scales of the network's input and
            output.
        streaming: One step per call, and the state goes on from call to call.
        has_softmax: It ends in a softmax, which the network read from an int8 file leaves off.
        initial_states: Of files that take their states as inputs: the name of the input to what
            fills it at the start, in the order of the file's inputs.
        operators: Names of the operators, each once; of `.tflite` files.
        resource_variables: Number of states in resource variables, which TensorFlow Lite Micro's
            interpreter in C++ must be given room for.
        starts_anew: Whether each call begins at the initial state.
        refused_by: Runtime to why it refuses the file.
        core: That a folder of C is written for; None: any.
    """

    steps: int | None
    input_type: str
    output_type: str
    streaming: bool
    has_softmax: bool = False
    initial_states: Mapping[str, NDArray[Any]] = dataclasses.field(default_factory=dict)
    operators: tuple[str, ...] = ()
    resource_variables: int = 0
    starts_anew: bool = False
    refused_by: Mapping[str, str] = dataclasses.field(default_factory=dict)
    core: str | None = None
