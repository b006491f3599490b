"""NumPy arrays as arguments that cost nothing: a kernel reads the array object's own fields.

numba wraps each array argument of a call, which takes as long as the step of a small layer. Here an
argument is the address of any object, which the caller holds while the kernel runs. Nothing is
known of it before `data_of` has looked: what is not an array as the kernel needs it has no address.

The fields are those of `PyArrayObject_fields` in NumPy's ndarraytypes.h, which NumPy keeps as they
are for compiled extensions; `layout_is_known` compares them with what NumPy says of an array.
"""

import ctypes
import functools

import numba
import numpy as np
from numba.core import types
from numba.core.datamodel import models
from numba.extending import NativeValue, intrinsic, register_model, unbox

from edgelstm.kernels.simd.memory import PARAMETERS
from edgelstm.kernels.simd.vectors import I8, I32, I64, const64

HEADER = object.__basicsize__
TYPE, DATA, N_AXES, SHAPE, DESCRIPTION, FLAGS = (HEADER + k for k in (-8, 0, 8, 16, 40, 48))
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
READABLE = CONTIGUOUS | ALIGNED
jit = numba.njit(nogil=True, error_model="numpy", forceinline=True)


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


@jit
def data_of(array, kind, axes, description, flags):
    """Where the elements lie; 0 if this is not an array, or not as it should be.

    kind: address of the type numpy.ndarray; axes: how many; description: address of the dtype
    object; flags: those that it must have.
    """
    if _int64_at(array, TYPE) != kind:
        return 0
    if _int32_at(array, N_AXES) != axes or _int64_at(array, DESCRIPTION) != description:
        return 0
    if _int32_at(array, FLAGS) & flags != flags:
        return 0
    return _int64_at(array, DATA)


@jit
def length_of(array, axis):
    """Of an axis that the array has."""
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

    def read(offset: int, kind: type[ctypes.c_int64] | type[ctypes.c_int]) -> int:
        return int(kind.from_address(id(array) + offset).value)

    shape = read(SHAPE, ctypes.c_int64)
    return (
        read(TYPE, ctypes.c_int64) == id(np.ndarray)
        and read(DATA, ctypes.c_int64) == array.ctypes.data
        and read(N_AXES, ctypes.c_int) == 1
        and ctypes.c_int64.from_address(shape).value == len(array)
        and read(DESCRIPTION, ctypes.c_int64) == id(array.dtype)
        and read(FLAGS, ctypes.c_int) == array.flags.num
    )
