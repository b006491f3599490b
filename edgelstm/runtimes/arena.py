"""How much memory TensorFlow Lite Micro needs for a file, found by running it."""

from pathlib import Path

from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.isolation import run_child


def smallest_arena(path: str | Path, *, timeout_s: float = 60.0) -> int | None:
    """Bytes of the smallest tensor arena in which TFLM's own interpreter runs a .tflite file.

    Pointers are twice as wide here as on a microcontroller with reference kernels, so it is an
    upper bound there.

    Args:
        path: Of the file.
        timeout_s: For the whole search.

    Returns:
        A multiple of 16, or None: TFLM is not installed here, or does not run the file (`execute`
        tells why).
    """
    if RUNTIMES["tflm"].obstacle is not None:
        return None
    found = run_child(["arena", str(path)], {}, timeout_s=timeout_s).outputs
    return None if found is None else int(found)
