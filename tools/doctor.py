"""`edgelstm doctor`: what is installed, and what is missing for what."""

import dataclasses
import importlib.metadata
import itertools
import platform
from collections.abc import Iterator
from typing import Any

import numpy as np

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.execution.backends import compile_kernels, open_engine
from edgelstm.execution.stages import cores
from edgelstm.installed import (
    BITS,
    CPU_WHEELS,
    INSTALL_32,
    check_installed,
    install_line,
    is_installed,
)
from edgelstm.layers.directions import parts
from edgelstm.model.forms import precision_for, refusal
from edgelstm.model.precision import PRECISIONS
from edgelstm.model.sizes import shapes
from edgelstm.runtimes import RUNTIMES
from edgelstm.tools import output

# Distribution, what for, the line that installs it.
PACKAGES = (
    ("numpy", "everything", install_line("numpy")),
    ("numba", "fast run and Session; without it engine='reference'", install_line("numba")),
    ("onnx", "reading and writing .onnx", install_line("onnx")),
    ("flatbuffers", "writing .tflite", install_line("flatbuffers")),
    ("safetensors", "reading .safetensors", install_line("safetensors")),
    ("h5py", "reading .keras and .h5", install_line("h5py")),
    ("jinja2", "profile --html", install_line("jinja2")),
    ("joulescope", "bench --power joulescope", install_line("joulescope")),
    ("gpiod", "bench --trigger", install_line("gpiod")),
    ("uv", "bench --remote HOST, of hosts without a package index", install_line("uv")),
    ("torch", "search, from_torch and .pt files", f'pip install "edgelstm[torch]" {CPU_WHEELS}'),
)


@dataclasses.dataclass(frozen=True)
class Package:
    """A distribution, what it is for, and why it is not usable; `version` None where absent."""

    name: str
    version: str | None
    purpose: str
    obstacle: str | None

    def to_dict(self) -> dict[str, Any]:
        """An object of `packages`."""
        about = {"name": self.name, "version": self.version}
        return about | {"for": self.purpose, "obstacle": self.obstacle}


@dataclasses.dataclass(frozen=True)
class Machine:
    """Versions and the machine."""

    edgelstm: str
    python: str
    interpreter_bits: int
    machine: str
    system: str


@dataclasses.dataclass(frozen=True)
class Kernels:
    """What the compiled kernels use, and where they are kept.

    Attributes:
        processor, instruction_set: That they are compiled for.
        lacking: What the processor has not, and kernels need.
        cache: Their folder, None without one.
        cache_obstacle: Why it is not used.
        cache_files, cache_bytes: What lies in it.
    """

    processor: str
    instruction_set: str
    lacking: tuple[str, ...]
    cache: str | None
    cache_obstacle: str | None
    cache_files: int
    cache_bytes: int


def main(*, warm: bool, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code."""
    if warm:
        check_installed("numba", "--warm")
        with output.progress(quiet) as tell:
            compile_kernels(_every_kernel(), tell)
    packages, runtimes = list(_packages()), list(_runtimes())
    machine, kernels = _machine(), _kernels()
    if as_json:
        output.print_json(
            {
                "machine": dataclasses.asdict(machine),
                "kernels": _kernels_dict(kernels),
                "packages": [package.to_dict() for package in packages + runtimes],
            }
        )
    elif not quiet:
        _print(machine, kernels, packages, runtimes)
    return 0


def _kernels_dict(kernels: Kernels | None) -> dict[str, Any]:
    if kernels is None:
        return {"obstacle": "numba is not installed"}
    return dataclasses.asdict(kernels) | {"obstacle": None}


def _print(
    machine: Machine, kernels: Kernels | None, packages: list[Package], runtimes: list[Package]
) -> None:
    """Tables, then a line to copy for each that is missing; each thing once."""
    facts = ((name, str(fact)) for name, fact in dataclasses.asdict(machine).items())
    told = [(name, fact) for name, fact in facts if name == "system" or fact not in machine.system]
    output.print_filled("Machine", ("", ""), told)
    if kernels:  # else numba stands among the packages
        output.print_filled("Kernels", ("", ""), _kernel_rows(kernels))
    rows = [(p.name, p.version or "-", p.purpose) for p in packages]
    output.print_filled("Packages", ("", "version", "for"), rows)
    rows = [(r.name, r.version or "-", RUNTIMES[r.name].suffix) for r in runtimes]
    output.print_filled("Runtimes, for checking files", ("", "version", "files"), rows)
    if BITS == 32:
        line = f"a 32-bit Python installs edgelstm by: {INSTALL_32} edgelstm"
        output.print_line(line, whole=True)
    for package in packages + runtimes:
        if package.obstacle:
            output.print_line(package.obstacle, whole=True)


def _machine() -> Machine:
    return Machine(
        edgelstm.__version__,
        platform.python_version(),
        BITS,
        machine=platform.machine(),
        system=platform.platform(),
    )


def _kernels() -> Kernels | None:
    """None without numba."""
    if not is_installed("numba"):
        return None
    from edgelstm.kernels import cache
    from edgelstm.kernels.simd import target

    folder, unused = cache.folder(), cache.obstacle()
    kept = folder.glob(f"*{cache.SUFFIX}") if folder and not unused else ()
    sizes = [path.stat().st_size for path in kept]
    return Kernels(
        target.CPU,
        target.describe(),
        tuple(target.LACKING),
        cache=str(folder) if folder else None,
        cache_obstacle=unused,
        cache_files=len(sizes),
        cache_bytes=sum(sizes),
    )


def _kernel_rows(kernels: Kernels) -> list[tuple[str, str]]:
    size = kernels.cache_bytes / 1024
    rows = [
        ("processor", kernels.processor),
        ("instruction set", kernels.instruction_set),
        ("cache", kernels.cache or "none"),
        ("in the cache", f"{kernels.cache_files} kernels, {size:,.0f} KiB"),
    ]
    if kernels.cache_obstacle:
        rows.append(("not used", kernels.cache_obstacle))
    if kernels.lacking:
        rows.append(("cannot run", ", ".join(kernels.lacking)))
    return rows


def _every_kernel() -> Iterator[Any]:
    """Of every cell in every precision: single steps, one sequence, several side by side."""
    from edgelstm.kernels import ends, readings
    from edgelstm.kernels.simd.target import LANES, TILE_ROWS

    yield from map(ends.kernel, ends.TEMPLATES)
    yield from readings.kernels()
    # Units of one vector, and of two, which are computed together.
    for cell_name, units in itertools.product(CELLS, (2, 2 * LANES)):
        network = shapes(cell_name, 2, units, outputs=2)
        for precision in PRECISIONS.values():
            ready: Any = network
            if precision.weight_type != "float32":
                every = parts(network.layers)
                if any(refusal(part, precision_for(every, precision.name)) for part in every):
                    continue
                ready = edgelstm.quantize(network, np.ones((1, 2, 2), np.float32), precision.name)
            for batch in (1, TILE_ROWS * cores()):
                engine = open_engine("numba", ready, batch)
                yield from (*engine.kernels(), *engine.step_kernels())
            if cores() > 1:
                yield from open_engine("numba", ready, 1).team_kernels()


def _packages() -> Iterator[Package]:
    for name, purpose, install in PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        obstacle = None if version else f"{name} is not installed: {install}"
        yield Package(name, version, purpose, obstacle)


def _runtimes() -> Iterator[Package]:
    for name, runtime in RUNTIMES.items():
        purpose = f"checking {runtime.suffix} files"
        yield Package(name, runtime.version, purpose, runtime.obstacle)
