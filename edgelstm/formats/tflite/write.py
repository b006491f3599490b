"""From a network to a .tflite file: fused operators where every cell has one, else step graphs."""

from typing import Any

from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents
from edgelstm.formats.tflite.fused import KINDS, fused_model
from edgelstm.formats.tflite.guards import check_target, unsupported
from edgelstm.formats.tflite.loop import composed_model
from edgelstm.formats.tflite.pack import pack
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forms import is_plain
from edgelstm.model.front import check_enters_as_it_is
from edgelstm.model.network import Network
from edgelstm.model.precision import COMPOSED, FUSED
from edgelstm.quantization.quantized import QuantizedNetwork

__all__ = ["KINDS", "encode", "layer_refusal"]


def layer_refusal(layer: Any) -> str | None:
    """Why .tflite has no form for what is read of the steps; None if it has one."""
    if layer.kind != "read_steps" or layer.reads == ("last",):
        return None
    reads = " and the ".join(layer.reads)
    return f".tflite has no form for the {reads} of the steps yet; what works for it: .npz, .onnx"


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
    check_enters_as_it_is(network, ".tflite")
    form = network.form if isinstance(network, QuantizedNetwork) else None
    if form == FUSED and streaming == "io":
        raise ModelError(
            f"TensorFlow Lite's fused {network.precision} LSTM keeps its states inside, so they "
            "cannot be inputs and outputs; use streaming=True, or integers of the other form: "
            f"quantize(..., '{network.precision}', form='composed')"
        )
    composed = form == COMPOSED or (form is None and _needs_steps(network, streaming))
    check_target(target, network.precision, streaming=bool(streaming), composed=composed)
    if not composed:
        return {"": pack(fused_model(network, steps))}
    model = composed_model(network, steps, streaming)
    if target == "tflite-runtime" and (told := unsupported(model)):
        raise ModelError(f"target '{target}' {told}")
    return {"": pack(model)}


def _needs_steps(network: Network | QuantizedNetwork, streaming: bool | str) -> bool:
    """Whether real values need step graphs: for other cells, and for states as inputs."""
    recurrent = [layer for layer in network.layers if isinstance(layer, Recurrent)]
    plain = all(is_plain(direction) for layer in recurrent for direction in layer.directions)
    return bool(recurrent) and (not plain or streaming == "io")
