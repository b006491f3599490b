"""Folders in the GNU compiler for Cortex-M, which has another assembler, and in cppcheck."""

import pathlib
import shutil
import subprocess
from typing import Any

import pytest

import edgelstm
from edgelstm.devices.cores import CORES
from tests.formats.c.networks import WARNINGS
from tests.networks import random_input, random_network

GCC = "arm-none-eabi-gcc"
# gcc 12 does not know the Cortex-M85.
ARM = [name for name, core in CORES.items() if core.gcc.startswith("-mthumb") and core.board]
# A size in a file's loop, tails of one to three columns, a layer behind another.
NETWORKS = {
    "lstm int8": ("lstm", (300, 6, 3), "int8"),
    "gru int8": ("gru", (5, 9), "int8"),
    "peepholes int16x8": ("lstm_peephole", (2, 7), "int16x8"),
    "mgu float32": ("mgu", (3, 4), "float32"),
}


# Rules that kernels/c/README.md names as not held.
NOT_HELD = ("shiftTooManyBitsSigned",)


def folders(place: pathlib.Path, core: str) -> list[pathlib.Path]:
    found = []
    for k, (cell, sizes, precision) in enumerate(NETWORKS.values()):
        network: Any = random_network(cell, sizes, outputs=2, activation="sigmoid")
        if precision != "float32":
            network = edgelstm.quantize(network, random_input(network, 2, 9), precision)
        found.append(edgelstm.write(network, place / f"n{k}_c", target=core))
    return found


@pytest.mark.skipif(not shutil.which(GCC), reason="apt-get install gcc-arm-none-eabi")
@pytest.mark.parametrize("core", ARM)
def test_the_gnu_compiler_takes_every_file_without_a_warning(
    tmp_path: pathlib.Path, core: str
) -> None:
    for path in folders(tmp_path, core):
        words = [GCC, *CORES[core].gcc.split(), *WARNINGS, "-O2", f"-I{path / 'src'}", "-c"]
        sources = map(str, (path / "src").glob("*.c"))
        subprocess.run([*words, *sources], cwd=path, check=True, timeout=120)


@pytest.mark.skipif(not shutil.which("cppcheck"), reason="apt-get install cppcheck")
def test_cppcheck_finds_nothing(tmp_path: pathlib.Path) -> None:
    flags = ["--std=c99", "--quiet", "--error-exitcode=1"]
    flags += ["--enable=warning,style,performance,portability"]
    flags += [f"--suppress={rule}" for rule in NOT_HELD]
    for path in folders(tmp_path, "cortex-m4"):
        words = ["cppcheck", *flags, f"-I{path / 'src'}", str(path / "src")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
