"""restore: a network from the plain JSON and named arrays that `description` makes of one.

Nothing of a file is believed: shapes, types, scales and names are checked as if a stranger had
written them.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import MOST_STEPS, float32
from edgelstm.errors import ModelError
from edgelstm.formats import restored_quantized
from edgelstm.formats.description import ALWAYS, SOMETIMES, VERSION, array_name
from edgelstm.formats.integers import check_integers
from edgelstm.formats.stated import real, whole
from edgelstm.layers.activation import Activation, LayerNorm
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat, reading
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.network import Layer, Network
from edgelstm.model.precision import find_precision
from edgelstm.quantization.quantized import QuantizedLayer, QuantizedNetwork


def restore(described: Any, arrays: Mapping[str, NDArray[Any]]) -> Network | QuantizedNetwork:
    """The network of `describe` and `named_arrays`.

    Raises:
        ModelError: The description is malformed, or does not fit the arrays.
    """
    try:
        if described["version"] != VERSION:
            raise ModelError(
                f"the description has version {described['version']}; this edgelstm reads {VERSION}"
            )
        if described["precision"] == "float32":
            return _restore_float(described, arrays)
        return _restore_quantized(described, arrays)
    except ModelError:
        raise
    except (
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
        AssertionError,
    ) as error:
        raise ModelError(
            f"the description inside does not fit the arrays beside it "
            f"({type(error).__name__}: {error}); write the file again"
        ) from error


def _restore_float(described: Any, arrays: Mapping[str, NDArray[Any]]) -> Network:
    layers: list[Layer] = []
    for item in described["layers"]:
        name = str(item["name"])
        if item.get("kind") is not None:
            layers.append(STATELESS[item["kind"]](item, arrays))
        elif item["cell"] is None:
            weight, bias = (arrays[f"{name}.{k}"] for k in ("weight", "bias"))
            layers.append(Dense(name, weight, bias, item["activation"]))
        else:
            _append_direction(layers, _float_direction(item, arrays), item)
    mean, std = (_vector(described.get(name)) for name in ("input_mean", "input_std"))
    placed, assumed = _placed(described, layers), _texts(described["assumed"])
    return Network(placed, assumed, mean, std, _masked(described.get("masked")))


def _placed(described: Any, layers: list[Any]) -> tuple[Any, ...]:
    """The layers, and between them what is read of the steps."""
    if "between" not in described:
        return reading(layers, last_step=bool(described["last_step"]))
    placed: list[Any] = []
    waiting = list(described["between"])
    n_parts = 0
    for layer in (None, *layers):
        if layer is not None:
            placed.append(layer)
            n_parts += len(layer.parts)
        while waiting and waiting[0][0] == n_parts:
            _, *item = waiting.pop(0)
            size = placed[-1].output_size if placed else layers[0].input_size
            placed.append(_between(size, *item))
    if waiting:
        raise ValueError(f"between {described['between']}")
    return tuple(placed)


def _between(size: int, what: Any, reads: Any, steps: Any) -> ReadSteps | Repeat | ReverseSteps:
    """A layer without numbers."""
    if what == "reverse":
        return ReverseSteps(size)
    steps = None if steps is None else whole(steps, "steps", (1, MOST_STEPS))
    return Repeat(size, steps or 0) if what == "repeat" else ReadSteps(size, tuple(reads), steps)


def _vector(stored: Any) -> NDArray[np.float32] | None:
    if stored is None:
        return None
    return np.array([real(number, "input_mean or input_std") for number in stored], np.float32)


def _masked(stored: Any) -> float | None:
    """`Network.mask_value`, stored as a list of it."""
    if stored is None:
        return None
    (value,) = stored
    return real(value, "mask_value")


def _activation(item: Any, arrays: Mapping[str, NDArray[Any]]) -> Activation:
    size = whole(item["size"], "size", (1, 2**20))
    numbers = tuple(_number(n) for n in item["numbers"])
    return Activation(str(item["name"]), size, str(item["function"]), numbers)


def _number(stated: Any) -> float:
    """Also an infinite one: the limits of a clamp."""
    return float(stated) if stated in (np.inf, -np.inf) else real(stated, "number")


def _layer_norm(item: Any, arrays: Mapping[str, NDArray[Any]]) -> LayerNorm:
    name = str(item["name"])
    weight, bias = (arrays[f"{name}.{k}"] for k in ("weight", "bias"))
    return LayerNorm(name, weight, bias, real(item["eps"], "eps"))


STATELESS: dict[str, Callable[[Any, Mapping[str, NDArray[Any]]], Layer]] = {
    "activation": _activation,
    "layer_norm": _layer_norm,
    "embedding": lambda item, held: Embedding(str(item["name"]), held[f"{item['name']}.weight"]),
}


def _append_direction(layers: list[Any], direction: Any, item: Any) -> None:
    """A layer of its own, or the reverse direction of the layer before."""
    if not item.get("reverse"):
        layers.append(Recurrent((direction,)))
    elif layers and layers[-1].kind == Recurrent.kind:
        layers[-1] = Recurrent((*layers[-1].directions, direction))
    else:
        raise ModelError(
            f"layer '{direction.name}' is described as a reverse direction, but none that reads "
            "forward stands before it; write the file again"
        )


def _float_direction(item: Any, arrays: Mapping[str, NDArray[Any]]) -> Direction:
    name, cell_clip = str(item["name"]), real(item["cell_clip"], "cell_clip")
    held = {kind: arrays[array_name(name, kind)] for kind in ALWAYS}
    held |= {k: arrays[n] for k in SOMETIMES if (n := array_name(name, k)) in arrays}
    nonlinearity = str(item.get("nonlinearity", "tanh"))
    made: Any = functools.partial(Direction, name, str(item["cell"]), nonlinearity=nonlinearity)
    return cast(Direction, made(cell_clip=cell_clip, **held))


def _restore_quantized(described: Any, arrays: Mapping[str, NDArray[Any]]) -> QuantizedNetwork:
    form = described.get("form")
    precision = find_precision(str(described["precision"]), None if form is None else str(form))
    layers: list[QuantizedLayer] = []
    # The float twin of the same shapes checks them all.
    floats = {name: float32(array) for name, array in arrays.items()}
    shapes = _restore_float(described, floats)
    for item, shape in zip(described["layers"], parts(shapes.layers), strict=True):
        if item.get("kind") is not None:
            layers.append(restored_quantized.activation(item, shape, precision))
            continue
        if isinstance(shape, Dense):
            layers.append(restored_quantized.dense(item, arrays, precision))
            continue
        made = restored_quantized.direction(item, shape, arrays, precision)
        _append_direction(layers, made, item)
    steps = described["steps"]
    network = QuantizedNetwork(
        _placed(described, layers),
        None if steps is None else whole(steps, "steps", (1, 2**53)),
        bool(described["dropped_softmax"]),
        shapes.assumed,
        shapes.input_mean,
        shapes.input_std,
        shapes.mask_value,
    )
    check_integers(network)
    return network


def _texts(stored: Any) -> tuple[str, ...]:
    if not isinstance(stored, list):
        raise ValueError(f"assumed {stored}")
    return tuple(str(text) for text in stored)
