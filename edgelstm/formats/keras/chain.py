"""From the description of a whole Keras model to a network: layer by layer, in the order of calls.

A sequential model is a list; a functional one names for each layer whose output it takes.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import finish
from edgelstm.formats.following.reads import concatenate, joined_heads
from edgelstm.formats.following.symbolic import select
from edgelstm.formats.keras.calls import Call, call_of, outputs
from edgelstm.formats.keras.classes import (
    INPUT,
    ITEM,
    JOIN,
    KINDS,
    MASKS,
    MODELS,
    check_known,
    through,
)
from edgelstm.formats.keras.config import Described, described, every
from edgelstm.formats.keras.hdf5 import Hdf5
from edgelstm.formats.keras.starting import begin
from edgelstm.formats.keras.values import Value
from edgelstm.formats.keras.weights import ByClass, ByName
from edgelstm.formats.tensors import at, rounding
from edgelstm.model.network import Network

SEQUENTIAL = MODELS[0]
MOST_LAYERS = 500
DEEPEST = 8  # of models in models


def to_network(model: Described, file: Hdf5, *, is_archive: bool) -> Network:
    """The network of a whole model, with its weights out of a file."""
    if model.kind not in MODELS:
        raise ModelError(
            f"is a {model.kind}, a class whose code is not in the file; build it of Keras's own "
            "layers, as Sequential or functional model"
        )
    walk = _Walk(file, is_archive=is_archive)
    value, *more = walk.through(model, None, "", DEEPEST)
    signal = value.signal
    if more:
        signals = [value.signal, *(other.signal for other in more)]
        joined = joined_heads(signals)
        signal = joined or signal
        if joined is None:
            value = value.noting(f"of its {len(signals)} outputs the first is read")
            signal = value.signal
    network = finish(signal)
    assumed = (*network.assumed, *rounding(walk.read))
    return dataclasses.replace(network, assumed=assumed, mask_value=value.mask_value)


def layers_of(model: Described) -> list[Described]:
    """Its layers, all of known classes."""

    def read(stated: Any) -> Described:
        layer = described(stated, model.version)
        check_known(layer)
        return layer

    return every(model.config.get("layers"), f"'{model.name}'", read, MOST_LAYERS)


def _has_weights(layer: Described, deepest: int) -> bool:
    if layer.kind in MODELS:
        if not deepest:
            raise ModelError(f"holds more than {DEEPEST} models in models")
        return any(_has_weights(inner, deepest - 1) for inner in layers_of(layer))
    if layer.kind not in KINDS:
        return False
    with at(layer.where):
        return bool(KINDS[layer.kind].roles(layer))


class _Walk:
    """A model and the models in it, with their weights. `read`: all arrays so far."""

    def __init__(self, file: Hdf5, *, is_archive: bool) -> None:
        self._file, self._is_archive = file, is_archive
        self.read: list[Any] = []

    def through(
        self, model: Described, value: Value | None, path: str, deepest: int
    ) -> list[Value]:
        """The outputs of a model.

        Args:
            model: Of one of `MODELS`.
            value: What it takes; None: it is the whole.
            path: Of its group in an archive; in .h5 the models that it stands in.
            deepest: How many models may stand in each other.
        """
        layers = layers_of(model)
        weights = self._weights(layers, path, deepest)

        def layer_through(layer: Described, given: Value) -> Value:
            with at(layer.where):
                if layer.kind not in MODELS:
                    wanted = KINDS[layer.kind].roles(layer)
                    arrays = weights.of(layer, wanted) if wanted else {}
                    self.read += [array for array in arrays.values() if array.dtype.kind == "f"]
                    return through(given, layer, arrays)
                made = self.through(layer, given, weights.group(layer), deepest - 1)
                if len(made) > 1:
                    raise ModelError("has several outputs; one is read of a model in a model")
                return made[0]

        if model.kind == SEQUENTIAL:
            return [_one_by_one(model, layers, value, layer_through)]
        return _Functional(model, layers, value, layer_through).outputs()

    def _weights(self, layers: list[Described], path: str, deepest: int) -> ByClass | ByName:
        if not self._is_archive:
            return ByName(self._file, path)
        holding = {layer.name: _has_weights(layer, deepest) for layer in layers}
        return ByClass(self._file, path, layers, holding)


def _one_by_one(model: Described, layers: list[Described], value: Value | None, step: Any) -> Value:
    if value is None:
        value = begin(model, layers, [layer for layer in layers if layer.kind != INPUT][:1])
    for layer in layers:
        if layer.kind != INPUT:
            value = step(layer, value)
    return value


class _Functional:
    """Layers that name whose outputs they take."""

    def __init__(
        self, model: Described, layers: list[Described], value: Value | None, step: Any
    ) -> None:
        self._model, self._layers, self._given, self._step = model, layers, value, step
        self._by_name = {layer.name: layer for layer in layers}
        inputs = [layer.name for layer in layers if layer.kind == INPUT]
        if len(inputs) != 1 or outputs(model, "input_layers") != inputs:
            raise ModelError(f"takes {len(inputs)} inputs; a network takes one")
        self._input = inputs[0]
        self._calls: dict[str, Call] = {}
        for layer in layers:
            if layer.name != self._input:
                with at(layer.where):
                    self._calls[layer.name] = call_of(layer)

    def outputs(self) -> list[Value]:
        """Of the model. A layer is computed when all that it takes is."""
        takers = [la for la in self._layers if la.kind not in MASKS]
        first = [la for la in takers if self._input in self._sources(la.name)]
        values = {self._input: self._given or begin(self._model, self._layers, first)}
        waiting = [la for la in self._layers if la.kind not in (INPUT, *MASKS)]
        while waiting:
            ready = [la for la in waiting if set(self._sources(la.name)) <= set(values)]
            if not ready:
                with at(waiting[0].where):
                    raise ModelError("takes what no layer gives, or its own output")
            for layer in ready:
                with at(layer.where):
                    values[layer.name] = self._computed(layer, values)
            waiting = [layer for layer in waiting if layer.name not in values]
        named = outputs(self._model, "output_layers")
        if not set(named) <= set(values):
            raise ModelError("names an output that no layer gives")
        return [values[name] for name in named]

    def _sources(self, name: str) -> Sequence[str]:
        return self._calls[name].sources if name in self._calls else ()

    def _computed(self, layer: Described, values: dict[str, Value]) -> Value:
        call = self._calls[layer.name]
        given = [values[name] for name in call.sources]
        if layer.kind == JOIN:
            return _joined(given, layer)
        if layer.kind == ITEM:
            return _item(given, call)
        if len(given) != 1 or call.constants:
            raise ModelError(
                f"takes {len(given) + len(call.constants)} inputs; initial states, and what joins "
                "layers, are not read"
            )
        for name in call.masks:
            self._check_mask(name, given[0])
        return self._step(layer, given[0])  # type: ignore[no-any-return]

    def _check_mask(self, name: str, value: Value) -> None:
        """A mask is that of `Masking` or `mask_zero`: each step of x that is not a number."""
        of_indices = any(layer.kind == "embedding" for layer in value.signal.layers[:1])
        compared = name if of_indices else self._one_source(name, "Any")
        source, number = self._one_source(compared, "NotEqual"), self._calls[compared].constants
        if source != self._input or len(number) != 1 or value.mask_value is None:
            raise ModelError("takes a mask of its own; Masking and mask_zero are read")
        if not isinstance(number[0], int | float) or np.float32(number[0]) != value.mask_value:
            raise ModelError(f"takes a mask for {number[0]!r:.40}, not {value.mask_value:g}")

    def _one_source(self, name: str, kind: str) -> str:
        layer = self._by_name.get(name)
        if layer is None or layer.kind != kind or len(self._sources(name)) != 1:
            raise ModelError("takes a mask of its own; Masking and mask_zero are read")
        return self._sources(name)[0]


def _joined(given: list[Value], layer: Described) -> Value:
    """Two readings of the same steps, side by side."""
    if len(given) != 2 or any(value.has_steps for value in given):
        raise ModelError(
            "joins values of each step, or not two; two readings of the steps are read"
        )
    if layer.config.get("axis", -1) not in (-1, 1):
        raise ModelError(f"joins along axis {layer.config.get('axis')!r:.40}; -1 is read")
    return given[0].moved(concatenate([value.signal for value in given], -1))


EVERY = {"class_name": "__slice__", "config": dict.fromkeys(("start", "stop", "step"))}


def _item(given: list[Value], call: Call) -> Value:
    """`y[:, -1]`."""
    taken = list(call.constants)
    if len(given) != 1 or taken[:2] != [EVERY, -1] or taken[2:] not in ([], [EVERY]):
        raise ModelError("takes a part of the steps; the last one is read: y[:, -1]")
    (value,) = given
    return value.moved(select(value.signal, 1, -1))
