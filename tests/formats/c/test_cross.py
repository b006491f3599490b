"""Folders in the GNU compiler for Cortex-M, which has another assembler, and in cppcheck."""

import pathlib
import re
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
KERNELS = pathlib.Path(__file__).resolve().parents[3] / "kernels" / "c"
LEFT_OUT = ("_weights", "_tables")
DEVIATION = re.compile(r"^\| ([\d., ]+) \|", re.M)


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


@pytest.mark.skipif(not shutil.which("cppcheck"), reason="apt-get install cppcheck")
def test_misra_is_held_but_for_what_the_readme_names(tmp_path: pathlib.Path) -> None:
    """Of every kernel, and of what is written of a network but its weights."""
    src = folders(tmp_path, "cortex-m4")[0] / "src"
    for kernel in KERNELS.glob("edgelstm_*"):
        shutil.copy(kernel, src)
    sources = [path for path in sorted(src.glob("*.c")) if not path.stem.endswith(LEFT_OUT)]
    flags = ["--std=c99", "--quiet", "--addon=misra", "--enable=style", "--template={id}"]
    words = ["cppcheck", *flags, f"-I{src}", *map(str, sources)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=300).stderr
    found = set(re.findall(r"misra-c2012-([\d.]+)", said))
    named = DEVIATION.findall((KERNELS / "README.md").read_text())
    assert found == {rule for rules in named for rule in rules.split(", ")}
