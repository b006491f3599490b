""".onnx files in ONNX Runtime; a streaming file's states are fed back from its outputs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.runtimes.runtime import Array, Call, Calling

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
    return OnnxFile(_session(path, 1), initial_states)


def _session(path: Path, threads: int, folder: str = "") -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it would print, its exceptions say
    if folder:  # of tensors outside of the file
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", folder
        )
    return onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )


def call_graph(
    path: Path,
    folder: str,
    outputs: Sequence[str],
    calls: Sequence[Mapping[str, Array]],
    carried: Mapping[str, str],
) -> list[list[Array]]:
    """Outputs of any graph in each of several calls.

    Args:
        path: The model.
        folder: Of its tensors outside of the file.
        outputs: Which, in order.
        calls: Name of an input to its value.
        carried: Name of an input to that of the output of the call before, which it is given; the
            first call gives it by itself.
    """
    session = _session(path, 1, folder)
    wanted, results = [*outputs, *carried.values()], []
    kept: dict[str, Array] = {}
    for inputs in calls:
        found = session.run(wanted, {**inputs, **kept})
        kept = dict(zip(carried, found[len(outputs) :], strict=True))
        results.append([np.asarray(value) for value in found[: len(outputs)]])
    return results


def prepare_onnx(path: Path, calling: Calling) -> Call:
    """A `Preparer`: arrays that are read and written in place, and two sets of states.

    A step writes the states that the next one reads, so nothing is copied; a sequence begins at
    states that nobody writes to.
    """
    from onnxruntime import OrtValue

    session, made = _session(path, calling.threads), OrtValue.ortvalue_from_numpy
    x, *states = session.get_inputs()
    start = {s.name: _initial(s, calling.initial_states.get(s.name, 0)).copy() for s in states}
    names = [session.get_outputs()[0].name, *(f"{name}_out" for name in start)]
    y, *_ = session.run(names, {x.name: calling.batched, **start})
    sets = [{name: made(value.copy()) for name, value in start.items()} for _ in range(2)]
    at_x, at_y, bindings = made(calling.batched), made(y), []
    for old, new in (sets, sets[::-1]):
        binding = session.io_binding()
        binding.bind_ortvalue_input(x.name, at_x)
        binding.bind_ortvalue_output(names[0], at_y)
        for name in start:
            binding.bind_ortvalue_input(name, old[name])
            binding.bind_ortvalue_output(f"{name}_out", new[name])
        bindings.append(binding)
    run, is_step = session.run_with_iobinding, calling.is_step

    def call() -> Array:
        run(bindings[0])
        if is_step:
            bindings.reverse()
        return y  # type: ignore[no-any-return]

    return call
