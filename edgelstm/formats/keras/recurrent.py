"""Keras's recurrent layers: their options, their order of gates, both directions.

Orders of Keras: an LSTM's gates are i f c o, a GRU's z r h; here they are i f g o and r z n.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import recurrent
from edgelstm.formats.following.reads import without_steps
from edgelstm.formats.following.sums import added
from edgelstm.formats.following.symbolic import select
from edgelstm.formats.keras.config import Described, check_plain
from edgelstm.formats.keras.values import Value
from edgelstm.formats.keras.weights import Arrays, matrix, vector
from edgelstm.layers.recurrent import Floats

Loaded = Mapping[str, Floats]
STEPS_AXIS = 1
IN_ONE_DIRECTION = (("go_backwards", False), ("zero_output_for_mask", False))
PLAIN = (("return_state", False), ("time_major", False))


def _lstm(layer: Described, arrays: Arrays, place: str) -> tuple[str, Loaded]:
    """i f c o is i f g o."""
    check_plain(layer, (("activation", "tanh"), ("recurrent_activation", "sigmoid")))
    size = layer.number("units")
    return "lstm", _stacked(
        layer, arrays, place, [slice(k * size, (k + 1) * size) for k in range(4)]
    )


def _gru(layer: Described, arrays: Arrays, place: str) -> tuple[str, Loaded]:
    """z r h becomes r z n; Keras before 2.1.5 has no `reset_after`."""
    check_plain(layer, (("activation", "tanh"), ("recurrent_activation", "sigmoid")))
    size, after = layer.number("units"), layer.flag("reset_after", default=False)
    z, r, n = (slice(k * size, (k + 1) * size) for k in range(3))
    return "gru" if after else "gru_reset_before", _stacked(
        layer, arrays, place, [r, z, n], both_biases=after
    )


def _rnn(layer: Described, arrays: Arrays, place: str) -> tuple[str, Loaded]:
    if layer.config.get("activation", "tanh") not in ("tanh", "relu"):
        check_plain(layer, (("activation", "tanh"),))
    return "rnn", _stacked(layer, arrays, place, [slice(0, layer.number("units"))])


CELLS: dict[str, Callable[[Described, Arrays, str], tuple[str, Loaded]]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "SimpleRNN": _rnn,
}


def _stacked(
    layer: Described, arrays: Arrays, place: str, gates: list[slice], *, both_biases: bool = False
) -> Loaded:
    """Weights and biases in the order of these columns; a bias is of both sides, or of the input.

    `unit_forget_bias` began as ones in the stored bias.
    """
    n = len(gates) * layer.number("units")
    rows = np.concatenate([np.arange(n)[gate] for gate in gates])
    biases = np.zeros((2, n), np.float32)
    if layer.flag("use_bias", default=True):
        bias = vector(arrays, f"{place}/bias", (2, n) if both_biases else (n,))
        biases[: 1 + both_biases] = bias
    return {
        "weight_ih": matrix(arrays, f"{place}/kernel", n)[rows],
        "weight_hh": matrix(arrays, f"{place}/recurrent_kernel", n)[rows],
        "bias_ih": biases[0, rows],
        "bias_hh": biases[1, rows],
    }


def roles(layer: Described, place: str = "cell") -> list[str]:
    """The arrays of a recurrent layer, in Keras's order."""
    names = ["kernel", "recurrent_kernel", "bias"]
    if not layer.flag("use_bias", default=True):
        names.pop()
    return [f"{place}/{name}" for name in names]


def both_roles(layer: Described) -> list[str]:
    """Those of a bidirectional layer."""
    there, back = _directions(layer)
    return [*roles(there, "forward_layer/cell"), *roles(back, "backward_layer/cell")]


def one_direction(value: Value, layer: Described, arrays: Arrays) -> Value:
    """LSTM, GRU, SimpleRNN."""
    check_plain(layer, IN_ONE_DIRECTION)
    cell_name, weights = _loaded(layer, arrays, "cell")
    value = _through(value, layer, cell_name, weights, None)
    if layer.flag("return_sequences", default=False):
        return value
    return value.moved(select(value.signal, STEPS_AXIS, -1))


def both_directions(value: Value, layer: Described, arrays: Arrays) -> Value:
    """Bidirectional: without sequences it gives where each direction ends, not the last step."""
    there, back = _directions(layer)
    mode = layer.config.get("merge_mode", "concat")
    if mode not in ("concat", "sum"):
        raise ModelError(f"merge_mode is {mode!r:.40}; 'concat' and 'sum' are read")
    for direction, backwards in ((there, False), (back, True)):
        if direction.flag("go_backwards", default=False) is not backwards:
            raise ModelError("its layers do not run forward and backward, in this order")
    cell_name, weights = _loaded(there, arrays, "forward_layer/cell")
    other, reverse = _loaded(back, arrays, "backward_layer/cell")
    alike = [(cell_name, *_options(there)), (other, *_options(back))]
    if alike[0] != alike[1]:
        raise ModelError("its two layers differ in class or options; one kind is read")
    value = _through(value, there, cell_name, weights, reverse)
    if not there.flag("return_sequences", default=False):
        value = value.moved(without_steps(value.signal, ("finals",)))
    return value.moved(added(value.signal)) if mode == "sum" else value


def _options(layer: Described) -> tuple[Any, ...]:
    return layer.config.get("activation", "tanh"), layer.flag("return_sequences", default=False)


def _directions(layer: Described) -> tuple[Described, Described]:
    """Both layers; where the second is not stated it is the first, backwards."""
    there = layer.inner("layer")
    stated = layer.config.get("backward_layer") is not None
    back = layer.inner("backward_layer") if stated else there.turned()
    for direction in (there, back):
        if direction.kind not in CELLS:
            raise ModelError(f"holds a {direction.kind}; {', '.join(CELLS)} are read")
    return there, back


def _loaded(layer: Described, arrays: Arrays, place: str) -> tuple[str, Loaded]:
    check_plain(layer, PLAIN)
    return CELLS[layer.kind](layer, arrays, place)


def _through(
    value: Value, layer: Described, cell_name: str, weights: Loaded, reverse: Loaded | None
) -> Value:
    if not value.has_steps:
        raise ModelError("runs over one vector; a sequence is needed")
    nonlinearity = str(layer.config.get("activation", "tanh"))
    signal = recurrent(
        value.signal,
        cell_name,
        weights,
        STEPS_AXIS,
        reverse=reverse,
        nonlinearity=nonlinearity,
    )
    value = value.moved(signal)
    for option in ("stateful", "unroll"):
        if layer.flag(option, default=False):
            value = value.noting(f"{layer.where}: {option} has no meaning here")
    return value
