"""FORMATS: which file formats are read and written, by suffix.

A new one is a file here and a line in this table.
"""

import dataclasses
import importlib
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from edgelstm.arguments import MOST_STEPS, check_type, is_whole
from edgelstm.errors import ModelError
from edgelstm.files.disk import as_path, obstacle, write_whole
from edgelstm.formats.asked import Asked
from edgelstm.formats.elsewhere import no_file, way_out
from edgelstm.formats.integers import check_integers
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.tensors import NEEDED, at
from edgelstm.installed import check_installed
from edgelstm.layers.directions import check_whole_sequence, parts
from edgelstm.layers.recurrent import Direction
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

AnyNetwork = Network | QuantizedNetwork

WRITTEN = ("lstm", "gru", "gru_reset_before")  # cells; others are counted and run, not written yet
FUSED = ("lstm",)  # cells with an operator of their own in TensorFlow Lite and in integers


@dataclasses.dataclass(frozen=True)
class Format:
    """Where a suffix is read and written: ``module:function``, loaded when it is needed.

    A reader is ``f(path, asked) -> AnyNetwork``; a writer is
    ``f(network, steps, streaming, target) -> bytes``; `facts` is ``f(path) -> FileFacts``, of
    formats that a runtime runs. `targets`: the runtimes that a file can be written for.
    """

    reader: str | None = None
    writer: str | None = None
    facts: str | None = None
    targets: tuple[str, ...] = ()


LONGEST_CALL = 5_000  # beyond, a calibration sequence is a recording, and not what a call gets

FORMATS = {
    ".safetensors": Format(reader="torch:read_safetensors"),
    ".pt": Format(reader="torch:read_pt"),
    ".pth": Format(reader="torch:read_pt"),
    ".npz": Format(reader="npz:read", writer="npz:encode"),
    ".onnx": Format(
        "onnx.read:read", "onnx.write:encode", "onnx.signature:facts", ("onnxruntime",)
    ),
    ".tflite": Format(
        "tflite.read:read",
        "tflite.write:encode",
        "tflite:facts",
        ("tflm", "cmsis-nn", "litert", "tflite-runtime"),
    ),
}


def read(
    path: str | os.PathLike[str],
    head: str | None = None,
    activation: str | None = None,
    order: Sequence[str] | None = None,
) -> AnyNetwork:
    """A network from a file; the suffix chooses the format.

    Args:
        path: `.safetensors`, `.pt`, `.npz`, `.onnx` or `.tflite`.
        head: For files of weights alone, as are the others: whether the dense head reads the
            `last` step or `each`; None: the last.
        activation: Of a single dense layer, or of each but the last of several, which need it;
            None: no activation.
        order: Prefixes of the layers' tensors in the order in which the layers run,
            ``("encoder", "decoder", "fc")``; None: the one in which the sizes fit, else that of a
            `.pt` file, else that of numbers in the names; where all leave it open, it is needed.

    Returns:
        A `Network`, or a `QuantizedNetwork` for a quantized file.

    Raises:
        ModelError: The file is absent, broken, or holds what is not supported; nothing in it is
            executed.
    """
    path, asked = as_path(path), Asked(head, activation, order)
    reader = _reader(path, "reader")
    network: AnyNetwork = reader(path, asked)
    return network


def facts(path: str | os.PathLike[str]) -> FileFacts:
    """How a written file is called; `ModelError` if it is broken or of a format without runtime."""
    path = as_path(path)
    found: FileFacts = _reader(path, "facts")(path)
    return found


def write(
    network: AnyNetwork,
    path: str | os.PathLike[str],
    steps: int | None = None,
    streaming: bool = False,
    target: str | None = None,
) -> pathlib.Path:
    """Writes a network; the suffix chooses the format. The file is whole or absent.

    Args:
        network: Float or quantized.
        path: `.tflite`, `.onnx` or `.npz`.
        steps: Steps of a `.tflite` file; None: 1 if streaming, else the longest calibration
            sequence, else 100, also where that is longer than `LONGEST_CALL`.
        streaming: One step a call, with the state inside (`.tflite`) or as inputs and outputs
            (`.onnx`); not for bidirectional layers.
        target: The runtime it is for, whose refusals then are errors; None: no one in particular.

    Returns:
        The path.

    Raises:
        ModelError: The format has no form for this network, or the file cannot be written.
    """
    path = as_path(path)
    with at(str(path)):
        content = encode(network, path.suffix, steps=steps, streaming=streaming, target=target)
    write_whole(path, content)
    return path


