"""lower: from a quantized layer to one list of integer operations with their numbers.

Here alone a scale becomes a ratio, a zero point, a limit or a table. Whoever computes or writes a
layer's integers reads the list, and knows no role, no scale and no cell: the oracle, the program of
the generic kernel, the numbers of the fused one, ONNX's loop. Each form has a module of its own
that fills the list.
"""

from edgelstm.errors import ModelError
from edgelstm.model.precision import COMPOSED
from edgelstm.quantization.lower_composed import lower_composed
from edgelstm.quantization.lower_fused import lower_activation, lower_dense, lower_direction
from edgelstm.quantization.operations import Lowered
from edgelstm.quantization.quantized import QuantizedPart
from edgelstm.quantization.quantized_activation import QuantizedActivation
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.rounding import TFLM, Arithmetic


def lower(layer: QuantizedPart, arithmetic: Arithmetic = TFLM) -> Lowered:
    """The integer operations of a layer without states, or of one direction of a recurrent one.

    Args:
        layer: With scales: a hybrid layer computes in real numbers.
        arithmetic: The runtime whose bits are wanted; all have the same in the composed form.

    Raises:
        ModelError: The layer has no integer form.
    """
    if isinstance(layer, QuantizedDense) and layer.activation == "softmax":
        raise ModelError(
            f"layer '{layer.name}': runtimes differ on a softmax of integers; leave it off, "
            "the arg max stays the same"
        )
    if layer.form == COMPOSED:
        return lower_composed(layer)
    if isinstance(layer, QuantizedActivation):
        return lower_activation(layer)
    if isinstance(layer, QuantizedDense):
        return lower_dense(layer, arithmetic)
    return lower_direction(layer, arithmetic)
