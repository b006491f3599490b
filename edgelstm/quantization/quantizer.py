"""quantize: from a float network and calibration data to integers, one scale per value."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import check_type
from edgelstm.errors import ModelError
from edgelstm.layers.activation import LEFT_OFF, Activation
from edgelstm.layers.dense import Dense, final_activation
from edgelstm.layers.directions import computing, parts
from edgelstm.layers.embedding import Embedding
from edgelstm.model.forms import precision_for, refusal
from edgelstm.model.network import Network
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import COMPOSED, FUSED, HYBRID, Precision
from edgelstm.quantization import hybrid, quantize_composed, quantize_fused
from edgelstm.quantization.calibration import Ranges, Tell, calibration_sequences, observe
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.folding import folded
from edgelstm.quantization.quantize_activation import CUTS, reads_narrow
from edgelstm.quantization.quantized import QuantizedLayer, QuantizedNetwork
from edgelstm.quantization.saturation import limits

# Form to the module that makes its integers.
FORMS: dict[str | None, Any] = {FUSED: quantize_fused, COMPOSED: quantize_composed}


def quantize(
    network: Network,
    calibration: Any,
    precision: str = "int8",
    form: str | None = None,
    *,
    tell: Tell | None = None,
) -> QuantizedNetwork:
    """The network in integers.

    Args:
        network: Float weights.
        calibration: Typical input, in one of the forms of `calibration_sequences`. `hybrid` reads
            no more than its length from it and takes None too.
        precision: `int8`, `int16x8` or `hybrid`.
        form: What the integers inside are: `fused` as the runtimes' LSTM operators have them (a
            plain LSTM alone; at `int16x8` in TensorFlow Lite Micro alone), `composed` as operators
            of one operation each (every cell). None: `fused` at `int8` where every cell is a plain
            LSTM and no activation is a leaky relu, else `composed`.
        tell: Called now and then with how many steps are done, and of how many, layer by layer.

    Returns:
        Integers, scales, and per gate how often calibration left their range. A final softmax is
        left off at integer precisions: the results are logits, with the same arg max.

    Raises:
        ModelError: Calibration that cannot be used, a precision or form that a cell does not have,
            weights that no int8 scale can hold.
    """
    check_type(network, Network, "network", "quantize takes a float Network, as `read` gives it")
    chosen = precision_for(parts(network.layers), precision, form)
    _check_forms(network, chosen)
    given, behind = calibration is not None, network.behind
    batches = calibration_sequences(calibration, network) if given else []
    if chosen is HYBRID:
        layers = tuple(hybrid.KINDS[layer.kind](layer) for layer in behind.layers)
    elif given:
        layers = _integer_layers(_as_integers(behind), batches, chosen, tell)
    else:
        raise ModelError(f"precision '{precision}' needs calibration: typical input sequences")
    return QuantizedNetwork(
        (*_table(network, layers), *layers),
        steps=max((b.shape[1] for b in batches), default=None),
        dropped_softmax=chosen.is_integer and _ends_in_softmax(network),
        assumed=(*network.assumed, *_left_off(network, chosen)),
        input_mean=network.input_mean,
        input_std=network.input_std,
        mask_value=network.mask_value,
    )


def _table(network: Network, layers: tuple[QuantizedLayer, ...]) -> tuple[Embedding, ...]:
    """The embedding in front, if any; before integers its rows are what these stand for."""
    first = network.layers[0]
    if not isinstance(first, Embedding):
        return ()
    into = computing(layers)[0].input
    if into is None:
        return (first,)
    stored = quantize_reals(first.weight, into.scale, into.zero_point, into.limits)
    return (dataclasses.replace(first, weight=into.reals(stored)),)


def _ends_in_softmax(network: Network) -> bool:
    """Of integers it is left off, as it does not change which output is largest."""
    if final_activation(network.layers) == "softmax":
        return True
    *_, before, last = (None, *network.layers)
    is_log = isinstance(last, Activation) and last.function in ("softmax", "log_softmax")
    return is_log and isinstance(before, Dense) and before.activation is None


def _left_off(network: Network, precision: Precision) -> tuple[str, ...]:
    """What to say of a last function that integers lack."""
    last = network.layers[-1]
    if not precision.is_integer or not isinstance(last, Activation) or not _is_left_off(last):
        return ()
    return (f"its final {last.function} is left off at integers",)


def _is_left_off(layer: Any) -> bool:
    return isinstance(layer, Activation) and layer.function in LEFT_OFF


def _as_integers(network: Network) -> Network:
    """Without a last function that integers lack, and with activations where dense layers do."""
    layers = network.layers[:-1] if _is_left_off(network.layers[-1]) else network.layers
    return dataclasses.replace(network, layers=folded(layers))


def _check_forms(network: Network, precision: Precision) -> None:
    """`ModelError` unless each layer, and each of its parts, has a form in these integers."""
    if precision.weight_type == "float32":
        raise ModelError(
            f"precision '{precision.name}' is not quantized; "
            "a network as it was read is written and run in float32"
        )
    known = FORMS[precision.form].KINDS if precision.form else hybrid.KINDS
    behind = network.behind
    layers = (_as_integers(behind) if precision.is_integer else behind).layers
    for layer in layers:
        if layer.kind not in known:
            works = [
                p for p in ("float32", "hybrid") if p == "float32" or layer.kind in hybrid.KINDS
            ]
            raise ModelError(
                f"layer '{layer.name}': a layer of the kind '{layer.kind}' has no form in "
                f"{precision.name} yet; what works for it: {', '.join(works)}"
            )
        for part in layer.parts:
            if told := refusal(part, precision):
                raise ModelError(f"layer '{part.name}': {told}")
    softmax = [d for d in network.layers[:-1] if isinstance(d, Dense) and d.activation == "softmax"]
    if softmax and precision.is_integer:
        raise ModelError(
            f"layer '{softmax[0].name}': no softmax of integers between layers is the same in all "
            "runtimes; use precision hybrid or float32"
        )


# ---- integers


def _integer_layers(
    network: Network,
    batches: list[NDArray[np.float32]],
    precision: Precision,
    tell: Tell | None,
) -> tuple[QuantizedLayer, ...]:
    """Each layer's input scale is the output scale of the layer before."""
    form = FORMS[precision.form]
    named = ((p.name, limits(plan_of(p, precision))) for p in computing(network.layers))
    ends = {(name, value): limit for name, held in named for value, limit in held.items()}
    ranges = _cut(network, observe(network, batches, ends, tell))
    into = form.input_scale(precision, batches)
    layers: list[QuantizedLayer] = []
    for k, layer in enumerate(network.layers):
        is_final = all(map(reads_narrow, network.layers[k + 1 :]))
        layers.append(form.KINDS[layer.kind](layer, into, ranges, precision, is_final))
        into = computing(layers)[-1].output if computing(layers) else into
    return tuple(layers)


def _cut(network: Network, ranges: Ranges) -> Ranges:
    """What a clip cuts off behind a dense layer needs no range in it."""
    cut = dict(ranges)
    for before, layer in zip(network.layers, network.layers[1:], strict=False):
        is_cut = isinstance(layer, Activation) and layer.function in CUTS
        if is_cut and isinstance(before, Dense) and before.activation is None:
            cut[before.name, "linear"] = ranges[layer.name, "activated"]
    return cut