def encode(
    network: AnyNetwork,
    suffix: str,
    *,
    steps: int | None = None,
    streaming: bool = False,
    target: str | None = None,
) -> bytes:
    """The content of the file that `write` writes."""
    encoder = _function(suffix, "writer")
    check_type(network, AnyNetwork, "network", "a Network or a QuantizedNetwork is written")
    _check_written(network)
    if isinstance(network, QuantizedNetwork):
        check_integers(network)
    if streaming:
        check_whole_sequence(network.layers)
    if target is not None and target_suffix(target) != suffix.lower():
        raise ModelError(f"target '{target}' reads {target_suffix(target)}, not {suffix}")
    steps = default_steps(network, streaming) if steps is None else steps
    check_steps(steps, streaming)
    content: bytes = encoder(network, steps=int(steps), streaming=streaming, target=target)
    return content


def check_steps(steps: int, streaming: bool) -> None:
    """`ModelError` unless a file can have so many steps a call."""
    if not is_whole(steps) or steps > (1 if streaming else MOST_STEPS):
        needed = "1, or left out, when streaming" if streaming else f"from 1 to {MOST_STEPS:,}"
        raise ModelError(f"steps is {steps}; it must be {needed}")


def check_suffix(suffix: str, role: str) -> str:
    """What reads or writes a suffix: ``module:function``; `ModelError` if nothing does."""
    place: str | None = getattr(FORMATS.get(suffix.lower()), role, None)
    if place is None:
        known = ", ".join(suffix for suffix, f in FORMATS.items() if getattr(f, role))
        verb = {"reader": "read", "writer": "written", "facts": "run"}[role]
        other = way_out(suffix) if role == "reader" else ""
        raise ModelError(f"files of type '{suffix}' are not {verb}; these are: {known}{other}")
    return place


def target_suffix(target: str) -> str:
    """The suffix of the files that a target reads; an unknown target is a `ModelError`."""
    for suffix, known in FORMATS.items():
        if target in known.targets:
            return suffix
    names = [name for known in FORMATS.values() for name in known.targets]
    raise ModelError(f"target '{target}' is unknown; known: {', '.join(names)}")


def _check_written(network: AnyNetwork) -> None:
    for layer in parts(network.layers):
        if not isinstance(layer, Direction):
            continue
        if layer.cell_name not in WRITTEN or layer.projection_size:
            what = layer.cell_name + (" with a projection" if layer.projection_size else "")
            raise ModelError(
                f"layer '{layer.name}': a {what} cannot be written to a file yet, only counted "
                f"and run; what is written: {', '.join(WRITTEN)}"
            )


def has_file(network: AnyNetwork, suffix: str, precision: str) -> bool:
    """Whether `encode` has a form for these cells at a precision; their sizes do not matter."""
    float_onnx = suffix == ".onnx" and precision == "float32"
    cells = WRITTEN if float_onnx or suffix == ".npz" else FUSED
    return all(
        layer.cell_name in cells and not layer.projection_size
        for layer in parts(network.layers)
        if isinstance(layer, Direction)
    )


def default_steps(network: AnyNetwork, streaming: bool) -> int:
    """Steps of a file when none are asked for."""
    return 1 if streaming else calibrated_steps(network.steps)


def calibrated_steps(longest: int | None) -> int:
    """Steps of a file after calibration: those of the longest sequence, if it is no recording."""
    return longest if longest and longest <= LONGEST_CALL else 100


def _reader(path: pathlib.Path, role: str) -> Callable[..., Any]:
    """What reads a file, if there is one to read."""
    if refused := no_file(path):
        raise ModelError(f"{path} {refused}")
    with at(str(path)):
        found = _function(path.suffix, role)
    if refused := obstacle(path):
        raise ModelError(f"{path} {refused}; {NEEDED}")
    return found


def _function(suffix: str, role: str) -> Callable[..., Any]:
    """The reader or writer of a suffix."""
    module, function = check_suffix(suffix, role).split(":")
    if suffix.lower() == ".onnx":
        check_installed("onnx", "reading and writing .onnx")
    return getattr(importlib.import_module(f"edgelstm.formats.{module}"), function)  # type: ignore[no-any-return]
