"""A network as plain JSON and named arrays, and back: what edgelstm's files hold beside weights.

The arrays have PyTorch's state-dict names (`lstm1.weight_ih_l0`, `lstm1.weight_ih_l0_reverse`,
`dense1.bias`), so that a file is also readable as weights alone. Each direction of a layer is
described by itself; the reverse one, `lstm1_reverse`, stands behind the forward one.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import float32
from edgelstm.errors import ModelError
from edgelstm.formats.integers import check_integers
from edgelstm.formats.stated import real, whole
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import REVERSE, parts
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.weights import survives_float32
from edgelstm.model.forms import checked_plan
from edgelstm.model.network import Layer, Network
from edgelstm.model.plan import find_precision
from edgelstm.quantization.quantized import (
    QuantizedDense,
    QuantizedDirection,
    QuantizedLayer,
    QuantizedNetwork,
)
from edgelstm.quantization.scales import Saturation, Scale

Arrays = dict[str, NDArray[Any]]
VERSION = 1
# Arrays of a recurrent layer: of each, and with a projection or peepholes.
ALWAYS, SOMETIMES = (
    ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
    ("weight_hr", "weight_peephole"),
)


def named_arrays(network: Network | QuantizedNetwork) -> Arrays:
    """Every weight and bias by its state-dict name."""
    arrays: Arrays = {}
    for part in parts(network.layers):
        for kind, array in part.arrays.items():
            named = array_name(part.name, kind) if part.kind == "recurrent" else None
            arrays[named or f"{part.name}.{kind}"] = array
    return arrays


def array_name(layer: str, kind: str) -> str:
    """A recurrent layer's array in a state dict.

    >>> array_name("lstm1", "bias_ih"), array_name("lstm1_reverse", "bias_ih")
    ('lstm1.bias_ih_l0', 'lstm1.bias_ih_l0_reverse')
    """
    forward = layer.removesuffix(REVERSE)
    return f"{forward}.{kind}_l0{layer.removeprefix(forward)}"


def describe(network: Network | QuantizedNetwork) -> dict[str, Any]:
    """Everything about the network that is not in its arrays, as JSON takes it."""
    described: dict[str, Any] = {
        "version": VERSION,
        "precision": network.precision,
        "last_step": network.last_step,
        "assumed": list(network.assumed),
        "layers": [
            KINDS[part.kind](part) | ({"reverse": True} if direction else {})
            for layer in network.layers
            for direction, part in enumerate(layer.parts)
        ],
    }
    if isinstance(network, QuantizedNetwork):
        described |= {"steps": network.steps, "dropped_softmax": network.dropped_softmax}
    return described


def _describe_dense(layer: Dense | QuantizedDense) -> dict[str, Any]:
    described: dict[str, Any] = {"name": layer.name, "cell": None, "activation": layer.activation}
    if isinstance(layer, QuantizedDense):
        described["weight_scale"] = layer.weight_scale
        described["input"] = _describe_scale(layer.input)
        described["linear"] = _describe_scale(layer.linear)
    return described


def _describe_direction(layer: Direction | QuantizedDirection) -> dict[str, Any]:
    described: dict[str, Any] = {"name": layer.name, "cell": layer.cell_name}
    described["cell_clip"] = layer.cell_clip
    if isinstance(layer, QuantizedDirection):
        described["weight_scales"] = dict(layer.weight_scales)
        described["scales"] = {value: _describe_scale(s) for value, s in layer.scales.items()}
        described["saturation"] = {
            gate: [s.values, s.sums_cut, s.recurrent_cut] for gate, s in layer.saturation.items()
        }
    return described


# Kind of a layer to what describes its parts; a layer without parts is said by `last_step`.
KINDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "recurrent": _describe_direction,
    "dense": _describe_dense,
    "read_steps": lambda layer: {},
}


def _describe_scale(scale: Scale | None) -> list[Any] | None:
    return None if scale is None else [scale.scale, scale.zero_point, scale.type]


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
        if item["cell"] is None:
            weight, bias = (arrays[f"{name}.{k}"] for k in ("weight", "bias"))
            layers.append(Dense(name, weight, bias, item["activation"]))
        else:
            _append_direction(layers, _float_direction(item, arrays), item)
    last_step = bool(described["last_step"])
    return Network(reading(layers, last_step=last_step), _texts(described["assumed"]))


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
    return Direction(name, str(item["cell"]), cell_clip=cell_clip, **held)


def _restore_quantized(described: Any, arrays: Mapping[str, NDArray[Any]]) -> QuantizedNetwork:
    precision = find_precision(str(described["precision"]))
    layers: list[QuantizedLayer] = []
    # The float twin of the same shapes checks them all.
    floats = {name: float32(array) for name, array in arrays.items()}
    shapes = _restore_float(described, floats)
    for item, shape in zip(described["layers"], parts(shapes.layers), strict=True):
        if isinstance(shape, Dense):
            layers.append(_quantized_dense(item, arrays, precision.bias_type))
            continue
        _append_direction(layers, _quantized_direction(item, shape, arrays, precision.name), item)
    steps = described["steps"]
    network = QuantizedNetwork(
        reading(layers, last_step=shapes.last_step),
        None if steps is None else whole(steps, "steps", (1, 2**53)),
        bool(described["dropped_softmax"]),
        shapes.assumed,
    )
    check_integers(network)
    return network


def _quantized_dense(
    item: Any, arrays: Mapping[str, NDArray[Any]], bias_type: str
) -> QuantizedDense:
    name = str(item["name"])
    return QuantizedDense(
        name,
        _typed(arrays, f"{name}.weight", "int8"),
        _typed(arrays, f"{name}.bias", bias_type),
        _positive(item["weight_scale"]),
        _scale(item["input"]),
        _scale(item["linear"]),
        item["activation"],
    )


def _quantized_direction(
    item: Any, shape: Direction, arrays: Mapping[str, NDArray[Any]], precision_name: str
) -> QuantizedDirection:
    precision = find_precision(precision_name)
    plan = checked_plan(shape, precision)
    scales = {str(k): _scale(v) for k, v in item["scales"].items()}
    weight_scales = {str(k): _positive(v) for k, v in item["weight_scales"].items()}
    if set(weight_scales) != {f"{op.side} {op.gate}" for op in plan.ops if op.side}:
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
    )


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
