"""The kernels on other instruction sets: each in a child process, which is told what it may use."""

import json
import os
import pathlib
import platform
import subprocess
import sys
from typing import Any

import pytest

SSE42 = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt"
AVX2 = f"{SSE42},+avx,+avx2,+fma,+f16c,+bmi,+bmi2"
AVX512 = f"{AVX2},+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd"
# Name, its features, lanes, form of the int8 products, formats that are tried; none: all, and more
# cells and sizes. Each format takes half a minute to compile.
TARGETS = [
    ("x86-64", "+sse2", 4, "shifts", ("int8", "composed", "hybrid")),
    ("nehalem", SSE42, 4, "pairs", ("int8", "composed", "float32")),
    ("haswell", AVX2, 8, "pairs", ()),
    ("skylake-avx512", AVX512, 16, "pairs", ()),
    ("cascadelake", f"{AVX512},+avx512vnni", 16, "vnni", ("int8", "composed", "hybrid")),
    # The same intrinsics as with avxvnni, in the encoding of AVX-512: no avx512bw, so 8 lanes.
    (
        "haswell",
        f"{AVX2},+avx512f,+avx512vl,+avx512vnni",
        8,
        "vnni",
        ("int8", "composed", "hybrid"),
    ),
    ("alderlake", f"{AVX2},+avxvnni", 8, "vnni", ("int8", "composed", "hybrid")),
]
# Prints the lines of a hybrid LSTM's kernel that hold products, without running it.
PRODUCTS = """
from edgelstm.execution.fused import packed_layer
from edgelstm.kernels import bind, cache
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_network
made = []
cache._write = lambda path, code: made.append(code.library.get_asm_str())
packed = packed_layer(quantize(random_network("lstm"), None, "hybrid").layers[0].parts[0])
bind.kernel(packed.cell, packed.form, "sequence").function
print(*(line for line in made[0].splitlines() if "vpdpbusd" in line), sep="\\n")
"""
x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="features of x86")


def child(
    cache: pathlib.Path, arguments: list[str], **settings: str
) -> subprocess.CompletedProcess[str]:
    """Compiles all that it runs: the cache is its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": ".", "NUMBA_CACHE_DIR": str(cache), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def lacks(features: str) -> list[str]:
    """What this processor cannot execute of a list of features."""
    import llvmlite.binding as llvm

    has = llvm.get_host_cpu_features()
    return [f[1:] for f in features.split(",") if not has.get(f[1:])]


@x86
@pytest.mark.slow
@pytest.mark.parametrize(
    "name, features, lanes, dot4, formats", TARGETS, ids=[f"{t[0]}-{t[3]}" for t in TARGETS]
)
def test_every_instruction_set_gives_the_oracles_bits(
    name: str,
    features: str,
    lanes: int,
    dot4: str,
    formats: tuple[str, ...],
    tmp_path: pathlib.Path,
) -> None:
    if lacks(features):
        pytest.skip(f"this processor has no {lacks(features)}")
    told = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    done = child(tmp_path, ["-m", "tests.kernel_target", *formats], **told)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["lanes"], found["dot4"], found["mismatches"]) == (lanes, dot4, 0)
    assert found.keys() > set(formats or ("composed", "float32", "hybrid")) - {"int8"}
    assert found.get("composed", 0) == 0
    assert found.get("float32", 0) < 1e-6
    assert found.get("float32 heads", 0) < 5e-6  # sums of up to 40 products; outputs reach 7
    # A value on an edge may round either way; a head's output reaches 7.
    assert found.get("hybrid", 0) < 2e-2 and found.get("hybrid heads", 0) < 1e-1


@x86
def test_avxvnni_is_emitted_in_its_own_encoding_and_not_executed(tmp_path: pathlib.Path) -> None:
    told = {"NUMBA_CPU_NAME": "alderlake", "NUMBA_CPU_FEATURES": f"{AVX2},+avxvnni"}
    done = child(tmp_path, ["-c", PRODUCTS], **told)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) >= 8  # two halves of four gates
    assert all(line.split()[0] == "{vex}" and "ymm" in line for line in lines)
    assert "zmm" not in done.stdout


@x86
@pytest.mark.parametrize(
    "settings, named",
    [
        ({"NUMBA_CPU_FEATURES": f"{AVX512},+amx-tile", "NUMBA_CPU_NAME": "generic"}, "amx-tile"),
        ({"NUMBA_CPU_NAME": "diamondrapids"}, "diamondrapids"),
    ],
    ids=["features", "name"],
)
def test_instructions_that_the_processor_lacks_are_refused(
    settings: dict[str, str], named: str, tmp_path: pathlib.Path
) -> None:
    code = """
import numpy as np
import edgelstm
try:
    edgelstm.run(edgelstm.demo(), np.zeros((3, 12), np.float32))
except edgelstm.ModelError as error:
    print(error)
"""
    if named == "amx-tile" and not lacks("+amx-tile"):
        pytest.skip("this processor has it")
    done = child(tmp_path, ["-c", code], **settings)
    assert done.returncode == 0, done.stderr[-2000:]
    assert named in done.stdout and "does not have" in done.stdout
