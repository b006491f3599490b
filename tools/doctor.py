"""`edgelstm doctor`: what is installed, and what is missing for what."""

import importlib.metadata
import platform
from collections.abc import Iterator
from typing import Any

import numpy as np

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.execution.backends import open_engine
from edgelstm.execution.stages import cores
from edgelstm.installed import BITS, INSTALL_32, check_installed, install_line, is_installed
from edgelstm.model.forms import refusal
from edgelstm.model.precision import PRECISIONS
from edgelstm.model.sizes import shapes
from edgelstm.runtimes import RUNTIMES
from edgelstm.tools import output
from edgelstm.tools.output import Report

# Distribution, what for, the line that installs it.
PACKAGES = (
    ("numpy", "everything", install_line("numpy")),
    ("numba", "fast run and Session; without it engine='reference'", install_line("numba")),
    ("onnx", "reading and writing .onnx", install_line("onnx")),
    ("flatbuffers", "writing .tflite", install_line("flatbuffers")),
    ("safetensors", "reading .safetensors", install_line("safetensors")),
    ("jinja2", "profile --html", install_line("jinja2")),
    ("torch", "from_torch and .pt files", 'pip install "edgelstm[torch]"'),
)


def main(*, warm: bool, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code."""
    if warm:
        check_installed("numba", "--warm")
        with output.progress(quiet) as tell:
            output.compile_kernels(_every_kernel(), tell)
    packages, runtimes = list(_packages()), list(_runtimes())
    machine = {
        "edgelstm": edgelstm.__version__,
        "python": platform.python_version(),
        "interpreter_bits": BITS,
        "machine": platform.machine(),
        "system": platform.platform(),
    }
    kernels = _kernels()
    if as_json:
        found = {"machine": machine, "kernels": kernels, "packages": packages + runtimes}
        output.print_json(found)
    elif not quiet:
        _print(machine, kernels, packages, runtimes)
    return 0


def _print(machine: Report, kernels: Report, packages: list[Any], runtimes: list[Any]) -> None:
    """Tables, then a line to copy for each that is missing; each thing once."""
    system = machine["system"]
    facts = ((name, str(fact)) for name, fact in machine.items())
    told = [(name, fact) for name, fact in facts if name == "system" or fact not in system]
    output.print_filled("Machine", ("", ""), told)
    if kernels["obstacle"] is None:  # else numba stands among the packages
        output.print_filled("Kernels", ("", ""), _kernel_rows(kernels))
    rows = [(p["name"], p["version"] or "-", p["for"]) for p in packages]
    output.print_filled("Packages", ("", "version", "for"), rows)
    rows = [(r["name"], r["version"] or "-", RUNTIMES[r["name"]].suffix) for r in runtimes]
    output.print_filled("Runtimes, for checking files", ("", "version", "files"), rows)
    if BITS == 32:
        output.print_line(f"a 32-bit Python installs edgelstm by: {INSTALL_32}", whole=True)
    for package in packages + runtimes:
        if package["obstacle"]:
            output.print_line(package["obstacle"], whole=True)


def _kernels() -> dict[str, Any]:
    """What the compiled kernels use, and where they are kept."""
    if not is_installed("numba"):
        return {"obstacle": "numba is not installed"}
    from edgelstm.kernels import cache
    from edgelstm.kernels.simd import target

    folder, unused = cache.folder(), cache.obstacle()
    kept = folder.glob(f"*{cache.SUFFIX}") if folder and not unused else ()
    sizes = [path.stat().st_size for path in kept]
    return {
        "processor": target.CPU,
        "instruction_set": target.describe(),
        "lacking": target.LACKING,
        "cache": folder and str(folder),
        "cache_obstacle": unused,
        "cache_files": len(sizes),
        "cache_bytes": sum(sizes),
        "obstacle": None,
    }


def _kernel_rows(kernels: Report) -> list[tuple[str, str]]:
    size = kernels["cache_bytes"] / 1024
    rows = [
        ("processor", kernels["processor"]),
        ("instruction set", kernels["instruction_set"]),
        ("cache", kernels["cache"] or "none"),
        ("in the cache", f"{kernels['cache_files']} kernels, {size:,.0f} KiB"),
    ]
    rows += [("not used", kernels["cache_obstacle"])] * bool(kernels["cache_obstacle"])
    return rows + [("cannot run", ", ".join(kernels["lacking"]))] * bool(kernels["lacking"])


def _every_kernel() -> Iterator[Any]:
    """Of every cell in every precision: single steps, one sequence, several side by side."""
    from edgelstm.kernels.simd.target import TILE_ROWS

    for cell_name in CELLS:
        network = shapes(cell_name, 2, 2, outputs=2)
        for precision in PRECISIONS.values():
            ready: Any = network
            if precision.weight_type != "float32":
                if any(refusal(part, precision) for part in network.layers[0].parts):
                    continue
                ready = edgelstm.quantize(network, np.ones((1, 2, 2), np.float32), precision.name)
            for batch in (1, TILE_ROWS * cores()):
                engine = open_engine("numba", ready, batch)
                yield from (*engine.kernels(), *engine.step_kernels())


def _packages() -> Iterator[dict[str, Any]]:
    for name, purpose, install in PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        yield {
            "name": name,
            "version": version,
            "for": purpose,
            "obstacle": None if version else f"{name} is not installed: {install}",
        }


def _runtimes() -> Iterator[dict[str, Any]]:
    for name, runtime in RUNTIMES.items():
        yield {
            "name": name,
            "version": runtime.version,
            "for": f"checking {runtime.suffix} files",
            "obstacle": runtime.obstacle,
        }
