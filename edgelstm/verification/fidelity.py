"""Fidelity: how far a quantized network is from its float original, on data."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.execution.backends import open_engine
from edgelstm.execution.session import run
from edgelstm.layers.dense import Dense, final_activation
from edgelstm.layers.directions import parts
from edgelstm.layers.read_steps import READ, ReadSteps, Repeat
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.front import entered
from edgelstm.model.network import Network
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.reading import INTEGERS
from edgelstm.quantization.saturation import gate_sums
from edgelstm.text import counted

Array = NDArray[Any]
# What the reference does in a few seconds, less than it takes to compile kernels: its time grows
# with values of states, and each step of a layer costs as much as STEP_VALUES of them.
SOON_VALUES, STEP_VALUES = 2**22, 256


@dataclasses.dataclass(frozen=True)
class GateSaturation:
    """Share of a gate's sums, and of its recurrent parts, that left the integers' range.

    Attributes:
        layer, gate: Whose sums.
        sums_cut, recurrent_cut: Shares.
        sums_limit, recurrent_limit: The magnitudes that the integers hold.
    """

    layer: str
    gate: str
    sums_cut: float
    recurrent_cut: float
    sums_limit: float
    recurrent_limit: float


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """Float against quantized.

    Attributes:
        snr_db: Signal-to-noise ratio of the result; None if both are equal.
        layer_snr_db: The same after each layer, in order.
        saturation: Gates whose sums left their range during calibration, worst first.
    """

    snr_db: float | None
    layer_snr_db: dict[str, float | None]
    saturation: tuple[GateSaturation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as JSON takes them."""
        return dataclasses.asdict(self)


def measure_fidelity(
    network: Network, qnetwork: QuantizedNetwork, x: NDArray[np.float32]
) -> Fidelity:
    """Runs both networks on x, layer by layer.

    Args:
        network: The float original.
        qnetwork: What `quantize` made of it.
        x: (batch, steps, input_size).
    """
    network, x = network.behind, entered(network, x)
    qnetwork = qnetwork.behind
    expected, got, engine = x, x, soonest(network, x)
    if qnetwork.input is not None:
        got = _integers(x, qnetwork)
    by_layer: dict[str, float | None] = {}
    # a function that integers leave off stands at the end alone
    for layer, qlayer in zip(network.layers, qnetwork.layers, strict=False):
        if qnetwork.dropped_softmax and layer is network.layers[-1]:
            layer = _without_activation(layer)
        if isinstance(layer, ReadSteps):
            known = READ if qnetwork.input is None else INTEGERS
            expected, got = layer.read(expected)[:, None], layer.read(got, known)[:, None]
        elif isinstance(layer, Repeat | ReverseSteps):
            expected, got = layer.read(expected), layer.read(got)
        else:
            expected = run(Network((layer,)), expected, engine=engine)
            got = run(dataclasses.replace(qnetwork, layers=(qlayer,)), got, engine=engine)
            name, part = layer.name, qlayer.parts[0]
        real = got if qnetwork.input is None else part.output.reals(got)
        by_layer[name] = snr_db(expected, real)
    return Fidelity(by_layer[name], by_layer, saturation(qnetwork))


def soonest(network: Network | QuantizedNetwork, x: Array) -> str | None:
    """The engine for measuring on x: `reference` where it is done before kernels are compiled.

    It depends on the sizes alone, and so does no figure on which kernels are compiled already.
    """
    recurrent = parts(layer for layer in network.layers if isinstance(layer, Recurrent))
    values = sum(x.shape[1] * (STEP_VALUES + len(x) * part.hidden_size) for part in recurrent)
    return "reference" if values < SOON_VALUES else None


def kernels(network: Network | QuantizedNetwork, inputs: Sequence[Array]) -> list[Any]:
    """Every `kernels.cache.Kernel` that measuring on inputs takes."""
    return [
        kernel
        for x in inputs
        for kernel in open_engine(soonest(network, x), network, len(x)).kernels()
    ]


def _integers(x: NDArray[np.float32], qnetwork: QuantizedNetwork) -> Array:
    scale = qnetwork.input
    assert scale is not None
    return quantize_reals(x, scale.scale, scale.zero_point, scale.limits).astype(scale.type)


def _without_activation(layer: Any) -> Any:
    assert isinstance(layer, Dense)
    return dataclasses.replace(layer, activation=None)


def snr_db(expected: Array, got: Array) -> float | None:
    """10 log10 of signal power over noise power; None if there is no noise, -999 if no signal."""
    signal = float((np.asarray(expected, np.float64) ** 2).sum())
    noise = float(((np.asarray(expected, np.float64) - got) ** 2).sum())
    if noise == 0:
        return None
    return 10 * math.log10(signal / noise) if signal else -999.0


def saturation(qnetwork: QuantizedNetwork) -> tuple[GateSaturation, ...]:
    """Gates that left their range during calibration, worst first."""
    found = []
    for layer in parts(qnetwork.layers):
        if not isinstance(layer, QuantizedDirection):
            continue
        sums = gate_sums(layer.plan)
        for gate, s in layer.saturation.items():
            limits = (2.0**15 * layer.scales[value].scale for value in sums[gate])
            if s.sums_cut or s.recurrent_cut:
                shares = s.sums_cut / s.values, s.recurrent_cut / s.values
                found.append(GateSaturation(layer.name, gate, *shares, *limits))
    return tuple(sorted(found, key=lambda s: -max(s.recurrent_cut, s.sums_cut)))


def accuracy(
    network: Network | QuantizedNetwork, inputs: Sequence[NDArray[np.float32]], labels: Array
) -> float:
    """Share of sequences whose class is right: the largest result, of the last step.

    Args:
        network: Float or quantized; with one output, class 1 means a result above the middle (0.5
            behind a sigmoid, else 0).
        inputs: Batches (n, steps, input_size).
        labels: (n,) integers, one for each sequence of all batches in order.

    Raises:
        ModelError: Labels that are not one class per sequence.
    """
    check_labels(network, inputs, labels)
    predicted = np.concatenate(
        [_classes(network, run(network, x, engine=soonest(network, x))) for x in inputs]
    )
    return float((predicted == labels).mean())


def check_labels(
    network: Network | QuantizedNetwork, inputs: Sequence[NDArray[np.float32]], labels: Array
) -> None:
    """`ModelError` unless labels are one class of the network for each sequence."""
    n = sum(len(x) for x in inputs)
    if labels.shape != (n,) or labels.dtype.kind not in "iub" or not n:
        raise ModelError(
            f"labels are {labels.dtype} of shape {labels.shape}; "
            f"one integer class for each of {counted(n, 'sequence')} is needed"
        )
    classes = max(network.output_size, 2)
    if labels.min() < 0 or labels.max() >= classes:
        raise ModelError(
            f"labels reach from {labels.min()} to {labels.max()}; "
            f"a network with {counted(network.output_size, 'output')} has classes 0 to "
            f"{classes - 1}"
        )


def _classes(network: Network | QuantizedNetwork, y: Array) -> Array:
    y = y if network.last_step else y[:, -1]
    if network.output_size > 1:
        return np.asarray(y.argmax(1))
    squashed = final_activation(network.layers) == "sigmoid"
    return np.asarray(y[:, 0] > (0.5 if squashed else 0), np.int64)
