"""How numba compiles kernels and what they are put together from."""

from typing import Any

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
# What only other compiled code calls: wrappers for Python and C take a fifth of the time.
INSIDE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# What a kernel is put together from: a call would pass every vector through memory.
INLINED: dict[str, Any] = {**OPTIONS, **INSIDE, "forceinline": True}
