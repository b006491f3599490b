"""The vector type, its operators, and shorthands for building LLVM code."""

import operator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

from edgelstm.kernels.simd.options import INSIDE
from edgelstm.kernels.simd.target import LANES, PAIR

I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))
F32, VOID = ir.FloatType(), ir.VoidType()
ELEMENT = {"f32": F32, "i32": I32, "i16": I16, "i8": I8}
ELEMENT_BYTES = {"f32": 4, "i32": 4, "i16": 2, "i8": 1}
# Bits of a float32: all but its sign; not finite from INFINITE on.
MAGNITUDE, INFINITE = 0x7FFFFFFF, 0x7F800000


class Vec(types.Type):
    """A numba type whose value is one LLVM vector."""

    def __init__(self, element, lanes):
        self.element, self.lanes = element, lanes
        super().__init__(name=f"Vec<{lanes}x{element}>")

    @property
    def llvm(self):
        """The LLVM type."""
        return ir.VectorType(ELEMENT[self.element], self.lanes)

    @property
    def bytes(self):
        """Size in memory."""
        return self.lanes * ELEMENT_BYTES[self.element]


@register_model(Vec)
class VecModel(models.PrimitiveModel):
    """Lives in a stack slot that LLVM promotes to a register."""

    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, fe_type.llvm)


f32v, i32v, i8v = Vec("f32", LANES), Vec("i32", LANES), Vec("i8", LANES)
words, octets = Vec("i16", PAIR), Vec("i8", PAIR)  # two i32 vectors, narrowed


# ---- building LLVM code


def const64(value):
    """An int64 constant."""
    return ir.Constant(I64, value)


def constant(vector_type, value):
    """The same value in every lane of an LLVM vector type."""
    return ir.Constant(vector_type, [value] * vector_type.count)


