"""What `export` says of its result on data: signal to noise, accuracy, saturation."""

import dataclasses
from typing import Any

from edgelstm.formats import AnyNetwork
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.text import counted
from edgelstm.tools import output
from edgelstm.tools.output import Tell
from edgelstm.tools.request import Data
from edgelstm.verification.fidelity import accuracy, compare, kernels, saturation
from edgelstm.verification.spread import clipped_spread, input_spread

SNR_STEPS = 5_000  # enough to tell, and few enough to wait for


def measure(
    original: Network | None, network: AnyNetwork, data: Data, tell: Tell
) -> dict[str, Any]:
    """SNR against float, and accuracy where labels exist."""
    measured: dict[str, Any] = dict.fromkeys(("snr_db", "float", "quantized", "metric"))
    measured |= {"calibration": data.source, "layer_snr_db": {}, "saturation": []}
    measured["input_spread"] = (
        input_spread(data.calibration).to_dict() if data.calibration else None
    )
    quantized = network if isinstance(network, QuantizedNetwork) else None
    beginning = [x[:, :SNR_STEPS] for x in data.tested[:1]] if original and quantized else []
    inputs = beginning + ([] if data.labels is None else list(data.tested))
    for run in (original, quantized):
        if run:
            output.compile_kernels(kernels(run, inputs), tell)
    tell("measuring accuracy")
    if original and quantized and beginning:
        compared = compare(original, quantized, beginning[0])
        measured |= compared.to_dict()
        if data.calibration:
            tell("measuring without far values")
            spread = clipped_spread(original, quantized, data.calibration, beginning[0])
            measured["input_spread"] = spread.to_dict()
    elif quantized:
        measured["saturation"] = [dataclasses.asdict(s) for s in saturation(quantized)]
    if data.labels is not None:
        n = len(data.labels)
        measured["metric"] = f"share of {counted(n, 'sequence')} whose class is right"
        if original:
            measured["float"] = accuracy(original, data.tested, data.labels)
        if quantized:
            measured["quantized"] = accuracy(quantized, data.tested, data.labels)
    return measured


def left_out(measured: dict[str, Any], data: Data) -> list[str]:
    """What was not measured, and why."""
    steps = data.tested[0].shape[1] if data.tested else 0
    if measured["snr_db"] is None or steps <= SNR_STEPS:
        return []
    return [f"signal to noise is that of the first {SNR_STEPS:,} of {steps:,} steps"]
