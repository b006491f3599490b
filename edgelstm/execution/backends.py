"""ENGINES: how a network is executed, from given states. Real values or integers in, the same out.

An engine owns the running state of `batch` sequences. `numba` runs the compiled kernels,
`reference` the oracles in NumPy; at integer precisions both give the same bits.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import check_type
from edgelstm.errors import ModelError
from edgelstm.execution.bidirectional import BidirectionalStage
from edgelstm.execution.bytecode import encode
from edgelstm.execution.fused import packed_layer
from edgelstm.execution.stages import (
    FusedStage,
    ProgramStage,
    Stage,
    States,
    Step,
    cores,
    takes,
    writable,
)
from edgelstm.installed import install_line, is_installed
from edgelstm.layers.directions import is_bidirectional, parts
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model import forward
from edgelstm.model.network import Network
from edgelstm.quantization import reference
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.scales import Scale

AnyNetwork = Network | QuantizedNetwork
LARGEST_BATCH = 2**31  # beyond, NumPy counts bytes in more than 64 bits


class Engine(Protocol):
    """What `session.Session` needs of an engine."""

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """Runs x (batch, steps, input_size), float32 or integers as the network stores them.

        Returns (batch, steps, output_size), or (batch, output_size) if the network reads the last
        step, float32 or the network's own integers, and moves the states on.
        """

    def step_call(self) -> Step:
        """A function that runs one step of one sequence, x (input_size,) to y (output_size,).

        It returns False and does nothing where it cannot take them as they are: no arrays, of other
        sizes or types, not in C order, read-only.
        """

    def kernels(self) -> list[Any]:
        """Every `kernels.cache.Kernel` that whole sequences take."""

    def step_kernels(self) -> list[Any]:
        """Those of single steps."""

    def quantize(self, x: NDArray[np.float32], scale: Scale, out: NDArray[Any]) -> int:
        """x as integers of `scale`, to `out` of its shape; returns how many are not finite."""

    def dequantize(self, y: NDArray[Any], scale: Scale, out: NDArray[np.float32]) -> None:
        """The real values of integers, to `out` of their shape."""

    def states(self) -> States:
        """Layer to state to (batch, hidden_size): copies."""

    def set_states(self, new: States) -> None:
        """Takes what `states` gives."""

    def reset(self) -> None:
        """Every state back to its start."""


class ReferenceEngine:
    """The oracles: `forward` for float32, `reference` for everything quantized."""

    def __init__(self, network: AnyNetwork, batch: int) -> None:
        self._network, self._batch = network, batch
        output = network.output
        self._type = np.dtype(np.float32 if output is None else output.type)
        self._states: States = {}
        self.reset()

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Engine`."""
        if isinstance(self._network, Network):
            y, after = forward.advance(self._network, x, self._states)
        else:
            y, after = reference.advance(self._network, x, self._states)
        self._states = after
        return y.astype(self._type, copy=False)

    def step_call(self) -> Step:
        """See `Engine`."""
        return lambda x, y: False

    def kernels(self) -> list[Any]:
        """See `Engine`."""
        return []

    step_kernels = kernels

    def quantize(self, x: NDArray[np.float32], scale: Scale, out: NDArray[Any]) -> int:
        """See `Engine`."""
        finite = np.isfinite(x)
        clean = np.where(finite, x, np.float32(0))
        out[...] = quantize_reals(clean, scale.scale, scale.zero_point, scale.limits)
        return int(x.size - finite.sum())

    def dequantize(self, y: NDArray[Any], scale: Scale, out: NDArray[np.float32]) -> None:
        """See `Engine`."""
        out[...] = scale.reals(y)

    def states(self) -> States:
        """See `Engine`."""
        return {k: {s: v.copy() for s, v in states.items()} for k, states in self._states.items()}

    def set_states(self, new: States) -> None:
        """See `Engine`."""
        for layer, states in self._states.items():
            for name, value in states.items():
                value[...] = new[layer][name]

    def reset(self) -> None:
        """See `Engine`."""
        if isinstance(self._network, Network):
            self._states = forward.zero_states(self._network, self._batch)
        else:
            self._states = reference.initial_states(self._network, self._batch)


