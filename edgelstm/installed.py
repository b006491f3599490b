"""Packages that some parts need alone, and the lines that install them."""

import importlib.util
import struct

from edgelstm.errors import ModelError

BITS = 8 * struct.calcsize("P")  # of the interpreter: a 64-bit kernel says aarch64 to both
# torch's wheels of the usual index bring gigabytes of CUDA.
CPU_WHEELS = "--extra-index-url https://download.pytorch.org/whl/cpu"
NO_WHEEL_32 = ("numba", "onnx")  # for 32-bit ARM on PyPI
EXTRAS = {  # packages that an extra installs
    "h5py": '"edgelstm[keras]"',
    "joulescope": '"edgelstm[joulescope]"',
    "gpiod": '"edgelstm[gpio]"',
    "uv": '"edgelstm[remote]"',
}
# In this order pip does not miss what has no wheel.
INSTALL_32 = "pip install numpy typer rich flatbuffers safetensors jinja2 && pip install --no-deps"


def install_line(package: str, bits: int = BITS) -> str:
    """What installs a package, or why nothing does.

    >>> install_line("onnx", 64)
    'pip install onnx'
    >>> install_line("h5py", 64)
    'pip install "edgelstm[keras]"'
    >>> install_line("onnx", 32)
    'it has no wheel for a 32-bit Python; a 64-bit system has one'
    """
    if bits == 32 and package in NO_WHEEL_32:
        return "it has no wheel for a 32-bit Python; a 64-bit system has one"
    return f"pip install {EXTRAS.get(package, package)}"


def is_installed(package: str) -> bool:
    """Whether it can be imported; nothing is."""
    return importlib.util.find_spec(package) is not None


def check_installed(package: str, purpose: str) -> None:
    """`ModelError` with the line that installs it, if a package is missing."""
    if not is_installed(package):
        raise ModelError(f"{purpose} needs {package}: {install_line(package)}")
