"""Words of memory that several threads read and write, and ways to wait for one.

`base` is the address of an int64, aligned to 8 bytes. What was written before a word is stored,
added to or exchanged is there for who finds it so by `load_acquire`, or by one of these.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from edgelstm.kernels.simd.target import NEON, TRIPLE
from edgelstm.kernels.simd.vectors import I32, I64, VOID, call

BOTH = "acq_rel"


def _word(builder, base):
    return builder.inttoptr(base, I64.as_pointer())


@intrinsic
def load_acquire(typingctx, base):
    """The word; nothing behind this is read or written before it."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(_word(builder, args[0]), ordering="acquire", align=8)

    return types.int64(types.int64), codegen


@intrinsic
def store_release(typingctx, base, value):
    """Stores the word; nothing before this is read or written behind it."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[1], _word(builder, args[0]), ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _changed(operation):
    @intrinsic
    def changed(typingctx, base, value):
        """Changes the word by a value at once; returns what it was."""

        def codegen(context, builder, sig, args):
            return builder.atomic_rmw(operation, _word(builder, args[0]), args[1], BOTH)

        return types.int64(types.int64, types.int64), codegen

    return changed


add, exchange = _changed("add"), _changed("xchg")


@intrinsic
def replace(typingctx, base, expected, new):
    """Whether the word was `expected`: then it is `new` now."""

    def codegen(context, builder, sig, args):
        found = builder.cmpxchg(_word(builder, args[0]), args[1], args[2], BOTH, "acquire")
        return builder.extract_value(found, 1)

    return types.boolean(types.int64, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx):
    """Lets a core do less for a moment, in a loop that waits for a word."""

    def codegen(context, builder, sig, args):
        if TRIPLE.startswith("x86_64"):
            call(builder, "llvm.x86.sse2.pause", VOID, [])
        elif NEON:  # YIELD does nothing on most of them; ISB takes as long as a pause should
            call(builder, "llvm.aarch64.isb", VOID, [ir.Constant(I32, 15)])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def call_plain(typingctx, function):
    """Calls a C function without arguments by its address."""

    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(I32, [])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
