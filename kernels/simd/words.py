"""Arithmetic in int16: a group of units in one vector, and the way there from two of int32."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from edgelstm.kernels.simd.memory import load_at
from edgelstm.kernels.simd.target import LANES, NEON, PAIR, X86_BITS
from edgelstm.kernels.simd.vectors import (
    I1,
    I8,
    I16,
    I32,
    I64,
    binary,
    call,
    const64,
    constant,
    i32v,
    octets,
    shuffle,
    splat,
    unary,
    words,
)

# Narrowing two vectors of int32 takes four lanes of the first, four of the second, and so on:
# lane k of the result comes from lane NARROWED[k] of (first, second).
NARROWED = [4 * (k // 8) + k % 4 + (LANES if k % 8 >= 4 else 0) for k in range(PAIR)]
X86 = {  # by the width of a register; what is missing is written out below
    512: {
        "packss": "avx512.packssdw.512",
        "packus": "avx512.packusdw.512",
        "madd": "avx512.pmaddw.d.512",
        "high": "avx512.pmulh.w.512",
        "high unsigned": "avx512.pmulhu.w.512",
        "high rounded": "avx512.pmul.hr.sw.512",
    },
    256: {
        "packss": "avx2.packssdw",
        "packus": "avx2.packusdw",
        "madd": "avx2.pmadd.wd",
        "high": "avx2.pmulh.w",
        "high unsigned": "avx2.pmulhu.w",
        "high rounded": "avx2.pmul.hr.sw",
    },
    128: {
        "packss": "sse2.packssdw.128",
        "packus": "sse41.packusdw",
        "madd": "sse2.pmadd.wd",
        "high": "sse2.pmulh.w",
        "high unsigned": "sse2.pmulhu.w",
        "high rounded": "ssse3.pmul.hr.sw.128",
    },
}.get(X86_BITS, {})
NATIVE = {name: f"llvm.x86.{rest}" for name, rest in X86.items()}
if NEON:  # LLVM finds the instructions for the rest, in the words below
    NATIVE = {"high rounded": "llvm.aarch64.neon.sqrdmulh.v8i16"}
WIDE = ir.VectorType(I32, PAIR)


def _either(name, emit, result):
    """The processor's own instruction, or what it does in words of LLVM."""
    if name not in NATIVE:
        return emit
    return lambda builder, x, y: call(builder, NATIVE[name], result.llvm, [x, y])


def _widened(extend, finish):
    def emit(builder, x, y):
        x, y = (getattr(builder, extend)(v, WIDE) for v in (x, y))
        return builder.trunc(finish(builder, x, y, lambda c: constant(WIDE, c)), words.llvm)

    return emit


def _clipped(builder, v, low, high):
    for bound, test in ((low, ">"), (high, "<")):
        limit = constant(v.type, bound)
        v = builder.select(builder.icmp_signed(test, v, limit), v, limit)
    return builder.trunc(v, ir.VectorType(I16, LANES))


def _narrow(low, high):
    def emit(builder, x, y):
        parts = (_clipped(builder, v, low, high) for v in (x, y))
        return shuffle(builder, *parts, NARROWED)

    return emit


pack_saturating = binary(i32v, _either("packss", _narrow(-32768, 32767), words), words)
# uint16, of values >= 0
pack_unsigned = binary(i32v, _either("packus", _narrow(0, 65535), words), words)


def _first_half(builder, x):
    low = _clipped(builder, x, -32768, 32767)
    return shuffle(builder, low, constant(low.type, 0), range(PAIR))


first_half = unary(i32v, _first_half, words)  # one vector, saturated; 0 in the other lanes


# ---- one word at a time

emit_high = _either("high", _widened("sext", lambda b, x, y, c: b.ashr(b.mul(x, y), c(16))), words)
multiply_high_unsigned = binary(
    words,
    _either(
        "high unsigned", _widened("zext", lambda b, x, y, c: b.lshr(b.mul(x, y), c(16))), words
    ),
)
multiply_rounded = binary(  # (x y + 2^14) >> 15, not both -2^15
    words,
    _either(
        "high rounded",
        _widened("sext", lambda b, x, y, c: b.ashr(b.add(b.mul(x, y), c(1 << 14)), c(15))),
        words,
    ),
)
average_unsigned = binary(  # (x + y + 1) >> 1
    words, _widened("zext", lambda b, x, y, c: b.lshr(b.add(b.add(x, y), c(1)), c(1)))
)
add_saturating = binary(words, lambda b, x, y: call(b, f"llvm.sadd.sat.v{PAIR}i16", x.type, [x, y]))
min_unsigned = binary(words, lambda b, x, y: b.select(b.icmp_unsigned("<", x, y), x, y))
min_words = binary(words, lambda b, x, y: b.select(b.icmp_signed("<", x, y), x, y))
max_words = binary(words, lambda b, x, y: b.select(b.icmp_signed(">", x, y), x, y))
shift_unsigned = binary(words, lambda b, x, y: b.lshr(x, y))
abs_words = unary(
    words, lambda b, x: call(b, f"llvm.abs.v{PAIR}i16", x.type, [x, ir.Constant(I1, 0)])
)
words_to_octets = unary(words, lambda b, x: b.trunc(x, octets.llvm), octets)
octets_to_words = unary(octets, lambda b, x: b.sext(x, words.llvm), words)
flip_octets = unary(octets, lambda b, x: b.xor(x, constant(x.type, -128)))


# ---- from words to int32 and back


