"""What quantizing costs on data: signal to noise, accuracy, saturation."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.backends import compile_kernels
from edgelstm.formats import AnyNetwork
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.text import counted
from edgelstm.verification.fidelity import (
    GateSaturation,
    accuracy,
    kernels,
    measure_fidelity,
    saturation,
)
from edgelstm.verification.spread import InputSpread, clipped_spread, input_spread

Tell = Callable[[str], None]

SNR_STEPS = 5_000  # enough to tell, and few enough to wait for


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """Input for calibration, and for measuring accuracy where labels exist.

    Attributes:
        source: `file`, `bundled`, `random` or `none`.
        calibration: Arrays (n, steps, input_size).
        tested: What accuracy and SNR are measured on.
        labels: A class for each sequence of `tested`, or None.
    """

    source: str
    calibration: tuple[NDArray[np.float32], ...] = ()
    tested: tuple[NDArray[np.float32], ...] = ()
    labels: NDArray[Any] | None = None

    @property
    def steps(self) -> int | None:
        """Of the longest calibration sequence."""
        return max((x.shape[1] for x in self.calibration), default=None)


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """What quantizing cost, where it was measured.

    Attributes:
        calibration: `file`, `bundled`, `random` or `none`.
        snr_db: Of the result against float; None if both are equal.
        float_share, quantized_share: Of sequences whose class is right, from 0 to 1.
        metric: What the shares are those of.
        layer_snr_db: Behind each layer.
        saturation: Gates whose sums left their range during calibration.
        input_spread: Of the calibration's values.
    """

    calibration: str
    snr_db: float | None = None
    float_share: float | None = None
    quantized_share: float | None = None
    metric: str | None = None
    layer_snr_db: dict[str, float | None] = dataclasses.field(default_factory=dict)
    saturation: tuple[GateSaturation, ...] = ()
    input_spread: InputSpread | None = None

    def to_dict(self) -> dict[str, Any]:
        """The object `accuracy`."""
        return {
            "snr_db": self.snr_db,
            "float": self.float_share,
            "quantized": self.quantized_share,
            "metric": self.metric,
            "calibration": self.calibration,
            "layer_snr_db": self.layer_snr_db,
            "saturation": [dataclasses.asdict(gate) for gate in self.saturation],
            "input_spread": self.input_spread and self.input_spread.to_dict(),
        }


def measure(original: Network | None, network: AnyNetwork, data: Data, tell: Tell) -> Accuracy:
    """SNR against float, and accuracy where labels exist."""
    quantized = network if isinstance(network, QuantizedNetwork) else None
    beginning = _beginning(original, network, data)
    inputs = beginning + ([] if data.labels is None else list(data.tested))
    for run in (original, quantized):
        if run:
            compile_kernels(kernels(run, inputs), tell)
    tell("measuring accuracy")
    measured = Accuracy(data.source)
    if original and quantized and beginning:
        found = measure_fidelity(original, quantized, beginning[0])
        measured = Accuracy(
            data.source,
            snr_db=found.snr_db,
            layer_snr_db=found.layer_snr_db,
            saturation=found.saturation,
        )
    elif quantized:
        measured = dataclasses.replace(measured, saturation=saturation(quantized))
    return measured if data.labels is None else _labelled(measured, (original, quantized), data)


def with_spread(
    measured: Accuracy, original: Network | None, network: AnyNetwork, data: Data, tell: Tell
) -> Accuracy:
    """Also how far the calibration's values reach, and what the far ones cost."""
    if not data.calibration:
        return measured
    beginning = _beginning(original, network, data)
    if original and beginning and isinstance(network, QuantizedNetwork):
        tell("measuring without far values")
        spread = clipped_spread(original, network, data.calibration, beginning[0])
    else:
        spread = input_spread(data.calibration)
    return dataclasses.replace(measured, input_spread=spread)


def _beginning(
    original: Network | None, network: AnyNetwork, data: Data
) -> list[NDArray[np.float32]]:
    """What SNR is measured on: of the first batch, where there is something to compare."""
    comparable = original and isinstance(network, QuantizedNetwork)
    return [x[:, :SNR_STEPS] for x in data.tested[:1]] if comparable else []


def _labelled(
    measured: Accuracy, networks: tuple[Network | None, QuantizedNetwork | None], data: Data
) -> Accuracy:
    """With the shares of sequences whose class is right."""
    labels, (original, quantized) = data.labels, networks
    assert labels is not None
    return dataclasses.replace(
        measured,
        metric=f"share of {counted(len(labels), 'sequence')} whose class is right",
        float_share=accuracy(original, data.tested, labels) if original else None,
        quantized_share=accuracy(quantized, data.tested, labels) if quantized else None,
    )


def left_out(measured: Accuracy, data: Data) -> list[str]:
    """What was not measured, and why."""
    steps = data.tested[0].shape[1] if data.tested else 0
    if measured.snr_db is None or steps <= SNR_STEPS:
        return []
    return [f"signal to noise is that of the first {SNR_STEPS:,} of {steps:,} steps"]
