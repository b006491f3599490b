"""Tuples of vectors: the sums of a group, gate after gate, for each half of it and each row."""

from numba.core import cgutils, types
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

from edgelstm.kernels.simd.memory import load_at, pointer
from edgelstm.kernels.simd.vectors import F32, I8, I32, const64, emit_fmadd, f32v, splat


@intrinsic
def join(typingctx, sums, base, offset, joined, rows):
    """Where the second sums begin: the first of a joined gate, else a bias from memory.

    joined: literal, a letter 1 or 0 per gate; rows: literal. sums: a tuple of vectors, gate after
    gate for each half of a group and each row. base, offset: address, and element, of a group's
    biases, [halves][gates][lanes] of the sums' type.
    """
    for name, value in (("joined", joined), ("rows", rows)):
        if not isinstance(value, types.Literal):
            raise RequireLiteralValue(name)
    flags, vec = joined.literal_value, sums.dtype
    vectors = sums.count // rows.literal_value

    def codegen(context, builder, sig, args):
        start = builder.bitcast(pointer(builder, args[1], args[2], vec), I8.as_pointer())
        out = [
            builder.extract_value(args[0], k)
            if flags[k % len(flags)] == "1"
            else load_at(builder, start, k % vectors * vec.bytes, vec.llvm, 4)
            for k in range(sums.count)
        ]
        return cgutils.pack_array(builder, out)

    return sums(sums, types.intp, types.intp, joined, rows), codegen


@intrinsic
def raised(typingctx, sums, base, offset, stride, rows):
    """A tuple of `rows` (literal) rows of int32 vectors, each row plus an int32 from memory.

    base, offset: address, and element, of the first; the next lies `stride` elements behind it.
    """
    if not isinstance(rows, types.Literal):
        raise RequireLiteralValue("rows")
    per_row = sums.count // rows.literal_value

    def codegen(context, builder, sig, args):
        start = builder.inttoptr(args[1], I32.as_pointer())
        out = []
        for k in range(sums.count):
            row, j = divmod(k, per_row)
            if j == 0:
                at = builder.add(args[2], builder.mul(args[3], const64(row)))
                more = splat(builder, builder.load(builder.gep(start, [at])), sums.dtype.lanes)
            out.append(builder.add(builder.extract_value(args[0], k), more))
        return cgutils.pack_array(builder, out)

    return sums(sums, *[types.intp] * 3, rows), codegen


@intrinsic
def splat_many(typingctx, base, offset, factor, count):
    """`count` (literal) float32 from memory, times `factor`, each in every lane of a vector.

    base, offset: address, and element, of the first.
    """
    if not isinstance(count, types.Literal):
        raise RequireLiteralValue("count")

    def codegen(context, builder, sig, args):
        start = builder.inttoptr(args[0], F32.as_pointer())
        start = builder.gep(start, [args[1]])
        out = []
        for k in range(count.literal_value):
            value = builder.fmul(builder.load(builder.gep(start, [const64(k)])), args[2])
            out.append(splat(builder, value, f32v.lanes))
        return cgutils.pack_array(builder, out)

    result = types.UniTuple(f32v, count.literal_value)
    return result(types.intp, types.intp, types.float32, count), codegen


@intrinsic
def scaled(typingctx, sums, scales, start):
    """start + float(sums) * scales, where the scales repeat.

    sums: a tuple of int32 vectors; scales, start: of float32 vectors.
    """
    n = scales.count

    def codegen(context, builder, sig, args):
        out = []
        for k in range(sums.count):
            value = builder.sitofp(builder.extract_value(args[0], k), f32v.llvm)
            scale = builder.extract_value(args[1], k % n)
            out.append(emit_fmadd(builder, value, scale, builder.extract_value(args[2], k)))
        return cgutils.pack_array(builder, out)

    return start(sums, scales, start), codegen


def _places(count, mask):
    if not isinstance(mask, types.Literal):
        raise RequireLiteralValue("mask")
    letters = mask.literal_value
    return [k for k in range(count) if letters[k % len(letters)] == "1"]


@intrinsic
def picked(typingctx, vectors, mask):
    """The vectors of a tuple whose letter in `mask` (literal, repeated) is 1."""
    at = _places(vectors.count, mask)

    def codegen(context, builder, sig, args):
        return cgutils.pack_array(builder, [builder.extract_value(args[0], k) for k in at])

    return types.UniTuple(vectors.dtype, len(at))(vectors, mask), codegen


@intrinsic
def replaced(typingctx, vectors, new, mask):
    """`vectors` with those of `new` in the places that `picked` took."""
    at = _places(vectors.count, mask)

    def codegen(context, builder, sig, args):
        out = args[0]
        for n, k in enumerate(at):
            out = builder.insert_value(out, builder.extract_value(args[1], n), k)
        return out

    return vectors(vectors, new, mask), codegen
