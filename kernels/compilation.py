"""Compiled kernels kept on disk: one file per kernel, named by a hash of everything it depends on.

numba's own cache does not notice an edit in a file that a kernel imports, nor another option of a
decorator, and never finds functions that were made by a factory. Here a kernel is a template at
module level with some of its globals replaced, and its file's name holds the hash of every source
file of this folder, of the cell's equations, of numba's version and of the target.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import pickle
import sys
import uuid
import warnings
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import llvmlite
import numba
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from edgelstm.kernels.simd.target import CPU, FEATURES, TRIPLE

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
# What a kernel is put together from: a call would pass every vector through memory.
INLINED: dict[str, Any] = {**OPTIONS, "forceinline": True}
SUFFIX = ".kernel"
EACH_TIME = "kernels are compiled anew, which takes seconds in each process"
_digest_bytes = hashlib.sha256().digest_size


def folder() -> pathlib.Path:
    """Where compiled kernels lie: NUMBA_CACHE_DIR if it is set, else the user's cache folder."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return pathlib.Path(os.environ["NUMBA_CACHE_DIR"]) / "edgelstm"
    if sys.platform == "win32":
        return pathlib.Path(os.environ.get("LOCALAPPDATA", "~")).expanduser() / "edgelstm"
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "edgelstm"


def digest(sources: tuple[str, ...], facts: str) -> str:
    """Hash of this folder's sources, further source files, and whatever else decides the code."""
    own = pathlib.Path(__file__).parent
    total = hashlib.sha256()
    for path in sorted(own.rglob("*.py")):
        total.update(path.relative_to(own).as_posix().encode() + b"\0" + path.read_bytes())
    for source in sources:
        total.update(pathlib.Path(source).read_bytes())
    # The head of an object is longer where Python counts references for several threads.
    python = (sys.implementation.cache_tag, object.__basicsize__)
    versions = (numba.__version__, llvmlite.__version__, *python)
    target = (TRIPLE, CPU, sorted(FEATURES))
    total.update(repr((facts, OPTIONS, target, versions)).encode())
    return total.hexdigest()[:24]


def bound(template: Callable[..., Any], parts: Mapping[str, Any], mark: str) -> Any:
    """The template with `parts` in place of globals of these names.

    Args:
        template: A function at module level.
        parts: What stands for the names that it leaves open.
        mark: Goes into the function's name, and tells all that the code depends on. What numba adds
            to tell functions of one name apart begins anew in each process: of two files whose code
            has the same names a process would run one for both.
    """
    code, space = template.__code__, {**template.__globals__, **parts}
    made = FunctionType(code, space, template.__name__)
    made.__qualname__ = f"{template.__name__}_{mark}"
    return made


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the templates of some kernels leave open; a template sees what was added before it.

    Attributes:
        mark: See `bound`.
        names: What stands for each name.
    """

    mark: str
    names: dict[str, Any]

    def inlined(self, template: Callable[..., Any]) -> Any:
        """The template as jitted code that becomes part of what calls it."""
        return numba.njit(**INLINED)(bound(template, self.names, self.mark))

    def called(self, template: Callable[..., Any], **numbers: int) -> Any:
        """The template as a jitted function of its own, for these numbers."""
        mark = "_".join([self.mark, *map(str, numbers.values())])
        return numba.njit(**OPTIONS)(bound(template, self.names | numbers, mark))


def compiled(
    template: Callable[..., Any], signature: Any, name: str, parts: Callable[[], Mapping[str, Any]]
) -> Any:
    """The template as machine code, from disk where it is there.

    Args:
        template: A function at module level.
        signature: numba types of its arguments.
        name: Of the file; holds the `digest`.
        parts: Makes the names to be bound; called only where the code has to be compiled.

    Returns:
        A function of positional arguments that does not look at their types: the caller vouches
        for them.
    """
    path = folder() / f"{name}{SUFFIX}"
    found = _read(path)
    if found is None:
        made = numba.njit(**OPTIONS)(bound(template, parts(), name))
        made.compile(signature)
        found = made.overloads[signature.args]
        _write(path, found)
    return found.entry_point


def _read(path: pathlib.Path) -> CompileResult | None:
    """What `_write` left; None if it is not there or cannot be used."""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn(f"{path} cannot be read ({error}): {EACH_TIME}")
        return None
    check, content = stored[:_digest_bytes], stored[_digest_bytes:]
    if hashlib.sha256(content).digest() != check:
        _warn(f"{path} is damaged: its kernel is compiled anew")
        return None
    target = cpu_target.target_context
    # Finished code needs none of numba's registries; its runtime only where it counts references.
    if b"NRT_" in content:
        rtsys.initialize(target)
    return CompileResult._rebuild(target, *pickle.loads(content))


def _write(path: pathlib.Path, made: CompileResult) -> None:
    """Written beside and renamed: other processes see a whole file or none."""
    # The last of the parts are the environments of what was inlined: no code is left that asks for
    # them, and reading them back imports half of numba.
    content = dumps((*made._reduce()[:-1], ()))
    beside = path.with_suffix(f".{uuid.uuid4().hex[:16]}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(beside, path)
    except OSError as error:
        _warn(f"{path.parent} cannot be written ({error}): {EACH_TIME}")
        with contextlib.suppress(OSError):
            beside.unlink()


_warned = False


def _warn(what: str) -> None:
    """Once per process."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(what, RuntimeWarning, stacklevel=5)
