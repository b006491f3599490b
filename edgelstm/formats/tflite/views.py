"""Operators that change no value but where it lies, or how it is stored at the ends of a file."""

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.model import Operator, Tensor
from edgelstm.formats.tflite.slices import integers, strided


def check_end(op: Operator, types: tuple[str, str], *, is_first: bool) -> None:
    """QUANTIZE from float32 in front of all layers, DEQUANTIZE to float32 behind them."""
    at_front = op.name == "QUANTIZE" and is_first and types == ("float32", "int8")
    at_end = op.name == "DEQUANTIZE" and not is_first and types == ("int8", "float32")
    if not at_front and not at_end:
        raise ModelError(
            f"it converts {types[0]} to {types[1]}; read are a QUANTIZE of the float32 input to "
            "int8 and a DEQUANTIZE of the int8 result to float32"
        )


def check_takes_last_step(op: Operator, shape: tuple[int, ...]) -> None:
    """Of each axis the last entry, of the last axis all."""
    *before, last = strided(op, shape)
    entries = [range(size)[-1:] for size in shape[:-1]]
    if before != entries or last != range(shape[-1]):
        raise ModelError("it takes another part than the last time step")


def check_order(op: Operator, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """A TRANSPOSE moves no value if only axes of length 1 change places."""
    if op.name != "TRANSPOSE":
        return
    axes = integers(op, 1)
    if sorted(axes) != list(range(len(before))) or tuple(before[k] for k in axes) != after:
        raise ModelError(f"it makes shape {after} of {before} by an unknown order of axes")
    long = [k for k in axes if before[k] != 1]
    if long != sorted(long):
        raise ModelError(f"it changes the order of values: {before} to {after}")


def check_same_scale(before: Tensor, after: Tensor) -> None:
    """`ModelError` unless both stand for the same real values."""
    kinds = [(t.type, t.scale, t.zero_point) for t in (before, after)]
    if kinds[0] != kinds[1]:
        raise ModelError("its result has another type, scale or zero point than its input")
