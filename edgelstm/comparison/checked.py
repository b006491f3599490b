"""Written files in their runtimes: what differs, and the memory that they need there."""

import pathlib
from collections.abc import Sequence

from edgelstm.comparison.measuring import Tell
from edgelstm.formats import AnyNetwork
from edgelstm.formats.table import suffix_of
from edgelstm.runtimes.arena import smallest_arena
from edgelstm.verification.results import Verified
from edgelstm.verification.verifier import SERVES, verify


def verified(
    network: AnyNetwork, paths: Sequence[pathlib.Path], tell: Tell
) -> tuple[Verified, ...]:
    """Each file of the network in each runtime that it is for."""
    found: list[Verified] = []
    for path in paths:
        if (suffix_of(path), network.precision) in SERVES:
            found += verify(
                path, network, tell=lambda file, runtime: tell(f"checking {file} in {runtime}")
            ).verified
    return tuple(found)


def tflite_of(paths: Sequence[pathlib.Path]) -> pathlib.Path | None:
    """The file for microcontrollers, if it was written."""
    return next((path for path in paths if path.suffix == ".tflite"), None)


def measured_arena(paths: Sequence[pathlib.Path], tell: Tell) -> int | None:
    """Bytes of the smallest arena in which TensorFlow Lite Micro ran the `.tflite` file here."""
    path = tflite_of(paths)
    if path is None:
        return None
    tell("finding the smallest arena")
    return smallest_arena(path)
