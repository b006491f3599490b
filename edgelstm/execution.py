"""run and Session: networks computed on this machine, from arrays to arrays."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.engines import AnyNetwork, open_engine
from edgelstm.errors import ModelError
from edgelstm.fixedpoint import quantize_reals
from edgelstm.quantized import QuantizedNetwork, QuantizedRecurrent, Scale

Array = NDArray[Any]


def run(network: AnyNetwork, x: Array, *, engine: str | None = None) -> Array:
    """The network's result on whole sequences, from its initial states.

    Args:
        network: Float or quantized.
        x: (steps, input_size) or (batch, steps, input_size). An array of the quantized network's
            own input type (int8) is taken as raw integers and gives integers; everything else
            becomes float32 and gives float32.
        engine: `numba` or `reference`; None is numba where it is installed.

    Returns:
        (steps, output_size), or (output_size,) if the network reads the last step; with the same
        leading axis as x.

    Raises:
        ModelError: x has another width, type or number of axes, or is not finite.
    """
    x = np.asarray(x)
    if x.ndim not in (2, 3):
        raise ModelError(
            f"x has shape {x.shape}; (steps, {network.input_size}) or "
            f"(batch, steps, {network.input_size}) is needed"
        )
    session = Session(network, batch=len(x) if x.ndim == 3 else None, engine=engine)
    return session.run(x)


class Session:
    """A network with its running state: the next call goes on where the last one ended.

    Args:
        network: Float or quantized.
        batch: Number of sequences side by side; None: one, and arrays have no batch axis.
        engine: As for `run`.
    """

    def __init__(
        self, network: AnyNetwork, batch: int | None = None, *, engine: str | None = None
    ) -> None:
        self._network, self._batch = network, batch
        self._engine = open_engine(engine, network, 1 if batch is None else batch)
        self._input = network.input if isinstance(network, QuantizedNetwork) else None
        self._output = network.output if isinstance(network, QuantizedNetwork) else None
        self._step_shape = (*self._lead, network.input_size)

    @property
    def _lead(self) -> tuple[int, ...]:
        return () if self._batch is None else (self._batch,)

    def step(self, x_t: Array, out: Array | None = None) -> Array:
        """One time step.

        Args:
            x_t: (input_size,), or (batch, input_size).
            out: Where the result goes, of its shape and type; None: a new array.

        Returns:
            (output_size,), or (batch, output_size).
        """
        x_t = np.asarray(x_t)
        if x_t.shape != self._step_shape:
            raise ModelError(f"x_t has shape {x_t.shape}; {self._step_shape} is needed")
        y = self._advance(x_t.reshape(-1, 1, self._network.input_size))
        y = y.reshape(*self._lead, self._network.output_size)
        if out is None:
            return y
        if out.shape != y.shape or out.dtype != y.dtype:
            raise ModelError(
                f"out is {out.dtype} of shape {out.shape}; {y.dtype} of shape {y.shape} is needed"
            )
        out[...] = y
        return out

    def run(self, x: Array) -> Array:
        """A whole sequence from the present state; shapes as in the function `run`."""
        x, size = np.asarray(x), self._network.input_size
        lead = x.shape[: len(self._lead)]
        if x.ndim != len(lead) + 2 or x.shape[-1] != size or lead != self._lead:
            needed = ", ".join([*map(str, self._lead), "steps", str(size)])
            raise ModelError(f"x has shape {x.shape}; ({needed}) is needed")
        if self._network.last_step and x.shape[-2] == 0:
            raise ModelError(
                "x has no steps; a network that reads the last step needs at least one"
            )
        y = self._advance(x.reshape(1 if self._batch is None else self._batch, x.shape[-2], size))
        return y.reshape(*lead, *y.shape[1:])

    def _advance(self, x: Array) -> Array:
        """(batch, steps, input_size) of any type to the result, integers if x is raw integers."""
        if self._input is None:
            return self._engine.advance(_as_float32(x)).astype(np.float32, copy=False)
        assert self._output is not None
        if x.dtype == self._input.type:
            return self._engine.advance(x).astype(self._output.type)
        if x.dtype in (np.int8, np.int16):
            raise ModelError(
                f"x is {x.dtype}, but this network's raw integers are {self._input.type}; "
                f"give {self._input.type}, or real values as float32"
            )
        y = self._engine.advance(_quantized(_as_float32(x), self._input))
        return dequantized(y, self._output)

    def reset(self) -> None:
        """Every state back to its start: zero."""
        self._engine.reset()

    @property
    def state(self) -> dict[str, dict[str, Array]]:
        """Layer to state to (hidden_size,) or (batch, hidden_size): copies, as they are stored."""
        return {
            layer: {
                name: value.astype(self._state_type(layer, name, value)).reshape(*self._lead, -1)
                for name, value in states.items()
            }
            for layer, states in self._engine.states().items()
        }

    @state.setter
    def state(self, new: Mapping[str, Mapping[str, Array]]) -> None:
        checked = [
            (value, self._checked_state(layer, name, new, value))
            for layer, states in self._engine.states().items()
            for name, value in states.items()
        ]
        for value, given in checked:
            value[...] = given.reshape(value.shape)

    def _checked_state(
        self, layer: str, name: str, new: Mapping[str, Mapping[str, Array]], value: Array
    ) -> Array:
        """One state of a new mapping, of exactly the shape and type that this session stores."""
        if layer not in new or name not in new[layer]:
            raise ModelError(
                f"the state lacks '{name}' of layer '{layer}'; it is of another network"
            )
        given, kind = np.asarray(new[layer][name]), self._state_type(layer, name, value)
        shape, both_real = (
            (*self._lead, value.shape[-1]),
            given.dtype.kind == value.dtype.kind == "f",
        )
        if given.shape != shape or not (both_real or given.dtype == kind):
            raise ModelError(
                f"state '{name}' of layer '{layer}' is {given.dtype} of shape {given.shape}; "
                f"{kind} of shape {shape} is needed"
            )
        if not np.isfinite(given).all():
            raise ModelError(f"state '{name}' of layer '{layer}' holds values that are not finite")
        return given

    def _state_type(self, layer: str, name: str, value: Array) -> str:
        """As the network stores it; real states as the engine has them."""
        for found in self._network.layers:
            if isinstance(found, QuantizedRecurrent) and found.scales and found.name == layer:
                return found.scales[name].type
        return str(value.dtype)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the state to an `.npz` file."""
        arrays = {f"{k}.{s}": v for k, states in self.state.items() for s, v in states.items()}
        with pathlib.Path(path).open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def load(self, path: str | os.PathLike[str]) -> None:
        """Takes the state from a file of `save`; one of another network is a `ModelError`."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except Exception as error:  # numpy raises many kinds for a broken file
            raise ModelError(f"{path}: cannot be read as a saved state: {error}") from error
        new: dict[str, dict[str, Array]] = {}
        for name, array in found.items():
            layer, _, state = name.rpartition(".")
            new.setdefault(layer, {})[state] = array
        self.state = new


def _as_float32(x: Array) -> NDArray[np.float32]:
    if x.dtype.kind not in "fiub":
        raise ModelError(f"x is of type {x.dtype}; numbers are needed")
    return x.astype(np.float32, copy=False)


def _quantized(x: NDArray[np.float32], scale: Scale) -> NDArray[np.int64]:
    if not np.isfinite(x).all():
        raise ModelError(
            f"x holds {x.size - int(np.isfinite(x).sum())} values that are not finite; "
            "integers have no NaN or infinity"
        )
    return quantize_reals(x, scale.scale, scale.zero_point, scale.limits)


def dequantized(y: Array, scale: Scale) -> NDArray[np.float32]:
    """The real values that integers stand for."""
    real = (y.astype(np.float64) - scale.zero_point) * scale.scale
    return np.asarray(real, np.float32)
