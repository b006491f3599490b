"""A Python with numba for aarch64, run by qemu-user: `python -m tests.aarch64 FOLDER`.

Puts into FOLDER (0.45 GB) Debian's arm64 Python with what it needs, unpacked and not installed;
the aarch64 wheels of numpy, numba, llvmlite and two runtimes in the versions of this environment;
and for each board a tree of links with its /proc/cpuinfo, so that numba finds the processor as it
does there. What is there already is kept. Needs apt-get with Debian's sources, but neither root nor
a foreign architecture: the lists of packages lie in FOLDER too. `qemu-aarch64` itself comes from
`apt-get install qemu-user`. With EDGELSTM_AARCH64=FOLDER, tests/kernels/test_aarch64.py runs.
"""

import dataclasses
import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys

VARIABLE = "EDGELSTM_AARCH64"
# The last five: runtimes that `benchmarks.bench_instructions --peers` counts, and what they import.
WHEELS = (
    *("numpy", "numba", "llvmlite"),
    *("onnxruntime", "ai-edge-litert", "flatbuffers", "backports.strenum", "typing_extensions"),
)
PLATFORMS = tuple(f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 26, 17))


@dataclasses.dataclass(frozen=True)
class Board:
    """qemu's model of a processor, which traps on what it lacks, and what Linux says of it."""

    processor: str
    part: str
    features: str


BOARDS = {
    "rpi-4b": Board("cortex-a72", "0xd08", "fp asimd evtstrm crc32 cpuid"),
    "rpi-5": Board(
        "cortex-a76",
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp",
    ),
}


def command(folder: pathlib.Path, board: str, *options: str) -> list[str]:
    """What starts the board's Python; its arguments follow. `options` are qemu's."""
    tree = folder / board
    python = (folder / "root/usr/bin/python3").resolve()
    processor = BOARDS[board].processor
    return ["qemu-aarch64", "-L", str(tree), "-cpu", processor, *options, str(python)]


def settings(folder: pathlib.Path) -> dict[str, str]:
    """The environment of such a Python, which is started where this project lies."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_CPU", "PYTHON"))}
    return {**kept, "PYTHONPATH": f".{os.pathsep}{folder / 'site'}"}


def set_up(folder: pathlib.Path) -> None:
    """Fills the folder, unless it holds all in these versions."""
    folder = folder.resolve()
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in WHEELS]
    done = folder / "versions.txt"
    if not done.exists() or done.read_text() != " ".join(versions):
        for name in ("apt", "root", "site", *BOARDS):
            shutil.rmtree(folder / name, ignore_errors=True)
        _unpack(folder)
        _install(folder, versions)
        for name, board in BOARDS.items():
            _link(folder / name, board)
        done.write_text(" ".join(versions))


def _unpack(folder: pathlib.Path) -> None:
    """Debian's Python and all that it depends on, as on a machine without any package."""
    apt, root = folder / "apt", folder / "root"
    (apt / "lists/partial").mkdir(parents=True)
    (apt / "cache/archives/partial").mkdir(parents=True)
    (apt / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::State": apt,
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
    }
    apt_get = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    subprocess.run([*apt_get, "update"], check=True)
    packages = ["python3", "libstdc++6"]
    download = ["install", "--yes", "--download-only", "--no-install-recommends", *packages]
    subprocess.run([*apt_get, *download], check=True, stdout=subprocess.DEVNULL)
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    shutil.rmtree(apt)


def _install(folder: pathlib.Path, versions: list[str]) -> None:
    """The wheels that pip would take on the board."""
    python_version = os.readlink(folder / "root/usr/bin/python3").removeprefix("python")
    platforms = [option for name in PLATFORMS for option in ("--platform", name)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *platforms]
    wheels = ["--only-binary=:all:", "--python-version", python_version, *versions]
    subprocess.run([*pip, "--target", folder / "site", *wheels], check=True)


def _link(tree: pathlib.Path, board: Board) -> None:
    """qemu looks for a file in the tree first: only what is there differs from this machine."""
    (tree / "proc").mkdir(parents=True)
    for entry in (tree.parent / "root").iterdir():
        (tree / entry.name).symlink_to(f"../root/{entry.name}")
    told = {
        "processor": "0",
        "Features": board.features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU part": board.part,
    }
    (tree / "proc/cpuinfo").write_text("".join(f"{k}\t: {v}\n" for k, v in told.items()))


if __name__ == "__main__":
    set_up(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ[VARIABLE]))
