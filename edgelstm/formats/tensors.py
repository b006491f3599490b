"""What all readers share: tensors as float32, and errors that say where, in one line."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm import arguments
from edgelstm.errors import ModelError
from edgelstm.layers.recurrent import Floats

NEEDED = "give a file that holds a trained network"
FLOAT_TYPES = ("float16", "bfloat16", "float32", "float64")


@contextlib.contextmanager
def at(where: str) -> Iterator[None]:
    """A `ModelError` from inside gets `where` in front of it, and stays one line."""
    try:
        yield
    except ModelError as error:
        raise ModelError(" ".join(f"{where}: {error}".splitlines())) from None


def one_line(error: object) -> str:
    """The first line of an error's text, or its type: what fits into an error of one line."""
    return next(iter(str(error).strip().splitlines()), "").strip()[:200] or type(error).__name__


def float32(array: NDArray[Any], name: str) -> Floats:
    """A copy in float32; `ModelError` with its name if it holds anything but floats."""
    if array.dtype.name not in FLOAT_TYPES:
        raise ModelError(
            f"tensor '{name}' is {array.dtype.name}; weights are needed in "
            f"{', '.join(FLOAT_TYPES)}; save the model before it was quantized"
        )
    return np.array(arguments.float32(array), order="C")


def rounding(arrays: Iterable[NDArray[Any]]) -> tuple[str, ...]:
    """What to say in `Network.assumed` if float32 cannot hold all these values; else nothing."""
    for array in arrays:
        with np.errstate(invalid="ignore"):
            if array.dtype == np.float64 and np.any(array != float32(array, "")):
                return ("float64 weights are rounded to float32",)
    return ()


def from_torch_tensor(tensor: Any) -> NDArray[Any]:
    """A copy of a `torch.Tensor` in NumPy; bfloat16, which NumPy lacks, as float32."""
    try:
        tensor = tensor.detach().cpu()
        return np.array(
            (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
        )
    except Exception as error:  # sparse ones, and classes of others
        raise ModelError(
            f"holds a {type(tensor).__name__} whose values cannot be read ({one_line(error)}); "
            "give the module plain tensors"
        ) from None
