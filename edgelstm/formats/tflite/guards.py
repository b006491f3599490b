"""What runtimes accept and then compute wrongly: refused here, when a file is written or read."""

from edgelstm.errors import ModelError
from edgelstm.quantization.quantized import QuantizedDirection

SMALLEST_OUTPUT_SCALE = 2.0**-30  # below, o * tanh(c) would have to be shifted left, out of int32


def check_target(
    target: str | None, precision: str, *, streaming: bool, composed: bool = False
) -> None:
    """`ModelError` if a target would run a file of this precision wrongly, or not at all.

    `composed`: a file of step graphs.
    """
    if precision == "hybrid" and target in ("tflm", "cmsis-nn"):
        does = (
            "refuses hybrid products"
            if composed
            else ("loads a hybrid LSTM and returns NaN without an error")
        )
        raise ModelError(f"target '{target}' {does}; use precision int8 or float32")
    if precision == "int8" and target == "cmsis-nn" and streaming:
        raise ModelError(
            "target 'cmsis-nn' cannot run an int8 LSTM step by step: TensorFlow Lite Micro passes "
            "no state to CMSIS-NN, so every call starts from zero; write whole sequences, "
            "not streaming, use float32, or target 'tflm' with its reference kernels"
        )


def check_output(layer: QuantizedDirection) -> None:
    """`ModelError` if the output of an int8 layer is too small for 32 bits between."""
    if layer.output.scale < SMALLEST_OUTPUT_SCALE:
        raise ModelError(
            f"layer '{layer.name}': the output has scale {layer.output.scale:.3g}; "
            f"at least {SMALLEST_OUTPUT_SCALE:.3g} is needed"
        )
