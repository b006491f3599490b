"""What a Keras model takes: sequences, indices in front of an embedding, or one vector."""

from collections.abc import Sequence
from typing import Any

from edgelstm.arguments import MOST_STEPS
from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import SIZES
from edgelstm.formats.following.symbolic import start, start_indices
from edgelstm.formats.keras.around import target_shape
from edgelstm.formats.keras.classes import INPUT, MODELS
from edgelstm.formats.keras.config import MOST_UNITS, Described, described
from edgelstm.formats.keras.values import Value
from edgelstm.formats.stated import whole
from edgelstm.formats.tensors import at

BATCH, STEPS = SIZES[0]
SHAPES = ("batch_shape", "batch_input_shape")  # of Keras 3, of Keras 2


def begin(model: Described, layers: Sequence[Described], first: Sequence[Described]) -> Value:
    """The input.

    Args:
        model: The whole.
        layers: Of it.
        first: Those that take it.
    """
    shape, where = _stated(model, layers)
    with at(where):
        _check_input(layers, first)
        leading = [_leading(layer) for layer in first]
        if len(shape) == 3:
            return _sequence(shape[1], _size(shape[2]))
        if len(shape) != 2:
            raise ModelError(
                f"takes tensors of shape {tuple(shape)}; (batch, steps, input_size) is read"
            )
        if [layer.kind for layer in leading] == ["Embedding"]:
            steps = _steps(shape[1])
            return Value(start_indices((BATCH, _several(steps))), steps=steps)
        if [layer.kind for layer in leading] == ["Reshape"]:
            return _reshaped(shape[1], leading[0])
        return Value(start((BATCH, _size(shape[1]))))


def _sequence(steps: Any, size: int) -> Value:
    known = _steps(steps)
    return Value(start((BATCH, _several(known), size)), steps=known)


def _reshaped(size: Any, layer: Described) -> Value:
    """One vector that becomes a sequence first: x is that sequence here."""
    target = target_shape(layer)
    if len(target) != 2:
        return Value(start((BATCH, _size(size))))
    steps, features = target
    if -1 in target and size is not None:
        steps, features = (n if n > 0 else _size(size) // max(target) for n in target)
    if size is not None and steps * features != size:
        raise ModelError(f"makes {tuple(target)} of {size} values")
    value = _sequence(steps if steps > 0 else None, _size(features))
    return value.noting(
        f"the model takes {size or 'any number of'} values and makes a sequence of them; here x is "
        f"that sequence, (steps, {features})"
    )


def _stated(model: Described, layers: Sequence[Described]) -> tuple[list[Any], str]:
    """The shape of the input, and who says it."""
    said = [(layer.where, layer.config.get(name)) for layer in layers[:1] for name in SHAPES]
    inputs = [layer for layer in layers if layer.kind == INPUT]
    said += [(layer.where, layer.config.get(name)) for layer in inputs for name in SHAPES]
    said.append((f"'{model.name}'", model.config.get("build_input_shape")))
    for where, shape in said:
        if isinstance(shape, list) and shape:
            return shape, where
    if layers[0].kind in MODELS:
        inner = [described(item, model.version) for item in layers[0].config.get("layers") or []]
        return _stated(layers[0], inner[:1]) if inner and inner[0].kind not in MODELS else _no()
    return _no()


def _no() -> tuple[list[Any], str]:
    raise ModelError(
        "does not say what it takes; begin the model with keras.Input(shape=(None, features))"
    )


def _check_input(layers: Sequence[Described], first: Sequence[Described]) -> None:
    for layer in layers:
        if layer.kind != INPUT:
            continue
        for option in ("sparse", "ragged"):
            if layer.flag(option, default=False):
                raise ModelError(f"is {option}; dense input is read")
        kind = str(layer.config.get("dtype") or "float32")
        is_table = [_leading(one).kind for one in first] == ["Embedding"]
        if not is_table and not kind.startswith(("float", "bfloat")):
            raise ModelError(f"takes {kind:.40}; integers are read in front of an Embedding alone")


def _leading(layer: Described) -> Described:
    """The first layer in a sequential model that is one."""
    while layer.kind == MODELS[0]:
        stated = layer.config.get("layers")
        inner = [described(item, layer.version) for item in stated or []]
        found = [one for one in inner if one.kind != INPUT]
        if not found:
            break
        layer = found[0]
    return layer


def _steps(stated: Any) -> int | None:
    return None if stated is None else whole(stated, "steps", (1, MOST_STEPS))


def _several(steps: int | None) -> int:
    """Steps of the signal: of one alone its axis would be lost."""
    return steps if steps and steps > 1 else STEPS


def _size(stated: Any) -> int:
    return whole(stated, "input_size", (1, MOST_UNITS))
