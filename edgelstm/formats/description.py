"""A network as plain JSON and named arrays, and back: what edgelstm's files hold beside weights.

The arrays have PyTorch's state-dict names (`lstm1.weight_ih_l0`, `lstm1.weight_ih_l0_reverse`,
`dense1.bias`), so that a file is also readable as weights alone. Each direction of a layer is
described by itself; the reverse one, `lstm1_reverse`, stands behind the forward one.
"""

from collections.abc import Callable, Iterable
from typing import Any

from numpy.typing import NDArray

from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import REVERSE, parts
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.layers.without_numbers import WithoutNumbers
from edgelstm.model.network import Network
from edgelstm.model.precision import PRECISIONS
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.scales import Scale

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
        **describe_around(network),
        "assumed": list(network.assumed),
        "layers": [
            KINDS[part.kind](part) | ({"reverse": True} if direction else {})
            for layer in network.layers
            for direction, part in enumerate(layer.parts)
        ],
    }
    if isinstance(network, QuantizedNetwork):
        described |= {"steps": network.steps, "dropped_softmax": network.dropped_softmax}
        usual = PRECISIONS.get(network.precision)
        if usual and network.form != usual.form:
            described["form"] = network.form
    return described


def describe_around(network: Network | QuantizedNetwork) -> dict[str, Any]:
    """What stands between the layers that hold numbers, where it is more than the last step.

    `between`: how many parts stand in front of it, what it is, and its numbers.
    """
    found: dict[str, Any] = {}
    between: list[list[Any]] = []
    n_parts = 0
    for layer in network.layers:
        n_parts += len(layer.parts)
        if isinstance(layer, Repeat):
            between.append([n_parts, "repeat", [], layer.steps])
        elif isinstance(layer, ReverseSteps):
            between.append([n_parts, "reverse", [], None])
        elif isinstance(layer, ReadSteps):
            between.append([n_parts, "read", list(layer.reads), layer.steps])
    if not _is_usual(network.layers):
        found["between"] = between
    if network.input_mean is not None and network.input_std is not None:
        found["input_mean"] = network.input_mean.tolist()
        found["input_std"] = network.input_std.tolist()
    if network.mask_value is not None:
        found["masked"] = [network.mask_value]
    return found


def _is_usual(layers: Iterable[Any]) -> bool:
    """Whether nothing stands between layers, or the last step directly behind a recurrent one."""
    held = tuple(layers)
    places = [k for k, layer in enumerate(held) if isinstance(layer, WithoutNumbers)]
    if not places:
        return True
    (at, *more), behind = places, held[places[0] + 1 :]
    first = held[at - 1] if at else None
    is_last = isinstance(held[at], ReadSteps) and held[at].reads == ("last",)
    return (
        is_last
        and not more
        and isinstance(first, Recurrent)
        and not any(isinstance(layer, Recurrent) for layer in behind)
    )


def _describe_activation(layer: Any) -> dict[str, Any]:
    described = {
        "name": layer.name,
        "cell": None,
        "kind": layer.kind,
        "size": layer.input_size,
        "function": layer.function,
    }
    if not isinstance(layer, QuantizedActivation):
        return described | {"numbers": list(layer.numbers)}
    ends = ("input", "activated") + ("narrowed",) * (layer.narrowed is not None)
    scales = {end: _describe_scale(getattr(layer, end)) for end in ends}
    return described | {"numbers": list(layer.given)} | scales


def _describe_norm(layer: Any) -> dict[str, Any]:
    return {"name": layer.name, "cell": None, "kind": layer.kind, "eps": layer.eps}


def _describe_embedding(layer: Any) -> dict[str, Any]:
    described = {"name": layer.name, "cell": None, "kind": layer.kind}
    scale = getattr(layer, "scale", None)
    return described if scale is None else described | {"scale": _describe_scale(scale)}


def _describe_dense(layer: Dense | QuantizedDense) -> dict[str, Any]:
    described: dict[str, Any] = {"name": layer.name, "cell": None, "activation": layer.activation}
    if isinstance(layer, QuantizedDense):
        described["weight_scale"] = layer.weight_scale
        described["input"] = _describe_scale(layer.input)
        described["linear"] = _describe_scale(layer.linear)
        if layer.narrowed is not None:
            described["narrowed"] = _describe_scale(layer.narrowed)
    return described


def _describe_direction(layer: Direction | QuantizedDirection) -> dict[str, Any]:
    described: dict[str, Any] = {"name": layer.name, "cell": layer.cell_name}
    described["cell_clip"] = layer.cell_clip
    if layer.nonlinearity != "tanh":
        described["nonlinearity"] = layer.nonlinearity
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
    "repeat": lambda layer: {},
    "reverse_steps": lambda layer: {},
    "activation": _describe_activation,
    "layer_norm": _describe_norm,
    "embedding": _describe_embedding,
}


def _describe_scale(scale: Scale | None) -> list[Any] | None:
    return None if scale is None else [scale.scale, scale.zero_point, scale.type]
