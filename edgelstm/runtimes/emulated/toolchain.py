"""The cross compiler: zig from PyPI, for every core."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgelstm.devices.cores import CORES
from edgelstm.runtimes.folder import Folder, kept

# -fno-sanitize: zig's own default in debug builds; -g: its linker drops symbols otherwise.
FLAGS = (
    "-std=c99",
    "-O2",
    "-g",
    "-fno-sanitize=all",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wl,--gc-sections",
)
SCRIPT = Path(__file__).parent / "core.ld"
VERBS = ("init", "reset", "step", "run", "quantize", "dequantize")


def compiler_version() -> str:
    """Such as `zig 0.17.1`; `ImportError` where it is missing."""
    try:
        return f"zig {importlib.metadata.version('ziglang')}"
    except importlib.metadata.PackageNotFoundError:
        raise ImportError('ziglang is not installed: pip install "edgelstm[mcu]"') from None


def image_of(folder: Folder, core: str, defines: Sequence[str] = ()) -> Path:
    """The folder as a linked ELF image for a core, built once.

    Args:
        folder: Of C.
        core: Key of `CORES`.
        defines: More words for the compiler, as `-DEDGELSTM_PORTABLE`.

    Raises:
        ImportError: There is no compiler.
        RuntimeError: It refuses the sources; its words.
    """
    roots = [f"-Wl,-u,{folder.name}_{verb}" for verb in VERBS]
    words = [*_words(core), *defines, f"-Wl,-e,{folder.name}_run", *roots]
    includes, sources = [f"-I{folder.path / 'src'}"], folder.sources

    def build(target: Path) -> None:
        link([*words, *includes], sources, target)

    return kept(folder, [compiler_version(), core, *words, SCRIPT.read_text()], ".elf", build)


def link(words: Sequence[str], sources: Sequence[Path], target: Path) -> None:
    """Compiles and links sources."""
    command = [sys.executable, "-m", "ziglang", "cc", *words, "-o", str(target), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"zig cc fails: {done.stderr.strip()}")


def core_words(core: str) -> list[str]:
    """What the compiler is told of a core."""
    line = CORES[core]
    assert line.target and line.mcpu, f"{core} has no target"
    return ["-target", line.target, f"-mcpu={line.mcpu}"]


def _words(core: str) -> list[str]:
    return [*core_words(core), *FLAGS, f"-Wl,-T,{SCRIPT}"]
