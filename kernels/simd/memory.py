"""Loads and stores of vectors. Addresses are integers, so that loops carry no array structs.

`base` is an address, `offset` counts elements from there; what lies there needs no alignment beyond
its elements'.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

from edgelstm.kernels.simd.vectors import (
    ELEMENT_BYTES,
    F32,
    I8,
    I32,
    VOID,
    call,
    const64,
    f32v,
    first_lanes,
    i8v,
    i32v,
    octets,
    words,
)

PARAMETERS = types.CPointer(types.int64)


@intrinsic
def bytes_at(typingctx, base):
    """An address as a pointer to uint8."""
    return types.CPointer(types.uint8)(
        types.intp
    ), lambda context, builder, sig, args: builder.inttoptr(args[0], I8.as_pointer())


def pointer(builder, base, offset, vec):
    """Address and offset in elements -> pointer to one vector."""
    start = builder.inttoptr(base, I8.as_pointer())
    at = builder.gep(start, [builder.mul(offset, const64(ELEMENT_BYTES[vec.element]))])
    return builder.bitcast(at, vec.llvm.as_pointer())


def load_at(builder, base, offset_bytes, vector_type, align):
    """One vector at a constant distance from a pointer to bytes."""
    at = builder.bitcast(builder.gep(base, [const64(offset_bytes)]), vector_type.as_pointer())
    value = builder.load(at)
    value.align = align
    return value


def prefetch(builder, base, offset_bytes):
    """Asks for a cache line ahead of its use."""
    at = builder.gep(base, [const64(offset_bytes)])
    call(builder, "llvm.prefetch.p0", VOID, [at, *(ir.Constant(I32, v) for v in (0, 3, 1))])


def _load(vec):
    @intrinsic
    def load(typingctx, base, offset):
        """One vector from memory."""

        def codegen(context, builder, sig, args):
            value = builder.load(pointer(builder, *args, vec))
            value.align = ELEMENT_BYTES[vec.element]
            return value

        return vec(types.intp, types.intp), codegen

    return load


def _store(vec):
    @intrinsic
    def store(typingctx, base, offset, value):
        """One vector to memory."""

        def codegen(context, builder, sig, args):
            made = builder.store(args[2], pointer(builder, *args[:2], vec))
            made.align = ELEMENT_BYTES[vec.element]
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, vec), codegen

    return store


load_f32, load_i8, load_words, load_octets = (_load(v) for v in (f32v, i8v, words, octets))
store_f32, store_i8, store_words, store_octets = (_store(v) for v in (f32v, i8v, words, octets))


def _store_first(vec):
    @intrinsic
    def store_first(typingctx, base, offset, value, count):
        """Stores the first `count` lanes only: rows of the caller are not padded."""

        def codegen(context, builder, sig, args):
            mask = first_lanes(builder, args[3], vec.lanes)
            align = ir.Constant(I32, ELEMENT_BYTES[vec.element])
            at = pointer(builder, *args[:2], vec)
            name = f"llvm.masked.store.v{vec.lanes}{vec.element}.p0"
            call(builder, name, VOID, [args[2], at, align, mask])
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, vec, types.intp), codegen

    return store_first


store_first_f32, store_first_i8, store_first_octets = (_store_first(v) for v in (f32v, i8v, octets))


def _load_first(vec):
    @intrinsic
    def load_first(typingctx, base, offset, count):
        """One vector: the first `count` lanes from memory, 0 in the others."""

        def codegen(context, builder, sig, args):
            mask = first_lanes(builder, args[2], vec.lanes)
            align = ir.Constant(I32, ELEMENT_BYTES[vec.element])
            zero = ir.Constant(vec.llvm, None)
            name = f"llvm.masked.load.v{vec.lanes}{vec.element}.p0"
            at = pointer(builder, *args[:2], vec)
            return call(builder, name, vec.llvm, [at, align, mask, zero])

        return vec(types.intp, types.intp, types.intp), codegen

    return load_first


load_first_f32, load_first_i8 = _load_first(f32v), _load_first(i8v)


def _load_rows(vec):
    @intrinsic
    def load_rows(typingctx, base, offset, stride, count, rows):
        """A tuple of `rows` rows of `count` vectors (both literal), `stride` elements apart."""
        for name, value in (("count", count), ("rows", rows)):
            if not isinstance(value, types.Literal):
                raise RequireLiteralValue(name)
        n, n_rows = count.literal_value, rows.literal_value

        def codegen(context, builder, sig, args):
            align, out = ELEMENT_BYTES[vec.element], []
            for m in range(n_rows):
                offset_ = builder.add(args[1], builder.mul(args[2], const64(m)))
                start = builder.bitcast(pointer(builder, args[0], offset_, vec), I8.as_pointer())
                out += [load_at(builder, start, k * vec.bytes, vec.llvm, align) for k in range(n)]
            return cgutils.pack_array(builder, out)

        result = types.UniTuple(vec, n * n_rows)
        return result(types.intp, types.intp, types.intp, count, rows), codegen

    return load_rows


load_rows_f32, load_rows_i32, load_rows_words = (_load_rows(v) for v in (f32v, i32v, words))


@intrinsic
def store_rows(typingctx, base, offset, values, stride, rows):
    """A tuple of vectors as `rows` (literal) rows that begin `stride` elements apart."""
    if not isinstance(rows, types.Literal):
        raise RequireLiteralValue("rows")
    vec, per_row = values.dtype, values.count // rows.literal_value

    def codegen(context, builder, sig, args):
        base_, offset_, values_, stride_ = args[:4]
        for k in range(values.count):
            element = const64(k % per_row * vec.lanes)
            row = builder.mul(stride_, const64(k // per_row))
            at = pointer(builder, base_, builder.add(builder.add(offset_, row), element), vec)
            made = builder.store(builder.extract_value(values_, k), at)
            made.align = ELEMENT_BYTES[vec.element]
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, values, types.intp, rows), codegen


# ---- scalars


@intrinsic
def load_scalar(typingctx, base, offset):
    """One float32 from memory."""

    def codegen(context, builder, sig, args):
        start = builder.inttoptr(args[0], F32.as_pointer())
        return builder.load(builder.gep(start, [args[1]]))

    return types.float32(types.intp, types.intp), codegen


@intrinsic
def store_scalar(typingctx, base, offset, value):
    """One float32 to memory."""

    def codegen(context, builder, sig, args):
        start = builder.inttoptr(args[0], F32.as_pointer())
        builder.store(args[2], builder.gep(start, [args[1]]))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float32), codegen


@intrinsic
def store_integer(typingctx, base, offset, value):
    """One int32 to memory."""

    def codegen(context, builder, sig, args):
        start = builder.inttoptr(args[0], I32.as_pointer())
        at = builder.gep(start, [args[1]])
        builder.store(context.cast(builder, args[2], sig.args[2], types.int32), at)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, value), codegen


@intrinsic
def scalar_of_bits(typingctx, bits):
    """The float32 of an int32's bits."""
    return types.float32(types.int32), lambda context, builder, sig, args: builder.bitcast(
        args[0], F32
    )
