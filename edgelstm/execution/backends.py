"""ENGINES: how a network is executed, from given states. Real values or integers in, the same out.

An engine owns the running state of `batch` sequences. `numba` runs the compiled kernels,
`reference` the oracles in NumPy; at integer precisions both give the same bits.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import check_type
from edgelstm.errors import ModelError
from edgelstm.execution.compiled import NumbaEngine
from edgelstm.execution.stages import UNFIT, Call, States
from edgelstm.installed import install_line, is_installed
from edgelstm.layers.read_steps import result_steps
from edgelstm.model import forward
from edgelstm.model.front import entered
from edgelstm.model.network import Network
from edgelstm.quantization import reference
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.scales import Scale

AnyNetwork = Network | QuantizedNetwork
LARGEST_BATCH = 2**31  # beyond, NumPy counts bytes in more than 64 bits


class Engine(Protocol):
    """What `session.Session` needs of an engine."""

    def call(self, *, is_step: bool, real: bool) -> Call:
        """A function (x, y) that computes y and moves the states on, see `stages.Call`.

        x: (steps, input_size), or (input_size,) if `is_step`; y: the same with output_size, and
        without steps if the network reads the last one; both with the batch's axis in front if
        there is one. float32, or, unless `real`, integers as the network stores them. C order,
        aligned, y writable and apart from x: anything else may not fit.
        """

    def kernels(self) -> list[Any]:
        """Every `kernels.cache.Kernel` that whole sequences take."""

    def step_kernels(self) -> list[Any]:
        """Those of single steps."""

    def team_kernels(self) -> list[Any]:
        """Those that threads take which share one sequence of a large network."""

    def roads(self) -> list[str]:
        """How each layer that holds numbers is computed, in words."""

    def states(self) -> States:
        """Layer to state to (batch, hidden_size): copies."""

    def set_states(self, new: States) -> None:
        """Takes what `states` gives."""

    def reset(self) -> None:
        """Every state back to its start."""


class ReferenceEngine:
    """The oracles: `forward` for float32, `reference` for everything quantized."""

    def __init__(self, network: AnyNetwork, batch: int | None) -> None:
        self._network, self._batch = network, 1 if batch is None else batch
        self._lead = () if batch is None else (batch,)
        self._states: States = {}
        self.reset()

    def call(self, *, is_step: bool, real: bool) -> Call:
        """See `Engine`."""
        network = self._network
        axes = len(self._lead) + 1 + (not is_step)
        scale, y_scale = (network.input, network.output) if real else (None, None)
        scales = (None, None) if real else (network.input, network.output)
        x_type, y_type = (np.dtype(s.type if s else np.float32) for s in scales)

        def call(x: Any, y: Any) -> int:
            if not (_is_of(x, x_type) and x.ndim == axes and x.shape[-1] == network.input_size):
                return UNFIT
            steps = () if is_step else result_steps(network.layers, x.shape[-2:-1])
            shape = (*self._lead, *steps, network.output_size)
            if x.shape[: len(self._lead)] != self._lead or not _is_of(y, y_type):
                return UNFIT
            if y.shape != shape or not y.flags.writeable:
                return UNFIT
            x = x.reshape(self._batch, 1 if is_step else x.shape[-2], network.input_size)
            x = entered(network, x) if real else x
            if scale and not np.isfinite(x).all():
                return int(x.size - np.isfinite(x).sum())
            made = self._advance(_integers(x, scale) if scale else x)
            y[...] = (y_scale.reals(made) if y_scale else made).reshape(shape)
            return 0

        return call

    def _advance(self, x: NDArray[Any]) -> NDArray[Any]:
        if isinstance(self._network, Network):
            y, self._states = forward.advance(self._network, x, self._states)
        else:
            y, self._states = reference.advance(self._network, x, self._states)
        return y

    def kernels(self) -> list[Any]:
        """See `Engine`."""
        return []

    step_kernels = team_kernels = kernels

    def roads(self) -> list[str]:
        """See `Engine`."""
        return ["reference" for layer in self._network.layers if layer.parts]

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


def _is_of(array: Any, kind: np.dtype[Any]) -> bool:
    return type(array) is np.ndarray and array.dtype == kind


def _integers(x: NDArray[np.float32], scale: Scale) -> NDArray[Any]:
    return quantize_reals(x, scale.scale, scale.zero_point, scale.limits).astype(scale.type)


ENGINES: dict[str, Callable[[AnyNetwork, int | None], Engine]] = {
    "numba": NumbaEngine,
    "reference": ReferenceEngine,
}


def open_engine(name: str | None, network: AnyNetwork, batch: int | None) -> Engine:
    """An engine of `ENGINES`; None is `numba` where it is installed, else `reference`.

    batch: sequences; None: one, and arrays have no axis of them.

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
    too_many = ModelError(f"a batch of {batch or 1:,} does not fit into memory; take fewer")
    if batch is not None and batch > LARGEST_BATCH:
        raise too_many
    try:
        return ENGINES[name](network, batch)
    except MemoryError:
        raise too_many from None


def check_target() -> None:
    """`ModelError` if numba was told to use instructions that this processor lacks."""
    from edgelstm.kernels.simd import target

    if target.LACKING:
        raise ModelError(
            f"NUMBA_CPU_NAME or NUMBA_CPU_FEATURES ask for {', '.join(target.LACKING)}, which this "
            "processor does not have; unset them, or use engine='reference'"
        )


def compile_kernels(kernels: Iterable[Any], tell: Callable[[str], None] | None = None) -> None:
    """Compiles those that are not in the cache yet, and counts them."""
    missing = [k for k in {k.name: k for k in kernels}.values() if not k.is_compiled]
    for done, kernel in enumerate(missing, 1):
        if tell:
            tell(f"compiling kernels for this processor, once: {done} of {len(missing)}")
        assert kernel.function