class NumbaEngine:
    """The compiled kernels: layers one after the other, each with its fused kernel if it has one.

    Neighbours without one share a program. Sequences are spread over the cores.
    """

    def __init__(self, network: AnyNetwork, batch: int) -> None:
        workers = max(1, min(batch, cores()))
        self._stages: list[Stage | None] = []  # None: the last step is read here
        for _, group in itertools.groupby(enumerate(network.layers), _standing):
            layers = tuple(layer for _, layer in group)
            is_read = isinstance(layers[0], ReadSteps)
            self._stages.append(None if is_read else _stage(layers, batch, workers))
        self._computing = [stage for stage in self._stages if stage]
        self._rows = [np.empty(s.output_size, s.type) for s in self._computing]
        self._conversions: list[Any] = []
        if network.input is not None:
            from edgelstm.kernels import conversion

            self._conversions = [conversion.quantizer(), conversion.dequantizer()]

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Engine`."""
        for stage in self._stages:
            x = stage.advance(x) if stage else x[:, -1:]
        return x[:, 0] if None in self._stages else x

    def step_call(self) -> Step:
        """See `Engine`."""
        first, *others = (stage.step_call() for stage in self._computing)
        if not others:
            return first
        rows, result = self._rows, self._rows[-1]
        hops = tuple(zip(others, rows, rows[1:], strict=False))

        def step(x: NDArray[Any], y: NDArray[Any]) -> bool:
            if not takes(y, result) or not first(x, rows[0]):
                return False
            for run, x_row, y_row in hops:
                run(x_row, y_row)
            y[...] = result
            return True

        return step

    def kernels(self) -> list[Any]:
        """See `Engine`."""
        return [k for stage in self._computing for k in stage.kernels()] + self._conversions

    def step_kernels(self) -> list[Any]:
        """See `Engine`."""
        return [k for stage in self._computing for k in stage.step_kernels()] + self._conversions

    def quantize(self, x: NDArray[np.float32], scale: Scale, out: NDArray[Any]) -> int:
        """See `Engine`."""
        x = writable(x, x.dtype)
        run = self._conversions[0].function
        bad: int = run(x.reshape(-1), scale.scale, scale.zero_point, out.reshape(-1))
        return bad

    def dequantize(self, y: NDArray[Any], scale: Scale, out: NDArray[np.float32]) -> None:
        """See `Engine`."""
        y, run = writable(y, y.dtype), self._conversions[1].function
        run(y.reshape(-1), scale.scale, scale.zero_point, out.reshape(-1))

    def states(self) -> States:
        """See `Engine`."""
        return {layer: s for stage in self._computing for layer, s in stage.states().items()}

    def set_states(self, new: States) -> None:
        """See `Engine`."""
        for stage in self._computing:
            stage.set_states(new)

    def reset(self) -> None:
        """See `Engine`."""
        for stage in self._computing:
            stage.reset()


def _standing(numbered: tuple[int, Any]) -> int:
    """The same for neighbours that share a program, else another for each."""
    k, layer = numbered
    if not layer.parts or is_bidirectional(layer) or packed_layer(layer.parts[0]) is not None:
        return k
    return -1


def _stage(layers: Sequence[Any], batch: int, workers: int) -> Stage:
    first, *others = parts(layers)
    if is_bidirectional(layers[0]):
        there, back = (_part_stage((part,), batch, workers) for part in (first, *others))
        return BidirectionalStage(there, back)
    return _part_stage((first, *others), batch, workers)


def _part_stage(parts: tuple[Any, ...], batch: int, workers: int) -> Stage:
    packed = packed_layer(parts[0])
    if packed is None:
        return ProgramStage(encode(parts), batch, workers)
    return FusedStage(parts[0].name, packed, batch, workers)


ENGINES: dict[str, Callable[[AnyNetwork, int], Engine]] = {
    "numba": NumbaEngine,
    "reference": ReferenceEngine,
}


def open_engine(name: str | None, network: AnyNetwork, batch: int) -> Engine:
    """An engine of `ENGINES`; None is `numba` where it is installed, else `reference`.

    Raises:
        ModelError: The name is unknown, or numba is asked for and not installed, or told to use
            instructions that this processor lacks, or the batch does not fit into memory.
    """
    has_numba = is_installed("numba")
    if name is None:
        name = "numba" if has_numba else "reference"
    check_type(name, str, "engine", f"one of {', '.join(ENGINES)} is needed")
    if name not in ENGINES:
        raise ModelError(f"engine '{name}' is unknown; known: {', '.join(ENGINES)}")
    if name == "numba" and not has_numba:
        raise ModelError(
            f"engine 'numba' needs numba: {install_line('numba')}; engine='reference' works "
            "without it"
        )
    if name == "numba":
        check_target()
        _check_integers(network)
    too_many = ModelError(f"a batch of {batch:,} does not fit into memory; take fewer")
    if batch > LARGEST_BATCH:
        raise too_many
    try:
        return ENGINES[name](network, batch)
    except MemoryError:
        raise too_many from None


def _check_integers(network: AnyNetwork) -> None:
    """`ModelError` if the compiled kernels do not read and write a network's integers."""
    for scale in (network.input, network.output):
        if scale is not None and scale.type != "int8":
            raise ModelError(f"integers of {scale.type} need engine='reference'; numba runs int8")


def check_target() -> None:
    """`ModelError` if numba was told to use instructions that this processor lacks."""
    from edgelstm.kernels.simd import target

    if target.LACKING:
        raise ModelError(
            f"NUMBA_CPU_NAME or NUMBA_CPU_FEATURES ask for {', '.join(target.LACKING)}, which this "
            "processor does not have; unset them, or use engine='reference'"
        )
