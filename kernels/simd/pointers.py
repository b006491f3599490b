"""Addresses as pointers: to elements of a type, and to a compiled stage, which is called there."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from edgelstm.kernels.simd.memory import PARAMETERS
from edgelstm.kernels.simd.vectors import I8, I64

# What every stage of a chain takes, see kernels/chain.py: parameters, addresses of x and of y,
# steps, and the bytes from a sequence's first row to the next sequence's in x and in y.
STAGE = types.void(PARAMETERS, *(types.int64,) * 5)


def _pointer_to(kind: Any) -> Any:
    @intrinsic
    def pointer(typingctx, base):
        """An address as a pointer to elements of a type."""

        def codegen(context, builder, sig, args):
            return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

        return types.CPointer(kind)(types.intp), codegen

    return pointer


i8_at, i16_at = map(_pointer_to, (types.int8, types.int16))
i32_at, i64_at = map(_pointer_to, (types.int32, types.int64))
f32_at, f64_at = map(_pointer_to, (types.float32, types.float64))


@intrinsic
def call_stage(typingctx, function, parameters, x, y, steps, x_apart, y_apart):
    """Calls a stage by the address that `cache.Kernel.address` gave."""

    def codegen(context, builder, sig, args):
        at, given, *rest = args
        kind = ir.FunctionType(I8.as_pointer(), [I64.as_pointer(), *[I64] * len(rest)])
        run = builder.inttoptr(at, kind.as_pointer())
        builder.call(run, [builder.inttoptr(given, I64.as_pointer()), *rest])
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 7), codegen
