"""ENGINES: how a network is executed, from given states. Real values or integers in, the same out.

An engine owns the running state of `batch` sequences. `numba` runs the compiled kernels,
`reference` the oracles in NumPy; at integer precisions both give the same bits.
"""

import importlib.util
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelstm import forward, reference
from edgelstm.errors import ModelError
from edgelstm.network import Network
from edgelstm.program import encode
from edgelstm.quantized import QuantizedNetwork

AnyNetwork = Network | QuantizedNetwork
States = dict[str, dict[str, NDArray[Any]]]


class Engine(Protocol):
    """What `execution.Session` needs of an engine."""

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """Runs x (batch, steps, input_size), float32 or integers as the network stores them.

        Returns (batch, steps, output_size), or (batch, output_size) if the network reads the last
        step, and moves the states on.
        """

    def states(self) -> States:
        """Layer to state to (batch, hidden_size): views, not copies."""

    def reset(self) -> None:
        """Every state back to its start."""


class ReferenceEngine:
    """The oracles: `forward` for float32, `reference` for everything quantized."""

    def __init__(self, network: AnyNetwork, batch: int) -> None:
        self._network, self._batch = network, batch
        self._states: States = {}
        self.reset()

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Engine`."""
        if isinstance(self._network, Network):
            y, after = forward.advance(self._network, x, self._states)
        else:
            y, after = reference.advance(self._network, x, self._states)
        self._states = after
        return y

    def states(self) -> States:
        """See `Engine`."""
        return self._states

    def reset(self) -> None:
        """See `Engine`."""
        if isinstance(self._network, Network):
            self._states = forward.zero_states(self._network, self._batch)
        else:
            self._states = reference.initial_states(self._network, self._batch)


class NumbaEngine:
    """The compiled kernels."""

    def __init__(self, network: AnyNetwork, batch: int) -> None:
        self._network, self._program = network, encode(network)
        self._values = np.empty((batch, self._program.start.size), self._program.start.dtype)
        self._run = _integer_run if self._values.dtype == np.int16 else _float_run
        self._rounded = np.empty(self._program.start.size, np.int16)
        self.reset()

    def advance(self, x: NDArray[Any]) -> NDArray[Any]:
        """See `Engine`."""
        x = np.ascontiguousarray(x, self._values.dtype)
        every_step = not self._network.last_step
        result, steps = self._program.result, x.shape[1] if every_step else 1
        y = np.empty((len(x), steps, result.size), x.dtype)
        self._run(self._program, self._values, self._rounded, (x, y, result.start, every_step))
        return y if every_step else y[:, 0]

    def states(self) -> States:
        """See `Engine`."""
        return {
            layer: {s: self._values[:, p.start : p.start + p.size] for s, p in places.items()}
            for layer, places in self._program.states.items()
        }

    def reset(self) -> None:
        """See `Engine`."""
        self._values[:] = self._program.start


def _integer_run(program: Any, values: Any, rounded: Any, call: tuple[Any, ...]) -> None:
    from edgelstm.kernels import integer_program

    kernel: Any = integer_program.run
    kernel(program.rows, *program.constants, values, *call)


def _float_run(program: Any, values: Any, rounded: Any, call: tuple[Any, ...]) -> None:
    from edgelstm.kernels import float_program

    kernel: Any = float_program.run
    kernel(program.rows, *program.constants, values, rounded, *call)


ENGINES: dict[str, Callable[[AnyNetwork, int], Engine]] = {
    "numba": NumbaEngine,
    "reference": ReferenceEngine,
}


def open_engine(name: str | None, network: AnyNetwork, batch: int) -> Engine:
    """An engine of `ENGINES`; None is `numba` where it is installed, else `reference`.

    Raises:
        ModelError: The name is unknown, or numba is asked for and not installed.
    """
    has_numba = importlib.util.find_spec("numba") is not None
    if name is None:
        name = "numba" if has_numba else "reference"
    if name not in ENGINES:
        raise ModelError(f"engine '{name}' is unknown; known: {', '.join(ENGINES)}")
    if name == "numba" and not has_numba:
        raise ModelError(
            "engine 'numba' needs numba: pip install numba; engine='reference' works without it"
        )
    return ENGINES[name](network, batch)
