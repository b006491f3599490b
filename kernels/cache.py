"""Compiled kernels kept on disk: one file per kernel, named by a hash of everything it depends on.

numba's own cache does not notice an edit in a file that a kernel imports, nor another option of a
decorator, and never finds functions that were made by a factory. Here a kernel is a template at
module level with some of its globals replaced, and its file's name holds the hash of every source
file of this folder, of the cell's equations, of numba's version and of the target.
"""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import os
import pathlib
import pickle
import stat
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

import llvmlite
import numba
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from edgelstm.kernels.simd.options import INLINED, INSIDE, OPTIONS
from edgelstm.kernels.simd.target import CPU, FEATURES, TRIPLE

SUFFIX = ".kernel"
EACH_TIME = "kernels are compiled anew, which takes seconds in each process"
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_digest_bytes = hashlib.sha256().digest_size


def folder() -> pathlib.Path | None:
    """Where compiled kernels lie: NUMBA_CACHE_DIR if it is set, else the user's cache folder.

    None for a user without a home folder, as in a container that runs under a number.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return pathlib.Path(os.environ["NUMBA_CACHE_DIR"]) / "edgelstm"
    name = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    try:
        return pathlib.Path(os.environ.get(name) or "~/.cache").expanduser() / "edgelstm"
    except RuntimeError:
        return None


def obstacle() -> str | None:
    """Why no compiled kernels are kept, or None; a folder that is still to be made is none."""
    try:
        with _own_folder():
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        return _said(error)


def digest(sources: tuple[str, ...], facts: str) -> str:
    """Hash of this folder's sources, further source files, and whatever else decides the code."""
    total = hashlib.sha256(_own_digest())
    for source in sources:
        total.update(pathlib.Path(source).read_bytes())
    # The head of an object is longer where Python counts references for several threads.
    python = (sys.implementation.cache_tag, object.__basicsize__)
    versions = (numba.__version__, llvmlite.__version__, *python)
    target = (TRIPLE, CPU, sorted(FEATURES))
    total.update(repr((facts, OPTIONS, target, versions)).encode())
    return total.hexdigest()[:24]


@functools.cache
def _own_digest() -> bytes:
    """Of this folder's sources, as this process found them."""
    own = pathlib.Path(__file__).parent
    total = hashlib.sha256()
    for path in sorted(own.rglob("*.py")):
        total.update(path.relative_to(own).as_posix().encode() + b"\0" + path.read_bytes())
    return total.digest()


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
        return numba.njit(**OPTIONS, **INSIDE)(bound(template, self.names | numbers, mark))


@dataclasses.dataclass(frozen=True, eq=False)
class Kernel:
    """A template that becomes machine code when its `function` or `address` is first asked for.

    Attributes:
        template: A function at module level.
        signature: numba types of its arguments.
        name: Of the file; holds the `digest`.
        parts: Makes the names to be bound; called only where the code has to be compiled.
    """

    template: Callable[..., Any]
    signature: Any
    name: str
    parts: Callable[[], Mapping[str, Any]] = dict

    @property
    def is_compiled(self) -> bool:
        """Whether `function` comes at once: its file is there."""
        if "_made" in self.__dict__:
            return True
        with contextlib.suppress(OSError), _own_folder() as (at, inside):
            os.stat(at / self._file_name, dir_fd=inside)
            return True
        return False

    @property
    def function(self) -> Any:
        """From disk where it is there, else compiled.

        It takes positional arguments and does not look at their types: the caller vouches for them.
        """
        return self._made.entry_point

    @functools.cached_property
    def address(self) -> int:
        """Of the same code, as a C function of its arguments; valid as long as the kernel lives."""
        made = self._made
        at: int = made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name)
        assert at, f"{self.name} has no such function"
        return at

    @functools.cached_property
    def _made(self) -> CompileResult:
        found = _read(self._file_name)
        if found is None:
            made = numba.njit(**OPTIONS)(bound(self.template, self.parts(), self.name))
            made.compile(self.signature)
            found = made.overloads[self.signature.args]
            _write(self._file_name, found)
        return found

    @property
    def _file_name(self) -> str:
        return f"{self.name}{SUFFIX}"


def _read(name: str) -> CompileResult | None:
    """What `_write` left; None if it is not there or cannot be used."""
    try:
        with _own_folder() as (at, inside):
            found = os.open(at / name, os.O_RDONLY | _NO_LINK, dir_fd=inside)
        with open(found, "rb") as file:
            _check_own(found, name)
            stored = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn(f"{_said(error)}: {EACH_TIME}")
        return None
    check, content = stored[:_digest_bytes], stored[_digest_bytes:]
    if hashlib.sha256(content).digest() != check:
        _warn(f"{name} in {folder()} is damaged: its kernel is compiled anew")
        return None
    target = cpu_target.target_context
    # Finished code needs none of numba's registries; its runtime only where it counts references.
    if b"NRT_" in content:
        rtsys.initialize(target)
    return CompileResult._rebuild(target, *pickle.loads(content))


def _write(name: str, made: CompileResult) -> None:
    """Written beside and renamed: other processes see a whole file or none."""
    # The last of the parts are the environments of what was inlined: no code is left that asks for
    # them, and reading them back imports half of numba.
    content = dumps((*made._reduce()[:-1], ()))
    path = folder()
    try:
        if path is not None:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _own_folder() as (at, inside):
            beside = at / f"{name}.{uuid.uuid4().hex[:16]}.tmp"
            try:
                new = os.open(beside, _NEW | _NO_LINK, 0o600, dir_fd=inside)
                with open(new, "wb") as file:
                    file.write(hashlib.sha256(content).digest() + content)
                os.replace(beside, at / name, src_dir_fd=inside, dst_dir_fd=inside)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(beside, dir_fd=inside)
    except OSError as error:
        _warn(f"{_said(error)}: {EACH_TIME}")


@contextlib.contextmanager
def _own_folder() -> Iterator[tuple[pathlib.Path, int | None]]:
    """The folder, opened once, so that no other takes its place between a check and its use.

    Yields:
        What to put before a name, and the descriptor that the name then is looked up in.

    Raises:
        OSError: It cannot be opened, or someone else could put code there that would be run.
    """
    path = folder()
    if path is None:
        raise PermissionError(errno.EPERM, "the user has no home folder; set NUMBA_CACHE_DIR")
    if sys.platform == "win32":  # where a profile is closed to other users
        if not path.resolve().is_relative_to(pathlib.Path.home().resolve()):
            raise PermissionError(errno.EPERM, "it lies outside of the user's profile")
        yield path, None
        return
    inside = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK)
    try:
        _check_own(inside, "it")
        yield pathlib.Path(), inside
    finally:
        os.close(inside)


def _check_own(opened: int, name: str) -> None:
    """`PermissionError` unless what is open belongs to the user and no one else can write there."""
    if sys.platform == "win32":
        return
    found = os.fstat(opened)
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, f"{name} belongs to another user")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, f"others can write to {name}; chmod go-w mends that")


def _said(error: OSError) -> str:
    return f"kernels cannot be kept in {folder()} ({error.strerror or error})"


_warned = False


def _warn(what: str) -> None:
    """Once per process."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(what, RuntimeWarning, stacklevel=5)
