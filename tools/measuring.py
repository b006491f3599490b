"""What `export` says of its result on data: signal to noise, accuracy, saturation."""

import dataclasses

from edgelstm.formats import AnyNetwork
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.text import counted
from edgelstm.tools import output
from edgelstm.tools.export_report import Accuracy
from edgelstm.tools.output import Tell
from edgelstm.tools.request import Data
from edgelstm.verification.fidelity import accuracy, kernels, measure_fidelity, saturation
from edgelstm.verification.spread import clipped_spread, input_spread

SNR_STEPS = 5_000  # enough to tell, and few enough to wait for


def measure(original: Network | None, network: AnyNetwork, data: Data, tell: Tell) -> Accuracy:
    """SNR against float, and accuracy where labels exist."""
    quantized = network if isinstance(network, QuantizedNetwork) else None
    beginning = [x[:, :SNR_STEPS] for x in data.tested[:1]] if original and quantized else []
    inputs = beginning + ([] if data.labels is None else list(data.tested))
    for run in (original, quantized):
        if run:
            output.compile_kernels(kernels(run, inputs), tell)
    tell("measuring accuracy")
    spread = input_spread(data.calibration) if data.calibration else None
    measured = Accuracy(data.source, input_spread=spread)
    if original and quantized and beginning:
        found = measure_fidelity(original, quantized, beginning[0])
        if data.calibration:
            tell("measuring without far values")
            spread = clipped_spread(original, quantized, data.calibration, beginning[0])
        measured = Accuracy(
            data.source,
            snr_db=found.snr_db,
            layer_snr_db=found.layer_snr_db,
            saturation=found.saturation,
            input_spread=spread,
        )
    elif quantized:
        measured = dataclasses.replace(measured, saturation=saturation(quantized))
    return measured if data.labels is None else _labelled(measured, (original, quantized), data)


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
