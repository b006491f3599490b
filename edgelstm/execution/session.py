"""run and Session: networks computed on this machine, from arrays to arrays."""

import copy
import functools
import os
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import array, check_type, check_whole, float32
from edgelstm.errors import ModelError
from edgelstm.execution.backends import AnyNetwork, open_engine
from edgelstm.execution.prepared import Kept
from edgelstm.execution.stages import Call
from edgelstm.files.arrays import pack, read_arrays
from edgelstm.files.disk import as_path, write_whole
from edgelstm.layers.directions import check_whole_sequence, parts
from edgelstm.layers.read_steps import check_steps, result_steps
from edgelstm.model.front import batch_of, entered, split_front
from edgelstm.notebook import html_table
from edgelstm.text import counted

Array = NDArray[Any]

LARGEST_KEPT = 1024  # sequences: more take far longer than a session takes to be made
NETWORK_NEEDED = "a Network or a QuantizedNetwork is needed: `read`, `from_torch`, `quantize`"
_kept: Kept["Session"] = Kept(most=8)


def run(network: AnyNetwork, x: Array, *, engine: str | None = None) -> Array:
    """The network's result on whole sequences, from its initial states.

    Args:
        network: Float or quantized.
        x: (steps, input_size) or (batch, steps, input_size). An array of the quantized network's
            own input type (int8) is taken as raw integers and gives integers; everything else
            becomes float32 and gives float32. Before an embedding x is indices, (steps,) or
            (batch, steps).
        engine: `numba` or `reference`; None is numba where it is installed.

    Returns:
        (steps, output_size), or (output_size,) if the network reads the last step; with the same
        leading axis as x.

    Raises:
        ModelError: x has another width, type or number of axes, or is not finite where the network
            is of integers. In a float network such values go on as NaN or infinity.
    """
    check_type(network, AnyNetwork, "network", NETWORK_NEEDED)
    x = array(x, "x")
    batch = batch_of(network, x)
    front, network = split_front(network)
    x = x if front is None else entered(front, x)
    form = batch, repr(engine)
    # Of a copy: what is kept for a network must not hold it.
    session = _kept.take(network, form) or Session(copy.copy(network), batch, engine=engine)
    session.reset()
    y = session.run(x)
    if batch is None or batch <= LARGEST_KEPT:
        _kept.give_back(network, form, session)
    return y


