"""KINDS: every class of Keras that is read, what its layers do, and which arrays they have."""

import dataclasses
from collections.abc import Callable

from edgelstm.errors import ModelError
from edgelstm.formats.keras import activations, around, recurrent
from edgelstm.formats.keras.config import Described
from edgelstm.formats.keras.values import Value
from edgelstm.formats.keras.weights import Arrays


def _none(layer: Described) -> list[str]:
    return []


@dataclasses.dataclass(frozen=True)
class Kind:
    """A class of layers.

    Attributes:
        through: Takes a value through a layer with these arrays.
        roles: The arrays of a layer in Keras's order, behind where an archive keeps them below the
            layer: `cell/kernel`. One that may be absent ends with `?`.
        each_step: Whether `TimeDistributed` may hold it.
    """

    through: Callable[[Value, Described, Arrays], Value]
    roles: Callable[[Described], list[str]] = _none
    each_step: bool = False


def _by_step(value: Value, layer: Described, arrays: Arrays) -> Value:
    """TimeDistributed: the layer inside, which works on each step anyway."""
    inner = _inside(layer)
    own = {name.removeprefix("layer/"): array for name, array in arrays.items()}
    return through(value, inner, own)


def _inside(layer: Described) -> Described:
    inner = layer.inner("layer")
    if not (inner.kind in KINDS and KINDS[inner.kind].each_step):
        known = ", ".join(kind for kind, about in KINDS.items() if about.each_step)
        raise ModelError(f"holds a {inner.kind}; these are read in it: {known}")
    return inner


def _roles_by_step(layer: Described) -> list[str]:
    inner = _inside(layer)
    return [f"layer/{role}" for role in KINDS[inner.kind].roles(inner)]


_RECURRENT = Kind(recurrent.one_direction, recurrent.roles)
_LEFT = Kind(around.left, each_step=True)
KINDS: dict[str, Kind] = {
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "SimpleRNN": _RECURRENT,
    "Bidirectional": Kind(recurrent.both_directions, recurrent.both_roles),
    "Embedding": Kind(around.through_embedding, lambda layer: ["embeddings"]),
    "Masking": Kind(around.mask),
    "Dense": Kind(around.through_dense, around.dense_roles, each_step=True),
    "TimeDistributed": Kind(_by_step, _roles_by_step),
    "BatchNormalization": Kind(around.batch_norm, around.batch_norm_roles, each_step=True),
    "LayerNormalization": Kind(around.layer_norm, around.layer_norm_roles, each_step=True),
    "Normalization": Kind(around.normalise, around.normalisation_roles),
    **{
        kind: Kind(
            lambda value, layer, arrays: activations.LAYERS[layer.kind](value, layer),
            each_step=True,
        )
        for kind in activations.LAYERS
    },
    "GlobalAveragePooling1D": Kind(around.pooled("mean")),
    "GlobalMaxPooling1D": Kind(around.pooled("max")),
    "Flatten": Kind(around.flatten),
    "RepeatVector": Kind(around.repeated),
    "Reshape": Kind(around.reshaped),
    "Dropout": _LEFT,
    "SpatialDropout1D": _LEFT,
    "AlphaDropout": _LEFT,
    "GaussianDropout": _LEFT,
    "GaussianNoise": _LEFT,
    "ActivityRegularization": _LEFT,
    "Identity": _LEFT,
}
MODELS = ("Sequential", "Functional", "Model")  # the last two are one, by version
INPUT, JOIN, ITEM = "InputLayer", "Concatenate", "GetItem"
MASKS = ("NotEqual", "Any")  # how Keras 3 writes what Masking and mask_zero do
REFUSED = {
    "Lambda": "its code is not run; build the network of Keras's own layers",
    "RNN": "cells of one's own are not read; use LSTM, GRU or SimpleRNN",
    "Add": "it joins two layers, which no network here does",
    "Multiply": "it joins two layers, which no network here does",
    "Conv1D": "convolutions are not supported",
}


def through(value: Value, layer: Described, arrays: Arrays) -> Value:
    """A value through a layer."""
    return KINDS[layer.kind].through(value, layer, arrays)


def check_known(layer: Described) -> None:
    """`ModelError` for a class that no network here has."""
    if layer.kind not in (*KINDS, *MODELS, INPUT, JOIN, ITEM, *MASKS):
        known = f"known are: {', '.join((*KINDS, JOIN))}"
        raise ModelError(f"{layer.where} is not supported: {REFUSED.get(layer.kind, known)}")
