"""Keras's layers around recurrent ones: tables, dense layers, norms, what is read of the steps."""

import dataclasses
from typing import Any

import numpy as np

from edgelstm.arguments import MOST_STEPS
from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import dense, normalise_layer
from edgelstm.formats.following.reads import (
    embed,
    flattened,
    inverse,
    pool,
    repeat,
    scale_and_shift,
)
from edgelstm.formats.following.symbolic import reshape, select, unsqueeze
from edgelstm.formats.keras import activations
from edgelstm.formats.keras.config import Described, check_features, check_plain
from edgelstm.formats.keras.values import Value
from edgelstm.formats.keras.weights import Arrays, matrix, vector
from edgelstm.formats.stated import real, whole
from edgelstm.formats.tensors import float32

LEAST_STD = 1e-7  # of Keras's Normalization
MOST_FLAT = 2**24
CHANNELS_LAST = (("data_format", "channels_last"),)


def dense_roles(layer: Described) -> list[str]:
    """The arrays of a dense layer."""
    return ["kernel", "bias"] if layer.flag("use_bias", default=True) else ["kernel"]


def through_dense(value: Value, layer: Described, arrays: Arrays) -> Value:
    """Dense, with its activation."""
    units = layer.number("units")
    zeros = np.zeros(units, np.float32)
    bias = vector(arrays, "bias", (units,)) if "bias" in arrays else zeros
    weight = matrix(arrays, "kernel", units)
    return activations.named(value.moved(dense(value.signal, weight, bias)), layer)


def through_embedding(value: Value, layer: Described, arrays: Arrays) -> Value:
    """Embedding, which masks index 0 where `mask_zero` says so."""
    sizes = layer.number("input_dim"), layer.number("output_dim")
    value = value.moved(embed(value.signal, vector(arrays, "embeddings", sizes)))
    if not layer.flag("mask_zero", default=False):
        return value
    return dataclasses.replace(value, mask_value=0.0).noting(
        f"{layer.where} masks steps of index 0; no mask is kept: give sequences without such "
        "steps, x that holds one is refused, a written file cannot check it"
    )


def mask(value: Value, layer: Described, arrays: Arrays) -> Value:
    """Masking, first of all layers: elsewhere x does not show which steps it masks."""
    if value.signal.layers or value.signal.affine is not None:
        raise ModelError("masks what was computed; it is read as the first layer")
    masked = float(np.float32(real(layer.config.get("mask_value", 0.0), "mask_value")))
    return dataclasses.replace(value, mask_value=masked).noting(
        f"{layer.where} masks steps in which every value is {masked:g}; no mask is kept: give "
        "sequences without such steps, x that holds one is refused, a written file cannot check it"
    )


def batch_norm_roles(layer: Described) -> list[str]:
    """The arrays of a batch norm."""
    return [*_scale_roles(layer), "moving_mean", "moving_variance"]


def batch_norm(value: Value, layer: Described, arrays: Arrays) -> Value:
    """BatchNormalization as after training."""
    check_features(layer, len(value.signal.axes))
    check_plain(layer, (("renorm", False),))
    size = (_size(value),)
    weight, bias = _scale_and_bias(arrays, size)
    mean, variance = (_wide(arrays, name, size) for name in ("moving_mean", "moving_variance"))
    with np.errstate(invalid="ignore"):
        scale = weight * inverse(np.sqrt(variance + _epsilon(layer)))
    return value.moved(scale_and_shift(value.signal, scale, bias - mean * scale))


def layer_norm_roles(layer: Described) -> list[str]:
    """The arrays of a layer norm."""
    return _scale_roles(layer)


def layer_norm(value: Value, layer: Described, arrays: Arrays) -> Value:
    """LayerNormalization over the features."""
    check_features(layer, len(value.signal.axes))
    check_plain(layer, (("rms_scaling", False),))
    weight, bias = (w.astype(np.float32) for w in _scale_and_bias(arrays, (_size(value),)))
    return value.moved(normalise_layer(value.signal, weight, bias, _epsilon(layer)))


def normalisation_roles(layer: Described) -> list[str]:
    """What `adapt` found; nothing where the config says it."""
    stated = layer.config.get("mean") is not None
    return [] if stated else ["mean", "variance", "count?"]


def normalise(value: Value, layer: Described, arrays: Arrays) -> Value:
    """Normalization: ``(x - mean) / std``, kept in front where it is the first layer."""
    check_plain(layer, (("invert", False),))
    if layer.config.get("axis", -1) not in (None, []):
        check_features(layer, len(value.signal.axes))
    stated: Any = [layer.config.get(name) for name in ("mean", "variance")]
    if "mean" in arrays:
        stated = [arrays["mean"], arrays["variance"]]
    mean, variance = (_per_feature(numbers, _size(value)) for numbers in stated)
    std = np.maximum(np.sqrt(variance.astype(np.float32)), np.float32(LEAST_STD))
    scale = inverse(std.astype(np.float64))
    return value.moved(scale_and_shift(value.signal, scale, -mean * scale))


