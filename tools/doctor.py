"""`edgelstm doctor`: what is installed, and what is missing for what."""

import importlib.metadata
import platform
from collections.abc import Iterator
from typing import Any

import edgelstm
from edgelstm.runtimes import RUNTIMES
from edgelstm.tools import output, tables

# Distribution, what for, the line that installs it.
PACKAGES = (
    ("numpy", "everything", "pip install numpy"),
    ("numba", "fast run and Session; without it engine='reference'", "pip install numba"),
    ("onnx", "reading and writing .onnx", "pip install onnx"),
    ("flatbuffers", "writing .tflite", "pip install flatbuffers"),
    ("safetensors", "reading .safetensors", "pip install safetensors"),
    ("jinja2", "profile --html", "pip install jinja2"),
    ("torch", "from_torch and .pt files", 'pip install "edgelstm[torch]"'),
)


def main(*, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code."""
    found = list(_packages()) + list(_runtimes())
    machine = {
        "edgelstm": edgelstm.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
    }
    if as_json:
        output.print_json({"machine": machine, "packages": found})
    elif not quiet:
        out = output.console()
        out.print(tables.table("Machine", ("", ""), machine.items()))
        out.print()
        columns = ("package", "version", "for", "missing: how to get it")
        rows = [(p["name"], p["version"] or "-", p["for"], p["obstacle"] or "") for p in found]
        out.print(tables.table("Packages", columns, rows))
    return 0


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
            "obstacle": None if version else install,
        }


def _runtimes() -> Iterator[dict[str, Any]]:
    for name, runtime in RUNTIMES.items():
        yield {
            "name": name,
            "version": runtime.version,
            "for": f"checking {runtime.suffix} files",
            "obstacle": runtime.obstacle,
        }
