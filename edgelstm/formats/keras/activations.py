"""Keras's activations: as an option of a layer, and as layers."""

from collections.abc import Callable

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import activate
from edgelstm.formats.keras.config import Described, check_features, check_plain
from edgelstm.formats.keras.values import Value
from edgelstm.formats.stated import real

Chosen = tuple[str, tuple[float, ...]]  # of `layers.activation.FUNCTIONS`, and its numbers

BY_NAME: dict[str, Chosen] = {
    "relu": ("relu", ()),
    "sigmoid": ("sigmoid", ()),
    "tanh": ("tanh", ()),
    "softmax": ("softmax", ()),
    "log_softmax": ("log_softmax", ()),
    "elu": ("elu", (1.0,)),
    "relu6": ("clamp", (0.0, 6.0)),
    "leaky_relu": ("leaky_relu", (0.2,)),
    "hard_tanh": ("clamp", (-1.0, 1.0)),
}
LEAST_NORM = 1e-12  # of Keras's UnitNormalization
HARD_SIGMOID = {True: (0.2, 0.5), False: (1 / 6, 0.5)}  # of Keras 2, of Keras 3


def named(value: Value, layer: Described) -> Value:
    """Through the activation that a layer has as an option."""
    stated = layer.config.get("activation")
    if isinstance(stated, dict) and stated.get("class_name") in LAYERS:
        inner = layer.inner("activation")
        return LAYERS[inner.kind](value, inner)
    if stated in (None, "linear"):
        return value
    if stated == "hard_sigmoid":
        return _applied(value, "hard_sigmoid", HARD_SIGMOID[layer.is_keras_2])
    if not isinstance(stated, str) or stated not in BY_NAME:
        said = stated.get("config", stated) if isinstance(stated, dict) else stated
        raise ModelError(
            f"activation {said!r:.60} is not supported; supported: "
            f"{', '.join((*BY_NAME, 'hard_sigmoid'))}"
        )
    return _applied(value, *BY_NAME[stated])


def _applied(value: Value, function: str, numbers: tuple[float, ...]) -> Value:
    return value.moved(activate(value.signal, function, -1, numbers))


def _leaky(value: Value, layer: Described) -> Value:
    """Keras 2 calls its slope alpha."""
    slope = layer.config.get("negative_slope", layer.config.get("alpha"))
    return _applied(value, "leaky_relu", (real(slope, "negative_slope"),))


def _relu(value: Value, layer: Described) -> Value:
    """Up to a largest value, or with a slope below zero."""
    config = layer.config
    check_plain(layer, (("threshold", 0.0),))
    slope = real(config.get("negative_slope") or 0.0, "negative_slope")
    largest = config.get("max_value")
    if largest is not None and slope:
        raise ModelError("has both max_value and negative_slope; one of them is read")
    if largest is not None:
        return _applied(value, "clamp", (0.0, real(largest, "max_value")))
    return _applied(value, "leaky_relu", (slope,)) if slope else _applied(value, "relu", ())


def _elu(value: Value, layer: Described) -> Value:
    return _applied(value, "elu", (real(layer.config.get("alpha", 1.0), "alpha"),))


def _softmax(value: Value, layer: Described) -> Value:
    check_features(layer, len(value.signal.axes))
    return _applied(value, "softmax", ())


def _unit_norm(value: Value, layer: Described) -> Value:
    """Each step divided by its length."""
    check_features(layer, len(value.signal.axes))
    return _applied(value, "l2_norm", (LEAST_NORM,))


LAYERS: dict[str, Callable[[Value, Described], Value]] = {
    "Activation": named,
    "LeakyReLU": _leaky,
    "ReLU": _relu,
    "ELU": _elu,
    "Softmax": _softmax,
    "UnitNormalization": _unit_norm,
}
