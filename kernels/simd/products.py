"""Matrix products on packed weights: a row of weight vectors times one broadcast word of input.

A word is one float32, or four int8. `Kind` says what a lane does with it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

from edgelstm.kernels.simd.dot4 import BYTES, emit_dot4
from edgelstm.kernels.simd.memory import load_at, prefetch
from edgelstm.kernels.simd.target import ACCUMULATORS, DOT4, LANES, NEON
from edgelstm.kernels.simd.vectors import (
    F32,
    I8,
    I32,
    I64,
    Vec,
    call,
    const64,
    constant,
    emit_fmadd,
    f32v,
    i32v,
    shuffle,
    splat,
)

VECTOR_BYTES = 4 * LANES
CACHE_LINE = 64
INDEPENDENT_SUMS = 8  # latency times throughput of a float32 product and sum


@dataclasses.dataclass(frozen=True)
class Kind:
    """Accumulators, how weights lie in memory, a word of input, acc + x * w, and a sum of two."""

    vec: Vec
    stream: Any
    word: Any
    multiply_add: Callable[..., Any]
    add: Callable[..., Any]


FLOAT32 = Kind(
    f32v,
    f32v.llvm,
    F32,
    lambda builder, acc, x, w: emit_fmadd(builder, w, x, acc),
    lambda builder, a, b: builder.fadd(a, b),
)
INT8 = Kind(
    i32v,
    BYTES,
    I32,
    lambda builder, acc, x, w: emit_dot4(builder, acc, builder.bitcast(x, BYTES), w),
    lambda builder, a, b: builder.add(a, b),
)


# ---- loops


def emit_loop(builder, n, initial, body):
    """for i in range(n): values = body(i, values), every value in a phi, so in a register."""
    before = builder.block
    loop, done = builder.append_basic_block("loop"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", n, const64(0)), loop, done)
    builder.position_at_end(loop)
    i = builder.phi(I64)
    i.add_incoming(const64(0), before)
    values = [builder.phi(v.type) for v in initial]
    results = body(i, values)
    i_next, last = builder.add(i, const64(1)), builder.block
    i.add_incoming(i_next, last)
    builder.cbranch(builder.icmp_signed("<", i_next, n), loop, done)
    builder.position_at_end(done)
    out = [builder.phi(v.type) for v in initial]
    for value, after, start, result in zip(values, out, initial, results, strict=True):
        value.add_incoming(start, before)
        value.add_incoming(result, last)
        after.add_incoming(start, before)
        after.add_incoming(result, last)
    return out


def _broadcast(builder, kind, row, i):
    word = builder.load(builder.gep(row, [i]))
    word.align = 1
    return _spread(builder, kind, splat(builder, word, LANES), 0)


def _spread(builder, kind, words, k):
    """Word k of a vector in every lane."""
    if kind is FLOAT32 or DOT4 != "smull":
        return shuffle(builder, words, words, [k] * LANES)
    # What LLVM knows to be the same in both halves it does not give to SMULL2.
    octets = builder.bitcast(words, BYTES)
    order = ir.Constant(BYTES, [4 * k + b for b in range(4)] * LANES)
    spread = call(builder, "llvm.aarch64.neon.tbl1.v16i8", BYTES, [octets, order])
    return builder.bitcast(spread, words.type)


def _ways(vectors):
    """Into how many sums each sum is split, so that a product need not wait for the one before.

    Each product of a lone vector waits for two loads: half of the sums keep up with them.
    """
    return max(1, INDEPENDENT_SUMS // max(2, vectors))


def _tiles(kind, rows, vectors):
    """Rows, and vectors of each, whose sums are formed in one loop, tile after tile.

    What one word is multiplied with is read once for all rows of a tile. An int8 product of several
    instructions hides a read per row, and needs registers of its own.
    """
    several = kind is INT8 and DOT4 not in ("vnni", "sdot")
    passes = -(-rows * vectors * _ways(vectors) // ACCUMULATORS)
    if rows == 1 or several or rows * _ways(vectors) > ACCUMULATORS:
        return [(range(m, m + 1), range(vectors)) for m in range(rows)]
    wide = -(-vectors // passes)
    starts = range(0, vectors, wide)
    return [(range(rows), range(j, min(j + wide, vectors))) for j in starts]


def _emit_rows(builder, kind, vectors, ahead, weights, *, pitch):
    """(number of a word, the word of each row, sums) -> sums with its products.

    `vectors` sums for each row, of the `pitch` vectors that a word is multiplied with. Each weight
    vector is used once per row: 3 x 8 accumulators, 3 broadcasts and 1 weight vector fit 32
    registers; the other order spills.
    """

    def add_words(i, words, sums):
        row = builder.gep(weights, [builder.mul(i, const64(pitch * VECTOR_BYTES))])
        out = list(sums)
        for j in range(vectors):
            at = j * VECTOR_BYTES
            if ahead and at % CACHE_LINE == 0:
                prefetch(builder, row, at + ahead)
            w_j = load_at(builder, row, at, kind.stream, 1)
            for m, word in enumerate(words):
                k = m * vectors + j
                out[k] = kind.multiply_add(builder, sums[k], word, w_j)
        return out

    return add_words


def _emit_sums(builder, kind, n, start, *, weights, x_rows, ahead, pitch):
    """The sums of rows of x that share what is loaded of w."""
    vectors, ways = len(start) // len(x_rows), _ways(pitch)
    add_words = _emit_rows(builder, kind, vectors, ahead, weights, pitch=pitch)

    def add_word(i, sums):
        return add_words(i, [_broadcast(builder, kind, x_row, i) for x_row in x_rows], sums)

    if ways > 1:
        return _emit_ways(builder, kind, n, start, add_word, ways)
    if not NEON or len(x_rows) > 1:
        return emit_loop(builder, n, start, add_word)

    def add_four(i, sums):
        """One load; a product of NEON takes its word from any lane."""
        first = builder.mul(i, const64(4))
        at = builder.bitcast(builder.gep(x_rows[0], [first]), I8.as_pointer())
        four = load_at(builder, at, 0, kind.vec.llvm, 1)
        for k in range(4):
            word = _spread(builder, kind, four, k)
            sums = add_words(builder.add(first, const64(k)), [word], sums)
        return sums

    fours = builder.udiv(n, const64(4))
    sums, done = emit_loop(builder, fours, start, add_four), builder.mul(fours, const64(4))
    left = builder.sub(n, done)
    return emit_loop(builder, left, sums, lambda i, v: add_word(builder.add(done, i), v))


def _emit_ways(builder, kind, n, start, add_word, ways):
    """Sums over n words, of which every `ways`-th goes to the same sums; what is left over last."""
    count, zero = len(start), constant(kind.vec.llvm, 0)
    rounds = builder.udiv(n, const64(ways))

    def body(i, sums):
        first, out = builder.mul(i, const64(ways)), []
        for k in range(ways):
            part = sums[k * count : (k + 1) * count]
            out += add_word(builder.add(first, const64(k)), part)
        return out

    sums = emit_loop(builder, rounds, [*start, *[zero] * count * (ways - 1)], body)
    total = sums[:count]
    for k in range(1, ways):
        part = sums[k * count : (k + 1) * count]
        total = [kind.add(builder, a, b) for a, b in zip(total, part, strict=True)]
    done = builder.mul(rounds, const64(ways))
    return emit_loop(
        builder, builder.sub(n, done), total, lambda i, v: add_word(builder.add(done, i), v)
    )


def _product(kind):
    @intrinsic
    def product(typingctx, start, w, x, x_stride, n, rows, ahead_bytes):
        """start + sum over k < n of w[k][j] * x[row][k], for each of `rows` (literal) rows.

        start: a tuple of vectors, row after row; w: address of [n][vectors of a row][lanes]; x:
        address of n words per row, rows `x_stride` words apart; ahead_bytes: literal, how far ahead
        each cache line of w is asked for, 0 for not. Every row is summed up in the same order,
        however many there are.
        """
        for name, value in (("rows", rows), ("ahead_bytes", ahead_bytes)):
            if not isinstance(value, types.Literal):
                raise RequireLiteralValue(name)
        n_rows, ahead = rows.literal_value, ahead_bytes.literal_value
        vectors = start.count // n_rows

        def codegen(context, builder, sig, args):
            weights = builder.inttoptr(args[1], I8.as_pointer())
            inputs = builder.inttoptr(args[2], kind.word.as_pointer())
            x_rows = [
                builder.gep(inputs, [builder.mul(args[3], const64(m))]) for m in range(n_rows)
            ]
            sums = [builder.extract_value(args[0], j) for j in range(start.count)]
            for of_rows, of_vectors in _tiles(kind, n_rows, vectors):
                places = [m * vectors + j for m in of_rows for j in of_vectors]
                made = _emit_sums(
                    builder,
                    kind,
                    args[4],
                    [sums[k] for k in places],
                    weights=builder.gep(weights, [const64(of_vectors[0] * VECTOR_BYTES)]),
                    x_rows=[x_rows[m] for m in of_rows],
                    ahead=ahead,
                    pitch=vectors,
                )
                for k, value in zip(places, made, strict=True):
                    sums[k] = value
            return cgutils.pack_array(builder, sums)

        return start(start, *[types.intp] * 4, rows, ahead_bytes), codegen

    return product


product_f32, product_i8 = _product(FLOAT32), _product(INT8)