class Session:
    """A network with its running state: the next call goes on where the last one ended.

    It is for one thread at a time. A network with a bidirectional layer takes whole sequences
    alone, by `run`. Its forward state goes on from call to call as in any layer; the reverse one
    begins anew in each call, and is not part of `state`. `reset` before a sequence of its own.

    Args:
        network: Float or quantized.
        batch: Number of sequences side by side; None: one, and arrays have no batch axis.
        engine: As for `run`.
    """

    def __init__(
        self, network: AnyNetwork, batch: int | None = None, *, engine: str | None = None
    ) -> None:
        check_type(network, AnyNetwork, "network", NETWORK_NEEDED)
        if batch is not None:
            check_whole(batch, "batch", 0)
        self._front, network = split_front(network)
        self._network, self._batch = network, batch
        self._scales = network.input, network.output  # found by a walk over all layers
        self._engine = open_engine(engine, network, batch)
        self._step_shape = (*self._lead, network.input_size)
        self._out_shape = (*self._lead, network.output_size)
        # Real values or integers: `step` begins with the one that it met last.
        self._real = True
        self._y_type = self._types(real=True)[1]

    def __repr__(self) -> str:
        """What is computed, and the road that each layer takes."""
        return "\n  ".join([self._title, *(f"{layer}: {road}" for layer, road in self._roads())])

    def _repr_html_(self) -> str:
        """A table for notebooks: what is computed, one row per layer."""
        return html_table(self._title, ("layer", "computed by"), self._roads())

    @property
    def _title(self) -> str:
        network = self._network
        ends = f"{network.input_size} inputs, {network.output_size} outputs"
        side = "" if self._batch is None else f", {counted(self._batch, 'sequence')} side by side"
        return f"Session: {network.precision}, {ends}{side}"

    def _roads(self) -> list[tuple[str, str]]:
        layers = [str(layer) for layer in self._network.layers if layer.parts]
        return list(zip(layers, self._engine.roads(), strict=True))

    def __reduce__(self) -> NoReturn:
        """Kernels hold addresses: copied, they would still be those of this session's state."""
        raise ModelError("a Session cannot be copied; make another and give it this one's `state`")

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

        Raises:
            ModelError: x_t or out has another shape or type, x_t is not finite and the network
                is of integers, or a layer is bidirectional.
        """
        if self._front is not None:
            x_t = entered(self._front, array(x_t, "x_t"))
        y = np.empty(self._out_shape, self._y_type) if out is None else out
        if not self._step_call(x_t, y):
            return y
        return self._step_converted(array(x_t, "x_t"), out)

    @functools.cached_property
    def _step_call(self) -> Call:
        """Loads the kernels of single steps, which whole sequences do not need."""
        check_whole_sequence(self._network.layers)
        return self._engine.call(is_step=True, real=self._real)

    def _step_converted(self, x_t: Array, out: Array | None) -> Array:
        """A step of any x_t and out that fit the network."""
        if x_t.shape != self._step_shape:
            raise ModelError(f"x_t has shape {x_t.shape}; {self._step_shape} is needed")
        real = self._is_real(x_t)
        x_type, y_type = self._types(real=real)
        if out is not None:
            self._check_out(out, y_type)
        if real != self._real:
            self._real, self._y_type = real, y_type
            self._step_call = self._engine.call(is_step=True, real=real)
        y = np.empty(self._out_shape, y_type)
        x = np.array(float32(x_t) if real else x_t, x_type, order="C")
        self._compute(self._step_call, x, y)
        if out is None:
            return y
        np.asarray(out)[...] = y  # whatever a subclass does when it is written to
        return out

    def _types(self, *, real: bool) -> tuple[np.dtype[Any], np.dtype[Any]]:
        """Of x and of the result: float32, or the network's integers."""
        scales = (None, None) if real else self._scales
        x, y = (np.dtype(scale.type if scale else np.float32) for scale in scales)
        return x, y

    def _is_real(self, x: Array) -> bool:
        """Whether x holds real values; `ModelError` if it holds integers of another network."""
        if (scale := self._scales[0]) is None:
            return True
        if x.dtype != scale.type and x.dtype.char in "bh":
            raise ModelError(
                f"x is {x.dtype}, but this network's raw integers are {scale.type}; "
                f"give {scale.type}, or real values as float32"
            )
        return bool(x.dtype != scale.type)

    def _compute(self, call: Call, x: Array, y: Array) -> None:
        """x to y; `ModelError` where values are not finite and must be."""
        found = call(x, y)
        if found < 0:  # another layout than the kernels take
            found = call(np.array(x, x.dtype, order="C"), y)
        assert found >= 0, "x and y have been made to fit"
        if found:
            raise ModelError(
                f"x holds {found} values that are not finite; integers have no NaN or infinity"
            )

    def _check_out(self, out: Array, kind: np.dtype[Any]) -> None:
        """`ModelError` if the result cannot be written there."""
        if (
            not isinstance(out, np.ndarray)
            or out.shape != self._out_shape
            or out.dtype != kind
            or not out.flags.writeable
        ):
            got = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out)
            raise ModelError(
                f"out is {got}; a writable array of {kind} of shape {self._out_shape} is needed"
            )

    def run(self, x: Array) -> Array:
        """A whole sequence from the present state; shapes as in the function `run`."""
        x, size, axes = array(x, "x"), self._step_shape[-1], len(self._step_shape)
        if self._front is not None:
            x = entered(self._front, x)
        lead = x.shape[: axes - 1]
        if x.ndim != axes + 1 or x.shape[-1] != size or lead != self._step_shape[:-1]:
            needed = ", ".join([*map(str, self._lead), "steps", str(size)])
            raise ModelError(f"x has shape {x.shape}; ({needed}) is needed")
        layers = self._network.layers
        check_steps(layers, x.shape[-2])
        real = self._is_real(x)
        steps = result_steps(layers, x.shape[-2:-1])
        shape = (*self._lead, *steps, self._network.output_size)
        y = np.empty(shape, self._types(real=real)[1])
        self._compute(self._engine.call(is_step=False, real=real), float32(x) if real else x, y)
        return y

    def reset(self) -> None:
        """Every state back to its start: zero."""
        self._engine.reset()

    @property
    def state(self) -> dict[str, dict[str, Array]]:
        """Layer to state to (hidden_size,) or (batch, hidden_size): copies, as they are stored."""
        return {
            layer: {
                name: value.astype(self._state_type(layer, name, value)).reshape(
                    *self._lead, value.shape[-1]
                )
                for name, value in states.items()
            }
            for layer, states in self._engine.states().items()
        }

    @state.setter
    def state(self, new: Mapping[str, Mapping[str, Array]]) -> None:
        check_type(new, Mapping, "state", "{layer: {state: array}} is needed")
        for layer in new:
            check_type(new[layer], Mapping, f"state of '{layer}'", "{state: array} is needed")
        self._engine.set_states(
            {
                layer: {
                    name: self._checked_state(layer, name, new, value).reshape(value.shape)
                    for name, value in states.items()
                }
                for layer, states in self._engine.states().items()
            }
        )

    def _checked_state(
        self, layer: str, name: str, new: Mapping[str, Mapping[str, Array]], value: Array
    ) -> Array:
        """One state of a new mapping, of exactly the shape and type that this session stores."""
        if layer not in new or name not in new[layer]:
            raise ModelError(
                f"the state lacks '{name}' of layer '{layer}'; it is of another network"
            )
        given = array(new[layer][name], f"state '{name}' of layer '{layer}'")
        kind = self._state_type(layer, name, value)
        shape = (*self._lead, value.shape[-1])
        both_real = given.dtype.kind == value.dtype.kind == "f"
        if given.shape != shape or not (both_real or given.dtype == kind):
            raise ModelError(
                f"state '{name}' of layer '{layer}' is {given.dtype} of shape {given.shape}; "
                f"{kind} of shape {shape} is needed"
            )
        given = float32(given) if value.dtype == np.float32 else given
        if not np.isfinite(given).all():
            raise ModelError(f"state '{name}' of layer '{layer}' holds values that are not finite")
        return given

    def _state_type(self, layer: str, name: str, value: Array) -> str:
        """As the network stores it; real states as the engine has them."""
        for found in parts(self._network.layers):
            if found.name == layer and found.scales:
                return str(found.scales[name].type)
        return str(value.dtype)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the state to an `.npz` file, whole or not at all; `ModelError` if it cannot."""
        arrays = {f"{k}.{s}": v for k, states in self.state.items() for s, v in states.items()}
        write_whole(as_path(path), pack(arrays))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Takes the state from a file of `save`; one of another network is a `ModelError`."""
        found = read_arrays(as_path(path), "give a file of Session.save")
        new: dict[str, dict[str, Array]] = {}
        for name, value in found.items():
            layer, _, state = name.rpartition(".")
            new.setdefault(layer, {})[state] = value
        self.state = new