def _interleaved(second):
    """Lanes low | high << 16 of int32: those that `NARROWED` takes from the first, or second."""
    lanes = []
    for k in range(LANES):
        at = 8 * (k // 4) + k % 4 + (4 if second else 0)
        lanes += [at, PAIR + at]
    return lambda b, x, y: b.bitcast(shuffle(b, x, y, lanes), i32v.llvm)


interleave_first = binary(words, _interleaved(False), i32v)
interleave_second = binary(words, _interleaved(True), i32v)


def _product(second):
    """x * y in int32: of the lanes that `NARROWED` takes from the first, or second."""
    lanes = [k for k in range(PAIR) if (k // 4 % 2 == 1) == second]

    def widened(builder, x, y):
        parts = (builder.sext(shuffle(builder, v, v, lanes), i32v.llvm) for v in (x, y))
        return builder.mul(*parts)

    def halves(builder, x, y):
        return _interleaved(second)(builder, builder.mul(x, y), emit_high(builder, x, y))

    return binary(words, halves if "high" in NATIVE else widened, i32v)


product_first, product_second = _product(False), _product(True)


def _multiply_pairs(builder, x, y):
    by16 = constant(i32v.llvm, 16)
    low = builder.mul(*(builder.ashr(builder.shl(v, by16), by16) for v in (x, y)))
    return builder.add(low, builder.mul(*(builder.ashr(v, by16) for v in (x, y))))


def _madd(builder, x, y):
    if "madd" not in NATIVE:
        return _multiply_pairs(builder, x, y)
    halves = [builder.bitcast(v, words.llvm) for v in (x, y)]
    return call(builder, NATIVE["madd"], i32v.llvm, halves)


multiply_pairs = binary(i32v, _madd)  # low16(x) low16(y) + high16(x) high16(y), signed


@intrinsic
def multiply_high_i32(typingctx, a, multiplier):
    """(a * multiplier + 2^30) >> 31, multiplier a scalar in [0, 2^31).

    One instruction of NEON. Elsewhere even and odd lanes apart, so that each half is one product
    of 32 by 32 bits and nothing is packed: the even lanes' result is the low half of
    product >> 31, the odd lanes' the high half of product << 1.
    """

    def in_one(context, builder, sig, args):
        m = splat(builder, context.cast(builder, args[1], sig.args[1], types.int32), LANES)
        return call(builder, "llvm.aarch64.neon.sqrdmulh.v4i32", i32v.llvm, [args[0], m])

    def codegen(context, builder, sig, args):
        wide = ir.VectorType(I64, LANES // 2)
        m = context.cast(builder, args[1], sig.args[1], types.int64)
        # Told that 31 bits are all, LLVM takes VPMULDQ, else three products of 32 by 32 bits.
        m = splat(builder, builder.and_(m, const64(2**31 - 1)), LANES // 2)
        a = builder.bitcast(args[0], wide)
        by32, half = constant(wide, 32), constant(wide, 1 << 30)
        even = builder.add(builder.mul(builder.ashr(builder.shl(a, by32), by32), m), half)
        odd = builder.add(builder.mul(builder.ashr(a, by32), m), half)
        low = builder.bitcast(builder.lshr(even, constant(wide, 31)), i32v.llvm)
        high = builder.bitcast(builder.shl(odd, constant(wide, 1)), i32v.llvm)
        return shuffle(builder, low, high, [i + LANES * (i % 2) for i in range(LANES)])

    return i32v(i32v, multiplier), in_one if NEON else codegen


# ---- tables of 256 entries: a value, and the difference to the next

# Where one instruction permutes two registers, the values stand first, then the differences; else
# each entry is both, the difference in the high half, so that one load per lane reads them.
TABLES_APART = X86_BITS == 512
SLOPES_BYTES = 512


def _permuted(builder, base, index, entries):
    """One permutation of two registers per 64 entries, then selections."""
    found = []
    for start in range(0, 2 * entries, 128):
        halves = [load_at(builder, base, start + 64 * m, words.llvm, 64) for m in range(2)]
        name = "llvm.x86.avx512.vpermi2var.hi.512"
        found.append(call(builder, name, words.llvm, [halves[0], index, halves[1]]))
    bit, zero = 64, constant(words.llvm, 0)
    while len(found) > 1:
        odd = builder.icmp_unsigned("!=", builder.and_(index, constant(words.llvm, bit)), zero)
        pairs = [found[k : k + 2] for k in range(0, len(found), 2)]
        found = [builder.select(odd, *reversed(p)) if len(p) == 2 else p[0] for p in pairs]
        bit *= 2
    return found[0]


def _loaded(builder, base, index):
    """One load per lane."""
    start, both = builder.bitcast(base, I32.as_pointer()), ir.Constant(WIDE, ir.Undefined)
    for k in range(PAIR):
        lane = ir.Constant(I32, k)
        at = builder.zext(builder.extract_element(index, lane), I64)
        both = builder.insert_element(both, builder.load(builder.gep(start, [at])), lane)
    high = builder.lshr(both, constant(WIDE, 16))
    return [builder.trunc(v, words.llvm) for v in (both, high)]


def _table(entries):
    @intrinsic
    def read(typingctx, tables, index):
        def codegen(context, builder, sig, args):
            base = builder.inttoptr(args[0], I8.as_pointer())
            if not TABLES_APART:
                return cgutils.pack_array(builder, _loaded(builder, base, args[1]))
            starts = (base, builder.gep(base, [const64(SLOPES_BYTES)]))
            found = [_permuted(builder, start, args[1], entries) for start in starts]
            return cgutils.pack_array(builder, found)

        return types.UniTuple(words, 2)(types.intp, words), codegen

    return read


# Value and difference at an index below 192, or below 256.
entry_192, entry_256 = _table(192), _table(256)
