""".onnx files in ONNX Runtime; a streaming file's states are fed back from its outputs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.runtimes.runtime import Array

TYPES = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(int16)": np.int16}


class OnnxFile:
    """An `OpenedFile`: the first input is x, the first output y, all others are states.

    The new value of the state ``h0`` is the output ``h0_out``.
    """

    def __init__(self, session: Any, initial_states: Mapping[str, Array]) -> None:
        """`initial_states`: by names of inputs; a state not given starts at 0."""
        self._session = session
        self._x, *self._states = session.get_inputs()
        self._initial_states = initial_states
        names = [f"{state.name}_out" for state in self._states]
        self._outputs = [session.get_outputs()[0].name, *names]
        self._now = self._initial(1)

    def run(self, sequences: Array) -> Array:
        """See `OpenedFile`."""
        if not isinstance(self._x.shape[0], int):
            return self._feed(sequences, self._initial(len(sequences)))[0]
        return np.stack([self._feed(x[None], self._initial(1))[0][0] for x in sequences])

    def step(self, x_t: Array) -> Array:
        """See `OpenedFile`."""
        y, self._now = self._feed(x_t[None, None], self._now)
        return y.reshape(-1)

    def reset(self) -> None:
        """See `OpenedFile`."""
        self._now = self._initial(1)

    def _initial(self, batch: int) -> dict[str, Array]:
        """States at the start, each with `batch` in the place of its symbolic axes."""
        states = {}
        for state in self._states:
            shape = [size if isinstance(size, int) else batch for size in state.shape]
            value = np.asarray(self._initial_states.get(state.name, 0), TYPES[state.type])
            states[state.name] = np.broadcast_to(value, shape)
        return states

    def _feed(self, x: Array, states: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        y, *new = self._session.run(self._outputs, {self._x.name: x, **states})
        return y, {state.name: value for state, value in zip(self._states, new, strict=True)}


def open_onnx(path: Path, initial_states: Mapping[str, Array]) -> OnnxFile:
    """Opens a file on the processor with one thread; states not given start at 0."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it would print, its exceptions say
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    return OnnxFile(session, initial_states)
