"""From a network to a .tflite file: fused operators where every cell has one, else step graphs."""

from typing import Any

from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents
from edgelstm.formats.tflite import fused
from edgelstm.formats.tflite.fused import fused_model
from edgelstm.formats.tflite.guards import check_target, refusals
from edgelstm.formats.tflite.loop import composed_model
from edgelstm.formats.tflite.pack import pack
from edgelstm.layers.activation import LEFT_OFF, Activation
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forms import is_plain
from edgelstm.model.network import Network
from edgelstm.model.precision import COMPOSED, FUSED, Precision
from edgelstm.quantization.quantized import QuantizedNetwork

__all__ = ["KINDS", "encode", "layer_refusal"]

KINDS = (*fused.KINDS, "layer_norm", "embedding")


def layer_refusal(layer: Any, precision: Precision) -> str | None:
    """Why .tflite has no form for a layer at a precision; None if it has one."""
    is_integer = layer.kind == Activation.kind and layer.function not in LEFT_OFF
    is_fused = (_is_fused(layer) or is_integer) and "mean" not in reads_of(layer)
    is_fused &= layer.kind != Embedding.kind or precision.name == "int8"  # none gathers int16
    if precision.form == FUSED and not is_fused:
        what = layer.kind
        if isinstance(layer, ReadSteps):
            what = f"the {' and the '.join(layer.reads)} of the steps"
        return (
            f".tflite has no form for {what} behind fused {precision.name} LSTMs; what works for "
            f"it: integers of the other form, quantize(..., '{precision.name}', form='composed')"
        )
    return None


def reads_of(layer: Any) -> tuple[str, ...]:
    """What a layer reads of the steps."""
    return tuple(getattr(layer, "reads", ()))


def _is_fused(layer: Any) -> bool:
    """Whether operators in a row, as those of others are, hold a layer.

    All steps of one are read back as that step.
    """
    if isinstance(layer, ReadSteps):
        return layer.reads in fused.READS and layer.steps != 1
    if layer.kind == Embedding.kind:
        return True
    return layer.kind in fused.KINDS and (layer.kind != Activation.kind or layer.input is not None)


def encode(
    network: Network | QuantizedNetwork, *, steps: int, streaming: bool | str, target: str | None
) -> Contents:
    """The .tflite file of a network.

    Args:
        network: Float32, hybrid or integers.
        steps: Time steps per call: the input is (1, steps, input_size).
        streaming: The caller feeds one step per call, and the state stays from call to call; "io":
            the caller feeds the states too, as `h0`, `c0`, ... and gets them as `h0_out`, ...
        target: `tflm`, `cmsis-nn`, `litert`, `tflite-runtime`, or None for no further refusals.

    Raises:
        ModelError: A file that the target, or any runtime, would load and compute wrongly.
    """
    form = network.form if isinstance(network, QuantizedNetwork) else None
    if form == FUSED and streaming == "io":
        raise ModelError(
            f"TensorFlow Lite's fused {network.precision} LSTM keeps its states inside, so they "
            "cannot be inputs and outputs; use streaming=True, or integers of the other form: "
            f"quantize(..., '{network.precision}', form='composed')"
        )
    keeps_max = bool(streaming) and any("max" in reads_of(layer) for layer in network.layers)
    if form == FUSED and keeps_max:
        raise ModelError(
            f"the max of the steps is no state of fused {network.precision} files; write whole "
            "sequences, or integers of the other form: "
            f"quantize(..., '{network.precision}', form='composed')"
        )
    composed = form == COMPOSED or keeps_max or (form is None and _needs_steps(network, streaming))
    check_target(target, network.precision, streaming=bool(streaming), composed=composed)
    if not composed:
        return {"": pack(fused_model(network, steps))}
    model = composed_model(network, steps, streaming)
    if target is not None and (told := refusals(model).get(target)):
        raise ModelError(f"target '{target}' {told}")
    return {"": pack(model)}


def _needs_steps(network: Network | QuantizedNetwork, streaming: bool | str) -> bool:
    """Whether real values need step graphs: for other cells and layers, and states as inputs."""
    if network.input_mean is not None or not all(map(_is_fused, network.layers)):
        return True
    recurrent = [layer for layer in network.layers if isinstance(layer, Recurrent)]
    plain = all(is_plain(direction) for layer in recurrent for direction in layer.directions)
    return bool(recurrent) and (not plain or streaming == "io")
