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
        self._start = {s.name: _initial(s, initial_states.get(s.name, 0)) for s in self._states}
        names = [f"{state.name}_out" for state in self._states]
        self._outputs = [session.get_outputs()[0].name, *names]
        self._now = self._start

    def run(self, sequences: Array) -> Array:
        """See `OpenedFile`. One by one: DynamicQuantizeLSTM has one input scale for a batch."""
        return np.stack([self._feed(x[None], self._start)[0][0] for x in sequences])

    def step(self, x_t: Array) -> Array:
        """See `OpenedFile`."""
        y, self._now = self._feed(x_t[None, None], self._now)
        return y.reshape(-1)

    def reset(self) -> None:
        """See `OpenedFile`."""
        self._now = self._start

    def _feed(self, x: Array, states: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        y, *new = self._session.run(self._outputs, {self._x.name: x, **states})
        return y, {state.name: value for state, value in zip(self._states, new, strict=True)}


def _initial(state: Any, value: Any) -> Array:
    """A state at its start, with batch 1 in the place of its symbolic axes."""
    shape = [size if isinstance(size, int) else 1 for size in state.shape]
    return np.broadcast_to(np.asarray(value, TYPES[state.type]), shape)


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
