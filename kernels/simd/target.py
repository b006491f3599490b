"""What the code generator may use, and so how wide vectors are and how int8 products are formed.

Never decide by the processor alone: an intrinsic that the code generator has no instruction for
aborts the process, and so does an instruction that the processor lacks. NUMBA_CPU_NAME and
NUMBA_CPU_FEATURES change what the code generator has.
"""

import ctypes
import sys

import llvmlite.binding as llvm
from numba.core import config
from numba.core.registry import cpu_target

# Linux tells what an aarch64 processor has by bits of two words: feature, word, bit.
# Source: arch/arm64/include/uapi/asm/hwcap.h.
HWCAPS = (
    ("neon", 16, 1),
    ("crc", 16, 7),
    ("lse", 16, 8),
    ("fullfp16", 16, 10),
    ("dotprod", 16, 20),
    ("sve", 16, 22),
    ("i8mm", 26, 13),
)
DOT_PRODUCT = """
declare i32 @llvm.vector.reduce.add.v16i32(<16 x i32>)
define i32 @dot(<16 x i8> %a, <16 x i8> %b) {
  %x = sext <16 x i8> %a to <16 x i32>
  %y = sext <16 x i8> %b to <16 x i32>
  %products = mul <16 x i32> %x, %y
  %sum = call i32 @llvm.vector.reduce.add.v16i32(<16 x i32> %products)
  ret i32 %sum
}
"""


def _generated() -> tuple[str, str, frozenset[str]]:
    """Triple, processor and features that code is generated for."""
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    given = frozenset(f[1:] for f in features.split(",") if f.startswith("+"))
    if triple.startswith("aarch64") and _emits_sdot(triple, name, features):
        given |= {"dotprod"}
    return triple, name, given


def _emits_sdot(triple: str, name: str, features: str) -> bool:
    """Whether there is SDOT: LLVM knows it of a processor's name, but does not list it."""
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features)
    return "sdot" in machine.emit_assembly(llvm.parse_assembly(DOT_PRODUCT))


def _host(triple: str) -> frozenset[str]:
    """What the processor has, as far as it is known."""
    has = {name for name, there in llvm.get_host_cpu_features().items() if there}
    if triple.startswith("aarch64") and sys.platform == "linux":
        ask = ctypes.CDLL(None).getauxval
        ask.argtypes, ask.restype = (ctypes.c_ulong,), ctypes.c_ulong
        has |= {name for name, word, bit in HWCAPS if ask(word) >> bit & 1}
    return frozenset(has)


# What a processor's name lets the code generator use, beside the features that are listed.
_SSE, _AVX2 = ("sse4.2",), ("avx2", "fma")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd")
IMPLIED = {
    "generic": (),
    "x86-64": (),
    "nehalem": _SSE,
    "x86-64-v2": _SSE,
    "haswell": _AVX2,
    "broadwell": _AVX2,
    "skylake": _AVX2,
    "x86-64-v3": _AVX2,
    "skylake-avx512": _AVX512,
    "x86-64-v4": _AVX512,
    "cascadelake": (*_AVX512, "avx512vnni"),
    "alderlake": (*_AVX2, "avxvnni"),
    "cortex-a53": ("neon", "crc"),
    "cortex-a72": ("neon", "crc"),
    "cortex-a76": ("neon", "crc", "lse", "fullfp16", "dotprod"),
}


def _lacking() -> list[str]:
    """What the code generator was told to use and the processor lacks: it would end in SIGILL."""
    # 64bit, cx16 and the like describe the processor's mode; only one of the lists has them.
    of_vectors = ("sse", "ssse3", "avx", "fma", "f16c", "amx", "neon", "dotprod", "sve", "i8mm")
    wanted = {f for f in FEATURES if f.startswith(of_vectors)}
    name = config.CPU_NAME
    if name and name not in ("host", llvm.get_host_cpu_name()):
        wanted |= set(IMPLIED.get(name, (f"all that '{name}' implies",)))
    return sorted(wanted - _host(TRIPLE))


def _lanes(features: frozenset[str]) -> int:
    """Values of 32 bits in one register."""
    if {"avx512f", "avx512bw", "avx512vl"} <= features:
        return 16
    return 8 if "avx2" in features else 4


def _dot4(triple: str, features: frozenset[str], lanes: int) -> str:
    """How four int8 products are added to each int32 lane; see dot4.py."""
    if "avx512vnni" in features and (lanes == 16 or "avx512vl" in features):
        return "vnni"
    if "avxvnni" in features and lanes == 8:
        return "vnni"
    if "ssse3" in features:
        return "pairs"
    if triple.startswith("aarch64"):
        return "sdot" if "dotprod" in features else "smull"
    return "shifts"


TRIPLE, CPU, FEATURES = _generated()
LACKING = _lacking()
NEON = TRIPLE.startswith("aarch64")
LANES = _lanes(FEATURES)
PAIR = 2 * LANES  # units that are computed at once: a group
DOT4 = _dot4(TRIPLE, FEATURES, LANES)
# vpdpbusd multiplies unsigned by signed: activations are stored as value + 128 there.
OFFSET = 128 if DOT4 == "vnni" else 0
# Two products are added in int16 there.
SMALLEST_WEIGHT = -127 if DOT4 == "smull" else -128
# Rows whose products are formed together, steps of a sequence or sequences side by side.
TILE_ROWS = 3
# Vectors of sums that one loop adds to, beside what it reads: 3 rows of 8 in 32 registers, or of 4
# in 16.
ACCUMULATORS = 24 if LANES == 16 or NEON else 12
# There the products of a row lack the sum of its negative values' magnitudes.
LACKS = DOT4 == "pairs"
X86_BITS = 32 * LANES if "ssse3" in FEATURES and "sse4.1" in FEATURES else 0

# Where asking for weights ahead of their use was measured to help; elsewhere there is no code for
# it. On Zen 4 it costs 5 to 20 % at every size and distance.
ASKS_AHEAD = CPU in ("znver5",)


def describe() -> str:
    """One line for people: lanes and products."""
    forms = {"vnni": "VNNI", "pairs": "pairwise products", "sdot": "SDOT", "smull": "SMULL"}
    return f"{LANES} lanes of 32 bits, int8 by {forms.get(DOT4, DOT4)}"
