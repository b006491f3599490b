"""Which form the integers of an export have: asked for, or chosen by where the file is to run."""

from edgelstm.devices.device import Device
from edgelstm.formats import AnyNetwork
from edgelstm.layers.directions import parts
from edgelstm.model.forms import is_fused, precision_for
from edgelstm.model.precision import COMPOSED, FUSED
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.tools.request import Request

LOSES_STATE = (
    "streaming in the form 'fused': a build of TensorFlow Lite Micro with CMSIS-NN loses the state "
    "at every call; build it with its reference kernels, or use --form composed"
)


def choose_form(
    network: AnyNetwork, precision: str, request: Request, device: Device
) -> tuple[str | None, str | None]:
    """The form and why it is that one; None, None where values are real.

    A fused LSTM that is called step by step loses its state in CMSIS-NN, with which most boards are
    built: there the form is `composed`, unless another is asked for.
    """
    every = parts(network.layers)
    if isinstance(network, QuantizedNetwork):
        return network.form, "the file is quantized in it" if network.form else None
    usual = precision_for(every, precision).form
    if usual is None:
        return precision_for(every, precision, request.form).form, None  # or its refusal
    if request.form:
        return precision_for(every, precision, request.form).form, "asked for with --form"
    if usual == FUSED and request.streaming == "io":
        return COMPOSED, "a fused LSTM keeps its state inside, not as inputs and outputs"
    is_micro = device.core.startswith("cortex-m") and request.target in (None, "tflm")
    if usual == FUSED and request.streaming and (is_micro or request.target == "cmsis-nn"):
        return COMPOSED, "CMSIS-NN builds lose the state of a fused LSTM between calls"
    if usual == FUSED:
        return FUSED, "every cell is a plain LSTM, which runtimes have as one operator"
    other = next((part for part in every if not is_fused(part)), None)
    if other is None:
        return COMPOSED, f"a fused {precision} LSTM runs in TensorFlow Lite Micro alone"
    if other.kind != "recurrent":
        return COMPOSED, f"a {other.function} of int8 differs from runtime to runtime"
    what = f"a {other.cell_name}" + " with a projection" * bool(other.projection_size)
    return COMPOSED, f"no runtime has {what} of integers as one operator"
