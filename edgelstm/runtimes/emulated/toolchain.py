"""The cross compiler: zig from PyPI, for every core."""

import importlib.metadata
import subprocess
import sys
import tempfile
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
HERE = Path(__file__).parent
STOP, FAULT = "edgelstm_board_stop", "edgelstm_board_fault"
SECTIONS, START, PLUGIN = HERE / "core.ld", HERE / "board.c", HERE / "count.c"
VERBS = ("init", "reset", "step", "run", "quantize", "dequantize")
KIB, MIB = 1 << 10, 1 << 20
# Beginning and bytes of memory for code, constants and variables. In Unicorn they are far from each
# other, so that an access beyond one hits an unmapped page; boards of QEMU have theirs.
Memory = dict[str, tuple[int, int]]
UNICORN: Memory = {
    "CODE": (0x00010000, 4 * MIB),
    "FLASH": (0x08000000, 16 * MIB),
    "RAM": (0x1F000000, MIB),
}
_MPS2: Memory = {
    "CODE": (0x00000000, MIB),
    "FLASH": (0x00100000, 3 * MIB),
    "RAM": (0x20000000, 4 * MIB),
}
BOARDS: dict[str, Memory] = {
    "microbit": {
        "CODE": (0x00000000, 64 * KIB),
        "FLASH": (0x00010000, 192 * KIB),
        "RAM": (0x20000000, 16 * KIB),
    },
    "mps2-an385": _MPS2,
    "mps2-an386": _MPS2,
    "mps2-an500": _MPS2,
    "mps2-an505": {
        "CODE": (0x10000000, MIB),
        "FLASH": (0x10100000, 3 * MIB),
        "RAM": (0x38000000, 2 * MIB),
    },
    "mps3-an547": {
        "CODE": (0x00000000, 512 * KIB),
        "FLASH": (0x01000000, 2 * MIB),
        "RAM": (0x20000000, 512 * KIB),
    },
}


def compiler_version() -> str:
    """Such as `zig 0.17.1`; `ImportError` where it is missing."""
    try:
        return f"zig {importlib.metadata.version('ziglang')}"
    except importlib.metadata.PackageNotFoundError:
        raise ImportError('ziglang is not installed: pip install "edgelstm[mcu]"') from None


def image_of(
    folder: Folder, core: str, defines: Sequence[str] = (), *, board: str | None = None
) -> Path:
    """The folder as a linked ELF image for a core, built once.

    Args:
        folder: Of C.
        core: Key of `CORES`.
        defines: More words for the compiler, as `-DEDGELSTM_PORTABLE`.
        board: Of QEMU that it is linked for; None: Unicorn, or the core's board where Unicorn does
            not emulate it.

    Raises:
        ImportError: There is no compiler.
        RuntimeError: It refuses the sources; its words.
    """
    board = board or own_board(core)

    def build(target: Path) -> None:
        link_folders([folder], core, target, defines, board=board)

    start = START.read_text() if board else ""
    words = [compiler_version(), core, *FLAGS, *defines, script(board), start]
    return kept(folder, words, ".elf", build)


def own_board(core: str) -> str | None:
    """The board of QEMU that emulates a core which Unicorn does not."""
    return None if CORES[core].emulator else CORES[core].board


def script(board: str | None) -> str:
    """The linker's."""
    memory = BOARDS[board] if board else UNICORN
    lines = [f"    {name} : ORIGIN = {at:#x}, LENGTH = {n}" for name, (at, n) in memory.items()]
    stack = sum(memory["RAM"])
    ends = f"edgelstm_board_stack = {stack:#x};"
    return "\n".join(["MEMORY", "{", *lines, "}", ends, SECTIONS.read_text()])


def link_folders(
    folders: Sequence[Folder],
    core: str,
    target: Path,
    defines: Sequence[str] = (),
    *,
    board: str | None = None,
) -> None:
    """Compiles and links folders into one image; the kernels that they share once."""
    sources = {source.name: source for folder in folders for source in folder.sources}
    includes = [f"-I{folder.path / 'src'}" for folder in folders]
    roots = [f"-Wl,-u,{folder.name}_{verb}" for folder in folders for verb in VERBS]
    entry = "edgelstm_board_reset" if board else f"{folders[0].name}_run"
    with tempfile.TemporaryDirectory() as place:
        memory = Path(place) / "memory.ld"
        memory.write_text(script(board))
        words = [*core_words(core), *FLAGS, *defines, f"-Wl,-T,{memory}", f"-Wl,-e,{entry}"]
        started = [START] if board else []
        roots += [f"-Wl,-u,{name}" for name in (STOP, FAULT) if board]
        compile_c([*words, *roots, *includes], [*started, *sources.values()], target)


def compile_c(words: Sequence[str], sources: Sequence[Path], target: Path) -> None:
    """Calls the compiler; `RuntimeError` with its words."""
    command = [sys.executable, "-m", "ziglang", "cc", *words, "-o", str(target), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"zig cc fails: {done.stderr.strip()}")


def core_words(core: str) -> list[str]:
    """What the compiler is told of a core."""
    line = CORES[core]
    assert line.target and line.mcpu, f"{core} has no target"
    return ["-target", line.target, f"-mcpu={line.mcpu}"]
