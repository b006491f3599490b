"""Four int8 products added to each int32 lane, by what the target has for it.

(acc, x, w) -> acc, where x holds the same four in every lane.
"""

from llvmlite import ir

from edgelstm.kernels.simd.target import DOT4, LANES
from edgelstm.kernels.simd.vectors import I1, I8, I16, call, constant, shuffle

BYTES = ir.VectorType(I8, 4 * LANES)


def _vnni(builder, acc, x, w):
    """x unsigned: stored as value + 128. Wraps in 32 bits, never saturates."""
    return call(builder, f"llvm.x86.avx512.vpdpbusd.{32 * LANES}", acc.type, [acc, x, w])


def _pairs(builder, acc, x, w):
    """|x|, unsigned, times w, every bit of it flipped where x is negative; see `target.LACKS`.

    -w is ~w + 1, so the product of a negative x lacks |x|, whatever w is. No sum of two saturates:
    |x| <= 128, and w and ~w lie in [-128, 127]. VPSIGNB would give -w itself, but takes its turn
    with the multiplications.
    """
    half = ir.VectorType(I16, 2 * LANES)
    size = call(builder, f"llvm.abs.v{4 * LANES}i8", x.type, [x, ir.Constant(I1, 0)])
    flipped = builder.xor(w, builder.ashr(x, constant(x.type, 7)))
    by_two, by_four = {
        16: ("avx512.pmaddubs.w.512", "avx512.pmaddw.d.512"),
        8: ("avx2.pmadd.ub.sw", "avx2.pmadd.wd"),
        4: ("ssse3.pmadd.ub.sw.128", "sse2.pmadd.wd"),
    }[LANES]
    pairs = call(builder, f"llvm.x86.{by_two}", half, [size, flipped])
    return builder.add(
        acc, call(builder, f"llvm.x86.{by_four}", acc.type, [pairs, constant(half, 1)])
    )


def _sdot(builder, acc, x, w):
    return call(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", acc.type, [acc, w, x])


def _smull(builder, acc, x, w):
    """Products of 16 bits, added in pairs: exact, as w is never -128 (2 * 128 * 127 < 2^15)."""
    half = ir.VectorType(I16, 8)
    quarters = [
        builder.mul(*(builder.sext(shuffle(builder, v, v, lanes), half) for v in (x, w)))
        for lanes in (range(8), range(8, 16))
    ]
    pairs = call(builder, "llvm.aarch64.neon.addp.v8i16", half, quarters)
    name = "llvm.aarch64.neon.saddlp.v4i32.v8i16"
    return builder.add(acc, call(builder, name, acc.type, [pairs]))


def _shifts(builder, acc, x, w):
    """Any target: byte k of each lane by shifts."""
    x, w = (builder.bitcast(v, acc.type) for v in (x, w))
    down = constant(acc.type, 24)
    for k in range(4):
        up = constant(acc.type, 24 - 8 * k)
        parts = (builder.ashr(builder.shl(v, up), down) for v in (x, w))
        acc = builder.add(acc, builder.mul(*parts))
    return acc


emit_dot4 = {"vnni": _vnni, "pairs": _pairs, "sdot": _sdot, "smull": _smull, "shifts": _shifts}[
    DOT4
]