def shuffle(builder, a, b, lanes):
    """Lanes picked from a followed by b."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))


def splat(builder, value, lanes):
    """A scalar in every lane."""
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(I32, 0))
    return shuffle(builder, first, undefined, [0] * lanes)


def call(builder, name, result, args):
    """Calls an LLVM intrinsic."""
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def binary(argument, emit, result=None):
    """A function of two vectors of one type, for jitted code."""

    @intrinsic
    def op(typingctx, a, b):
        return (result or argument)(argument, argument), lambda c, builder, s, v: emit(builder, *v)

    return op


def unary(argument, emit, result=None):
    """A function of one vector, for jitted code."""

    @intrinsic
    def op(typingctx, a):
        return (result or argument)(argument), lambda c, builder, s, v: emit(builder, *v)

    return op


def _splatter(vec, scalar):
    @intrinsic
    def splat_scalar(typingctx, x):
        def codegen(context, builder, sig, args):
            return splat(builder, context.cast(builder, args[0], sig.args[0], scalar), vec.lanes)

        return vec(x), codegen

    return splat_scalar


splat_f32, splat_i32 = _splatter(f32v, types.float32), _splatter(i32v, types.int32)
splat_i8, splat_words = _splatter(i8v, types.int8), _splatter(words, types.int16)
SPLATS = {f32v: splat_f32, i32v: splat_i32, words: splat_words}


# ---- operators, also of a vector with a scalar


def _emitter(name):
    # Without "contract": which product of f * c + i * g LLVM takes into the sum depends on what
    # stands around it, and a batch has to give the bits of one sequence. `fmadd` says it itself.
    return lambda builder, x, y: getattr(builder, name)(x, y)


def _operator(op, float_name, int_name):
    names = {f32v: float_name, i32v: int_name, words: int_name}
    forms = {vec: binary(vec, _emitter(name)) for vec, name in names.items() if name}

    @overload(op, jit_options=INSIDE)
    def vector_operator(a, b):
        for vec, form in forms.items():
            to_vec = SPLATS[vec]
            if a == vec and b == vec:
                return lambda a, b: form(a, b)
            if a == vec and isinstance(b, types.Number):
                return lambda a, b: form(a, to_vec(b))
            if b == vec and isinstance(a, types.Number):
                return lambda a, b: form(to_vec(a), b)
        return None


for _op, _float_name, _int_name in (
    (operator.add, "fadd", "add"),
    (operator.sub, "fsub", "sub"),
    (operator.mul, "fmul", "mul"),
    (operator.truediv, "fdiv", None),
    (operator.rshift, None, "ashr"),
    (operator.lshift, None, "shl"),
    (operator.and_, None, "and_"),
    (operator.xor, None, "xor"),
    (operator.or_, None, "or_"),
):
    _operator(_op, _float_name, _int_name)


# ---- single functions

# A value that is not a number fails every comparison, so it comes through as the second operand.
above = binary(f32v, lambda b, low, x: b.select(b.fcmp_ordered(">", low, x), low, x))
below = binary(f32v, lambda b, high, x: b.select(b.fcmp_ordered("<", high, x), high, x))
min_i8 = binary(i8v, lambda b, x, y: b.select(b.icmp_signed("<", x, y), x, y))
max_i8 = binary(i8v, lambda b, x, y: b.select(b.icmp_signed(">", x, y), x, y))
max_i32 = binary(i32v, lambda b, x, y: b.select(b.icmp_signed(">", x, y), x, y))
round_f32 = unary(f32v, lambda b, x: call(b, f"llvm.rint.v{LANES}f32", x.type, [x]))
abs_i32 = unary(
    i32v, lambda b, x: call(b, f"llvm.abs.v{LANES}i32", x.type, [x, ir.Constant(I1, 0)])
)
f32_to_i32 = unary(f32v, lambda b, x: b.fptosi(x, i32v.llvm), i32v)
bits_as_f32 = unary(i32v, lambda b, x: b.bitcast(x, f32v.llvm), f32v)
bits_as_i32 = unary(f32v, lambda b, x: b.bitcast(x, i32v.llvm), i32v)
magnitude_below_zero = unary(  # -v of an int8 vector where it is negative, else 0, as int32
    i8v,
    lambda b, x: b.sub(
        constant(i32v.llvm, 0),
        call(
            b,
            f"llvm.smin.v{LANES}i32",
            i32v.llvm,
            [b.sext(x, i32v.llvm), constant(i32v.llvm, 0)],
        ),
    ),
    i32v,
)
i32_to_i8 = unary(i32v, lambda b, x: b.trunc(x, i8v.llvm), i8v)


def _saturated(builder, x):
    for name, limit in (("smax", -128), ("smin", 127)):
        x = call(builder, f"llvm.{name}.v{LANES}i32", x.type, [x, constant(x.type, limit)])
    return builder.trunc(x, i8v.llvm)


i32_to_i8_saturating = unary(i32v, _saturated, i8v)
largest_i32 = unary(
    i32v, lambda b, x: call(b, f"llvm.vector.reduce.smax.v{LANES}i32", I32, [x]), types.int32
)


def _total(builder, x):
    wide = ir.VectorType(I64, LANES)
    return call(builder, f"llvm.vector.reduce.add.v{LANES}i64", I64, [builder.sext(x, wide)])


total_i32 = unary(i32v, _total, types.int64)


def _reduction(combine):
    """From all lanes to one value, half by half: in the same order on every call."""

    def emit(builder, x):
        half = LANES // 2
        while half:
            other = shuffle(builder, x, x, [(k + half) % LANES for k in range(LANES)])
            x, half = combine(builder, x, other), half // 2
        return builder.extract_element(x, ir.Constant(I32, 0))

    return unary(f32v, emit, types.float32)


total_f32 = _reduction(lambda b, x, y: b.fadd(x, y))
largest_f32 = _reduction(lambda b, x, y: b.select(b.fcmp_ordered(">", x, y), x, y))


def first_lanes(builder, count, lanes):
    """Which of so many lanes are among the first `count`."""
    lane = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    return builder.icmp_signed("<", lane, splat(builder, count, lanes))


@intrinsic
def first_or(typingctx, v, count, other):
    """The first `count` lanes of a float32 vector, `other` in the rest."""

    def codegen(context, builder, sig, args):
        rest = splat(builder, context.cast(builder, args[2], sig.args[2], types.float32), LANES)
        return builder.select(first_lanes(builder, args[1], LANES), args[0], rest)

    return f32v(f32v, types.intp, other), codegen


def emit_fmadd(builder, a, b, c):
    """a * b + c. Not llvm.fma: without hardware for it that is one library call per lane."""
    return call(builder, f"llvm.fmuladd.v{a.type.count}f32", a.type, [a, b, c])


@intrinsic
def fmadd(typingctx, a, b, c):
    """a * b + c on float vectors."""
    return f32v(f32v, f32v, f32v), lambda context, builder, sig, args: emit_fmadd(builder, *args)