def _per_feature(numbers: Any, size: int) -> Any:
    """A number, or as many as there are features, with axes of size 1 around them or without."""
    if isinstance(numbers, np.ndarray):
        found = float32(numbers, "mean or variance").astype(np.float64)
    else:
        listed = numbers if isinstance(numbers, list) else [numbers]
        while len(listed) == 1 and isinstance(listed[0], list):
            listed = listed[0]
        found = np.array([real(number, "mean or variance") for number in listed], np.float64)
    if found.size not in (1, size) or not np.isfinite(found).all():
        raise ModelError(f"mean and variance are of {found.size} values, x has {size} per step")
    return found.ravel()


def pooled(what: str) -> Any:
    """GlobalAverage- and GlobalMaxPooling1D."""

    def through(value: Value, layer: Described, arrays: Arrays) -> Value:
        check_plain(layer, (*CHANNELS_LAST, ("keepdims", False)))
        if not value.has_steps:
            raise ModelError("pools one vector; a sequence is needed")
        return value.moved(pool(value.signal, [1], what, keep=False))

    return through


def flatten(value: Value, layer: Described, arrays: Arrays) -> Value:
    """All steps side by side; the one step of a model that has no more; a vector as it is."""
    check_plain(layer, CHANNELS_LAST)
    if not value.has_steps:
        return value
    if value.steps == 1:
        return value.moved(select(value.signal, 1, -1))
    if value.steps is None or "steps" not in value.signal.sizes:
        raise ModelError(
            "flattens steps; it is read behind a recurrent layer, in a model whose input says how "
            "many there are"
        )
    batch, steps, features = value.signal.shape
    if steps * features > MOST_FLAT:
        raise ModelError(f"flattens {steps:,} steps of {features:,} values; {MOST_FLAT:,} at most")
    return value.moved(flattened(reshape(value.signal, (batch, -1))))


def repeated(value: Value, layer: Described, arrays: Arrays) -> Value:
    """RepeatVector: what was read as each step of a new sequence."""
    if value.has_steps:
        raise ModelError("repeats a sequence; one vector is needed")
    times = layer.number("n", (1, MOST_STEPS))
    if times == 1:
        raise ModelError("makes a sequence of one step; two steps and more are read")
    made = value.moved(repeat(unsqueeze(value.signal, [1]), 1, times))
    return dataclasses.replace(made, steps=times)


def target_shape(layer: Described) -> list[int]:
    """Of a Reshape: (values,) or (steps, values), one of them -1."""
    stated = layer.config.get("target_shape")
    listed = stated if isinstance(stated, list) else [stated]
    target = [whole(n, "target_shape", (-1, MOST_FLAT)) for n in listed]
    if len(target) not in (1, 2) or target.count(-1) > 1 or 0 in target:
        raise ModelError(f"target_shape is {stated!r:.60}; (values,) or (steps, values) is read")
    return target


def reshaped(value: Value, layer: Described, arrays: Arrays) -> Value:
    """Reshape, where it leaves a shape as it is, or lays all steps, or the one, on one axis."""
    target, features = target_shape(layer), value.signal.sizes["features"]
    if value.has_steps:
        if len(target) == 2 and target in ([value.steps, features], [-1, features]):
            return value
        if len(target) == 1 and value.steps and target[0] in (-1, value.steps * features):
            return flatten(value, layer, arrays)
    elif len(target) == 1 and target[0] in (-1, features):
        return value
    have = f"(steps, {features})" if value.has_steps else f"({features},)"
    raise ModelError(
        f"makes {tuple(target)} of {have}; all steps on one axis, and a network's input, are read"
    )


def left(value: Value, layer: Described, arrays: Arrays) -> Value:
    """Dropout and its kin: nothing after training."""
    return value


def _size(value: Value) -> int:
    return value.signal.sizes["features"]


def _epsilon(layer: Described) -> float:
    return real(layer.config.get("epsilon", 1e-3), "epsilon")


def _scale_roles(layer: Described) -> list[str]:
    asked = {"gamma": "scale", "beta": "center"}
    return [name for name, option in asked.items() if layer.flag(option, default=True)]


def _scale_and_bias(arrays: Arrays, size: tuple[int]) -> tuple[Any, Any]:
    weight = _wide(arrays, "gamma", size) if "gamma" in arrays else np.ones(size)
    return weight, _wide(arrays, "beta", size) if "beta" in arrays else np.zeros(size)


def _wide(arrays: Arrays, name: str, size: tuple[int]) -> Any:
    return vector(arrays, name, size).astype(np.float64)
