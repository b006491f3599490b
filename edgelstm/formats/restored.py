"""restore: a network from the plain JSON and named arrays that `description` makes of one.

Nothing of a file is believed: shapes, types, scales and names are checked as if a stranger had
written them.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import MOST_STEPS, float32
from edgelstm.errors import ModelError
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
from edgelstm.layers.weights import survives_float32
from edgelstm.model.forms import checked_plan
from edgelstm.model.network import Layer, Network
from edgelstm.model.precision import Precision, find_precision
from edgelstm.quantization.quantized import QuantizedLayer, QuantizedNetwork
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection, weight_key
from edgelstm.quantization.scales import Saturation, Scale


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
    numbers = [real(number, "input_mean or input_std") for number in stored or ()]
    return None if stored is None else np.array(numbers, np.float32)


def _masked(stored: Any) -> float | None:
    """`Network.mask_value`, stored as a list of it."""
    return None if stored is None else real(stored[0] if len(stored) == 1 else stored, "mask_value")


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
            layers.append(_stateless(item, shape, precision))
            continue
        if isinstance(shape, Dense):
            layers.append(_quantized_dense(item, arrays, precision))
            continue
        _append_direction(layers, _quantized_direction(item, shape, arrays, precision), item)
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


def _stateless(item: Any, shape: Any, precision: Precision) -> Any:
    """An activation with its scales; what is real stays as it is."""
    if not isinstance(shape, Activation) or not precision.is_integer:
        return shape
    into, activated = _scale(item["input"]), _scale(item["activated"])
    if into is None or activated is None:
        raise ValueError(f"scales of layer '{shape.name}'")
    return QuantizedActivation(
        *(shape.name, shape.input_size, shape.function, shape.numbers),
        *(into, activated, precision, _scale(item.get("narrowed"))),
    )


def _quantized_dense(
    item: Any, arrays: Mapping[str, NDArray[Any]], precision: Precision
) -> QuantizedDense:
    name = str(item["name"])
    return QuantizedDense(
        name,
        _typed(arrays, f"{name}.weight", "int8"),
        _typed(arrays, f"{name}.bias", precision.bias_type),
        _positive(item["weight_scale"]),
        _scale(item["input"]),
        _scale(item["linear"]),
        item["activation"],
        precision,
        _scale(item.get("narrowed")),
    )


def _quantized_direction(
    item: Any, shape: Direction, arrays: Mapping[str, NDArray[Any]], precision: Precision
) -> QuantizedDirection:
    plan = checked_plan(shape, precision)
    scales = {str(k): _scale(v) for k, v in item["scales"].items()}
    weight_scales = {str(k): _positive(v) for k, v in item["weight_scales"].items()}
    keys = {weight_key(op.side, op.gate) for op in plan.ops if op.side}
    if precision.is_integer:
        keys |= {weight_key("peephole", gate) for gate in shape.spec.peepholes}
    if set(weight_scales) != keys:
        raise ValueError(f"weight scales of layer '{shape.name}'")
    if precision.bias_type != "float32" and set(scales) != set(plan.roles):
        raise ValueError(f"scales of layer '{shape.name}'")
    saturation = {str(g): _saturation(s) for g, s in item["saturation"].items()}
    if not set(saturation) <= set(shape.spec.gates):
        raise ValueError(f"saturation of layer '{shape.name}'")
    return QuantizedDirection(
        plan,
        _typed(arrays, array_name(shape.name, "weight_ih"), precision.weight_type),
        _typed(arrays, array_name(shape.name, "weight_hh"), precision.weight_type),
        _typed(arrays, array_name(shape.name, "bias_ih"), precision.bias_type),
        _typed(arrays, array_name(shape.name, "bias_hh"), precision.bias_type),
        weight_scales,
        {k: v for k, v in scales.items() if v is not None},
        shape.cell_clip,
        saturation,
        _optional(arrays, array_name(shape.name, "weight_hr"), precision.weight_type),
        _optional(
            arrays,
            array_name(shape.name, "weight_peephole"),
            "int16" if precision.is_integer else "float32",
        ),
        shape.nonlinearity,
    )


def _optional(arrays: Mapping[str, NDArray[Any]], name: str, kind: str) -> NDArray[Any] | None:
    return _typed(arrays, name, kind) if name in arrays else None


def _saturation(stored: Any) -> Saturation:
    values, sums_cut, recurrent_cut = (whole(n, "saturation", (0, 2**53)) for n in stored)
    if not 0 < values >= max(sums_cut, recurrent_cut):
        raise ValueError(f"saturation {stored}")
    return Saturation(values, sums_cut, recurrent_cut)


def _typed(arrays: Mapping[str, NDArray[Any]], name: str, kind: str) -> NDArray[Any]:
    if arrays[name].dtype != kind:
        raise ModelError(f"array '{name}' is {arrays[name].dtype}; {kind} is needed")
    return arrays[name]


def _scale(stored: Any) -> Scale | None:
    if stored is None:
        return None
    scale, zero_point, kind = stored
    if kind not in ("int8", "int16"):
        raise ValueError(f"type {kind} of a scale")
    made = Scale(_positive(scale), 0, str(kind))
    return dataclasses.replace(made, zero_point=whole(zero_point, "zero point", made.limits))


def _positive(stored: Any) -> float:
    value = real(stored, "scale")
    if not survives_float32(value) or value != np.float32(value):
        raise ValueError(f"scale {value}, which is not a float32 above 0")
    return value


def _texts(stored: Any) -> tuple[str, ...]:
    if not isinstance(stored, list):
        raise ValueError(f"assumed {stored}")
    return tuple(str(text) for text in stored)
