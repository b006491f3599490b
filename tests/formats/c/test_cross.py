"""Folders in the GNU compilers for Cortex-M and aarch64, which have another assembler; cppcheck."""

import pathlib
import re
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.devices.cores import CORES
from tests.formats.c.networks import WARNINGS, in_one_program
from tests.integer_lstms import lstm_of, random_case
from tests.networks import random_input, random_network

# Family of a core to its compiler and Debian's package.
GCC = {
    "thumb": ("arm-none-eabi-gcc", "gcc-arm-none-eabi"),
    "aarch64": ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
}
# gcc 12 does not know the Cortex-M85; of a Cortex-A72 it compiles what it does of a Cortex-A53.
NOT_TRIED = ("cortex-m85", "cortex-a72")
KNOWN = [name for name, core in CORES.items() if core.family in GCC and name not in NOT_TRIED]
QEMU = {"cortex-a53": "cortex-a53", "cortex-a76": "max"}  # QEMU 7.2 has no Cortex-A76
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


def gcc_for(core: str) -> str:
    """The compiler; skips the test without it."""
    name, package = GCC[CORES[core].family]
    if not shutil.which(name):
        pytest.skip(f"apt-get install {package}")
    return name


@pytest.mark.parametrize("core", KNOWN)
def test_the_gnu_compiler_takes_every_file_without_a_warning(
    tmp_path: pathlib.Path, core: str
) -> None:
    compiler = gcc_for(core)
    for path in folders(tmp_path, core):
        words = [compiler, *CORES[core].gcc.split(), *WARNINGS, "-O2", f"-I{path / 'src'}", "-c"]
        sources = map(str, (path / "src").glob("*.c"))
        subprocess.run([*words, *sources], cwd=path, check=True, timeout=120)


@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="apt-get install qemu-user")
@pytest.mark.parametrize("core", QEMU)
def test_what_the_gnu_compiler_makes_for_raspberry_pis_is_the_reference_in_qemu(
    tmp_path: pathlib.Path, core: str
) -> None:
    rng = np.random.default_rng(5)
    networks = [(f"n{k}", lstm_of(random_case(rng), rng), core) for k in range(12)]
    gru = random_network("gru_reset_before", (5, 17), outputs=3)
    for precision in ("int8", "int16x8"):
        q = edgelstm.quantize(gru, random_input(gru, 2, 9), precision)
        networks.append((f"gru_{precision}x", q, core))
    words = [gcc_for(core), *CORES[core].gcc.split(), *WARNINGS, "-O2", "-static"]
    said = in_one_program(tmp_path, networks, words, ["qemu-aarch64", "-cpu", QEMU[core]])
    assert len(said.splitlines()) == len(networks)
    assert all(line.startswith("0 of ") for line in said.splitlines())


@pytest.mark.skipif(not shutil.which("cppcheck"), reason="apt-get install cppcheck")
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-a53"])
def test_cppcheck_finds_nothing(tmp_path: pathlib.Path, core: str) -> None:
    flags = ["--std=c99", "--quiet", "--error-exitcode=1"]
    flags += ["--enable=warning,style,performance,portability"]
    flags += [f"--suppress={rule}" for rule in NOT_HELD]
    for path in folders(tmp_path, core):
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
