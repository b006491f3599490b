"""What runtimes accept and then compute wrongly: refused here, when a file is written or read."""

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.model import Model
from edgelstm.quantization.quantized_direction import QuantizedDirection

MICRO = ("tflm", "cmsis-nn")
SMALLEST_OUTPUT_SCALE = 2.0**-30  # below, o * tanh(c) would have to be shifted left, out of int32


def check_target(
    target: str | None, precision: str, *, streaming: bool, composed: bool = False
) -> None:
    """`ModelError` if a target would run a file of this precision wrongly, or not at all.

    `composed`: a file of step graphs.
    """
    if precision == "hybrid" and target in MICRO:
        nan = "loads a hybrid LSTM and returns NaN without an error"
        does = "refuses products of real values and int8 weights" if composed else nan
        raise ModelError(f"target '{target}' {does}; use precision int8 or float32")
    if composed:
        return
    if precision in ("int8", "int16x8") and target == "cmsis-nn" and streaming:
        raise ModelError(
            f"target 'cmsis-nn' cannot run a fused {precision} LSTM step by step: TensorFlow Lite "
            "Micro passes no state to CMSIS-NN, so every call starts from zero; write whole "
            "sequences, not streaming, use float32, target 'tflm' with its reference kernels, or "
            f"integers of the other form: quantize(..., '{precision}', form='composed')"
        )
    if precision == "int16x8" and target not in (None, *MICRO):
        raise ModelError(
            f"target '{target}' refuses a fused int16x8 LSTM; quantize(..., 'int16x8', "
            "form='composed') gives one that it runs"
        )


def refusals(model: Model) -> dict[str, str]:
    """Runtime to why it refuses a file of step graphs."""
    told = _unsupported(model)
    return {} if told is None else {"tflite-runtime": told}


def _unsupported(model: Model) -> str | None:
    """Why tflite-runtime 2.14 refuses a file; None if it runs it."""
    for graph in model.graphs:
        for op in graph.operators:
            if op.name == "DYNAMIC_UPDATE_SLICE" and op.inputs[0] and op.inputs[0].type == "int16":
                return (
                    "has no DYNAMIC_UPDATE_SLICE of int16, which collects the output of each step; "
                    "read the last step alone, write streaming files, or use int8"
                )
    return None


def check_output(layer: QuantizedDirection) -> None:
    """`ModelError` if the output of an int8 layer is too small for 32 bits between."""
    if layer.output.scale < SMALLEST_OUTPUT_SCALE:
        raise ModelError(
            f"layer '{layer.name}': the output has scale {layer.output.scale:.3g}; "
            f"at least {SMALLEST_OUTPUT_SCALE:.3g} is needed"
        )
