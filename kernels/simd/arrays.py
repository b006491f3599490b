"""NumPy arrays as arguments that cost nothing: a kernel reads the array object's own fields.

numba wraps each array argument of a call, which takes as long as the step of a small layer. Here an
argument is the address of any object, which the caller holds while the kernel runs. Nothing is
known of it before `data_of` has looked: what is not an array as the kernel needs it has no address.

The fields are those of `PyArrayObject_fields` and the first of `PyArray_Descr` in NumPy's
ndarraytypes.h, which NumPy keeps as they are for compiled extensions; `layout_is_known` compares
them with what NumPy says of an array.
"""

import ctypes
import functools
import sys
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.core.datamodel import models
from numba.extending import NativeValue, intrinsic, register_model, unbox

from edgelstm.kernels.simd.memory import PARAMETERS
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.vectors import I8, I32, I64, const64

HEADER = object.__basicsize__
TYPE, DATA, N_AXES, SHAPE, DESCRIPTION, FLAGS = (HEADER + k for k in (-8, 0, 8, 16, 40, 48))
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
READABLE = CONTIGUOUS | ALIGNED
ORDER_OF_BYTES, TYPE_NUMBER = (HEADER + k for k in (10, 12))  # of a dtype
SWAPPED = ord(">" if sys.byteorder == "little" else "<")
jit = numba.njit(**INLINED)


class Ndarray(types.Type):
    """Any object, by its address."""

    def __init__(self):
        super().__init__(name="Ndarray")


ndarray = Ndarray()


@register_model(Ndarray)
class NdarrayModel(models.PrimitiveModel):
    """An address."""

    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, I64)


@unbox(Ndarray)
def _address_of(typ, obj, c):
    return NativeValue(c.builder.ptrtoint(obj, I64))


def _field(kind, result):
    @intrinsic
    def field(typingctx, base, offset):
        def codegen(context, builder, sig, args):
            start = builder.inttoptr(args[0], I8.as_pointer())
            at = builder.gep(start, [args[1]])
            return builder.load(builder.bitcast(at, kind.as_pointer()))

        return result(base, types.intp), codegen

    return field


_int64_at, _int32_at = _field(I64, types.int64), _field(I32, types.int32)
_int8_at = _field(I8, types.int8)


@jit
def _is_type(description, number):
    """Whether the dtype at an address has NumPy's number; several objects stand for one type."""
    if _int32_at(description, TYPE_NUMBER) != number:
        return False
    return _int8_at(description, ORDER_OF_BYTES) != SWAPPED


@jit
def data_of(array, kind, axes, number, flags):
    """Where the elements lie; 0 if this is not an array, or not as it should be.

    kind: address of the type numpy.ndarray; axes: how many; number: NumPy's of the elements' type;
    flags: those that it must have.
    """
    if _int64_at(array, TYPE) != kind:
        return 0
    if _int32_at(array, N_AXES) != axes:
        return 0
    if not _is_type(_int64_at(array, DESCRIPTION), number):
        return 0
    if _int32_at(array, FLAGS) & flags != flags:
        return 0
    return _int64_at(array, DATA)


@jit
def length_of(array, axis):
    """Length of an axis that the array has."""
    return _int64_at(_int64_at(array, SHAPE), 8 * axis)


@jit
def address(array):
    """Where the elements of an array lie that `data_of` was content with."""
    return _int64_at(array, DATA)


@intrinsic
def parameters(typingctx, array):
    """An int64 array as a pointer, which a struct may hold."""

    def codegen(context, builder, sig, args):
        start = builder.inttoptr(builder.add(args[0], const64(DATA)), I64.as_pointer())
        return builder.inttoptr(builder.load(start), I64.as_pointer())

    return PARAMETERS(array), codegen


@functools.cache
def layout_is_known() -> bool:
    """Whether array objects are laid out here as this file says."""
    array = np.zeros(3, np.float32)

    def read(offset: int, kind: Any, of: object = array) -> int:
        return int(kind.from_address(id(of) + offset).value)

    shape, swapped = read(SHAPE, ctypes.c_int64), array.dtype.newbyteorder()
    return (
        read(TYPE, ctypes.c_int64) == id(np.ndarray)
        and read(DATA, ctypes.c_int64) == array.ctypes.data
        and read(N_AXES, ctypes.c_int) == 1
        and ctypes.c_int64.from_address(shape).value == len(array)
        and read(DESCRIPTION, ctypes.c_int64) == id(array.dtype)
        and read(FLAGS, ctypes.c_int) == array.flags.num
        and read(TYPE_NUMBER, ctypes.c_int, array.dtype) == array.dtype.num
        and read(ORDER_OF_BYTES, ctypes.c_uint8, swapped) == SWAPPED
    )
