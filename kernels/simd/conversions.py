"""Between float32 and int8 vectors by a scale, in float64 on the way."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from edgelstm.kernels.simd.target import LANES
from edgelstm.kernels.simd.vectors import call, constant, f32v, i8v, i32v, splat, unary

F64 = ir.DoubleType()
MASK = ir.IntType(LANES)
DOUBLES = ir.VectorType(F64, LANES)


def _scale_and_zero(context, builder, sig, args):
    kinds = zip(args[1:], sig.args[1:], strict=True)
    return [splat(builder, context.cast(builder, v, t, types.float64), LANES) for v, t in kinds]


i8_to_f32 = unary(i8v, lambda b, x: b.sitofp(b.sext(x, i32v.llvm), f32v.llvm), f32v)


@intrinsic
def within(typingctx, v, limit):
    """Whether every lane of a float32 vector is a number within +-limit."""

    def codegen(context, builder, sig, args):
        size = call(builder, f"llvm.fabs.v{LANES}f32", f32v.llvm, [args[0]])
        bound = splat(builder, context.cast(builder, args[1], sig.args[1], types.float32), LANES)
        beyond = builder.fcmp_unordered(">", size, bound)
        return builder.icmp_unsigned("==", builder.bitcast(beyond, MASK), ir.Constant(MASK, 0))

    return types.boolean(f32v, limit), codegen


@intrinsic
def integers_of(typingctx, v, scale, zero):
    """clip(round_half_even(v / scale) + zero) of a finite float32 vector, as int8."""

    def codegen(context, builder, sig, args):
        scale_, zero_ = _scale_and_zero(context, builder, sig, args)
        steps = builder.fdiv(builder.fpext(args[0], DOUBLES), scale_)
        steps = builder.fadd(call(builder, f"llvm.rint.v{LANES}f64", DOUBLES, [steps]), zero_)
        for test, limit in (("<", -128.0), (">", 127.0)):
            bound = constant(DOUBLES, limit)
            beyond = builder.fcmp_ordered(test, steps, bound)
            steps = builder.select(beyond, bound, steps)
        return builder.trunc(builder.fptosi(steps, i32v.llvm), i8v.llvm)

    return i8v(f32v, scale, zero), codegen


@intrinsic
def reals_of(typingctx, v, scale, zero):
    """scale * (v - zero) of an int8 vector, as float32."""

    def codegen(context, builder, sig, args):
        scale_, zero_ = _scale_and_zero(context, builder, sig, args)
        wide = builder.sitofp(builder.sext(args[0], i32v.llvm), DOUBLES)
        return builder.fptrunc(builder.fmul(builder.fsub(wide, zero_), scale_), f32v.llvm)

    return f32v(i8v, scale, zero), codegen
