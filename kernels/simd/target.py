"""What the code generator may use, and so how wide vectors are and how int8 products are formed.

Never decide by the processor alone: an intrinsic that the code generator has no instruction for
aborts the process, and so does an instruction that the processor lacks. NUMBA_CPU_NAME and
NUMBA_CPU_FEATURES change what the code generator has.
"""

import llvmlite.binding as llvm
from numba.core.registry import cpu_target


def _generated() -> tuple[str, frozenset[str]]:
    """Triple and features that code is generated for."""
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    given = frozenset(f[1:] for f in features.split(",") if f.startswith("+"))
    return f"{triple} {name}", given


def _host() -> frozenset[str]:
    return frozenset(name for name, has in llvm.get_host_cpu_features().items() if has)


def _lanes(features: frozenset[str]) -> int:
    """Values of 32 bits in one register."""
    if {"avx512f", "avx512bw", "avx512vl"} <= features:
        return 16
    return 8 if "avx2" in features else 4


def _dot4(cpu: str, features: frozenset[str], lanes: int) -> str:
    """How four int8 products are added to each int32 lane; see products.py."""
    if "avx512vnni" in features and (lanes == 16 or "avx512vl" in features):
        return "vnni"
    if "avxvnni" in features and lanes == 8:
        return "vnni"
    if "ssse3" in features:
        return "pairs"
    return "sdot" if cpu.startswith("aarch64") and "dotprod" in features else "shifts"


CPU, FEATURES = _generated()
# What the code generator was told to use and the processor lacks: code would end in SIGILL.
# 64bit, cx16 and the like describe the processor's mode and are in one of the lists alone.
VECTOR_FEATURES = ("sse", "ssse3", "avx", "fma", "f16c", "amx", "neon", "dotprod", "sve")
LACKING = sorted(f for f in FEATURES - _host() if f.startswith(VECTOR_FEATURES))
LANES = _lanes(FEATURES)
PAIR = 2 * LANES  # units that are computed at once: a group
DOT4 = _dot4(CPU, FEATURES, LANES)
# vpdpbusd multiplies unsigned by signed: activations are stored as value + 128 there.
OFFSET = 128 if DOT4 == "vnni" else 0
SMALLEST_WEIGHT = -127 if DOT4 == "pairs" else -128  # a sign is moved from x to the weight there
# Steps whose input products are formed together: 3 rows of 8 accumulators need 32 registers.
TILE_ROWS = 3 if LANES == 16 or CPU.startswith("aarch64") else 1
X86_BITS = 32 * LANES if "ssse3" in FEATURES and "sse4.1" in FEATURES else 0


def describe() -> str:
    """One line for people: lanes and products."""
    form = {"vnni": "VNNI", "pairs": "pairwise products", "sdot": "SDOT", "shifts": "shifts"}[DOT4]
    return f"{LANES} lanes of 32 bits, int8 by {form}"
