"""Reading and writing networks; which formats there are stands in `table`."""

import importlib
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from edgelstm.arguments import check_type
from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents, as_path, obstacle, write_contents
from edgelstm.formats.asked import Asked
from edgelstm.formats.elsewhere import no_file
from edgelstm.formats.integers import check_integers
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.steps import check_steps, check_streaming, default_steps
from edgelstm.formats.table import FORMATS, check_suffix, suffix_of, target_suffix
from edgelstm.formats.tensors import NEEDED, at
from edgelstm.installed import check_installed
from edgelstm.layers.activation import LEFT_OFF, Activation
from edgelstm.layers.directions import NEUTRAL, check_whole_sequence, parts
from edgelstm.model import forms
from edgelstm.model.network import Network
from edgelstm.model.precision import PRECISIONS, Precision, find_precision
from edgelstm.quantization.quantized import QuantizedNetwork

AnyNetwork = Network | QuantizedNetwork


def read(
    path: str | os.PathLike[str],
    head: str | None = None,
    activation: str | None = None,
    order: Sequence[str] | None = None,
    node: str | Sequence[str] | None = None,
) -> AnyNetwork:
    """A network from a file; the suffix chooses the format.

    Args:
        path: `.safetensors`, `.pt`, `.npz`, `.onnx`, `.tflite`, `.keras` or `.h5`; a folder of C,
            `NAME_c`.
        head: For files of weights alone, as are the others: whether the dense head reads the
            `last` step or `each`; None: the last.
        activation: Of a single dense layer, or of each but the last of several, which need it;
            None: no activation.
        order: Prefixes of the layers' tensors in the order in which the layers run,
            ``("encoder", "decoder", "fc")``; None: the one in which the sizes fit, else that of a
            `.pt` file, else that of numbers in the names; where all leave it open, it is needed.
        node: Of a larger `.onnx`: the recurrent node that is read alone, or several that follow
            each other; by name, or where a node has none, by that of its output.

    Returns:
        A `Network`, or a `QuantizedNetwork` for a quantized file.

    Raises:
        ModelError: The file is absent, broken, or holds what is not supported; nothing in it is
            executed.
    """
    path, asked = as_path(path), Asked(head, activation, order, node)
    reader = _reader(path, "reader")
    if node is not None and suffix_of(path) != ".onnx":
        raise ModelError(f"{path}: node is for .onnx files; leave it out")
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
    streaming: bool | str = False,
    target: str | None = None,
) -> pathlib.Path:
    """Writes a network; the suffix chooses the format. The file, or folder, is whole or as before.

    Args:
        network: Float or quantized.
        path: `.tflite`, `.onnx` or `.npz`; a name that ends in `_c` becomes a folder of C.
        steps: Steps of a `.tflite` file; None: 1 if streaming, else the longest calibration
            sequence, else 100, also where that is longer than `steps.LONGEST_CALL`.
        streaming: One step a call, with the state inside (`.tflite`) or as inputs and outputs
            (`.onnx`, and `.tflite` with "io"); not for bidirectional layers.
        target: The runtime it is for, whose refusals are then errors, or a folder's core; None:
            any.

    Returns:
        The path.

    Raises:
        ModelError: The format has no form for this network, or the file cannot be written.
    """
    path = as_path(path)
    with at(str(path)):
        asked: Any = {"steps": steps, "streaming": streaming, "target": target}
        contents = encode(network, suffix_of(path), name=path.name, **asked)
    check_replaced(path)
    write_contents(path, contents)
    return path


def check_replaced(path: pathlib.Path) -> None:
    """`ModelError` if a folder stands there that holds files of others."""
    if (own := FORMATS[suffix_of(path)].own) and path.is_dir():
        _loaded(own)(path)


def encode(
    network: AnyNetwork,
    suffix: str,
    *,
    steps: int | None = None,
    streaming: bool | str = False,
    target: str | None = None,
    name: str = "network",
) -> Contents:
    """What `write` writes; a folder's `name` is what its functions are called after."""
    encoder = _function(suffix, "writer")
    check_written(network, suffix)
    check_streaming(streaming)
    if streaming:
        check_whole_sequence(network.layers)
    if target is not None and target_suffix(target) != suffix.lower():
        raise ModelError(f"target '{target}' reads {target_suffix(target)}, not {suffix}")
    steps = default_steps(network, streaming) if steps is None else steps
    check_steps(steps, streaming, network.fixed_steps)
    more = {"name": name} if FORMATS[suffix.lower()].is_folder else {}
    made: Contents = encoder(network, steps=int(steps), streaming=streaming, target=target, **more)
    return made


def check_written(network: AnyNetwork, suffix: str) -> None:
    """`ModelError` where a format that is written has no form for a network."""
    check_type(network, AnyNetwork, "network", "a Network or a QuantizedNetwork is needed")
    for layer in network.layers:
        if told := _layer_refused(layer, suffix, _precision(network, network.precision)):
            raise ModelError(f"layer '{layer.name}': {told}")
        for part in layer.parts:
            if told := refusal(part, suffix, part.precision):
                raise ModelError(f"layer '{part.name}': {told}{_written_instead(part)}")
    if isinstance(network, QuantizedNetwork):
        check_integers(network)


def refusal(part: Any, suffix: str, precision: str) -> str | None:
    """Why files of a format have no form for a part of a network at a precision; None: they have.

    Args:
        part: A direction of a recurrent layer, or a dense layer; of a float network it may be asked
            for any precision, and a precision may have no form for it in any format.
        suffix: Of a format that is written.
        precision: Key of `PRECISIONS`.
    """
    told = _unknown_kind(part.kind, suffix)
    if told is None and part.precision == "float32" and not _is_neutral(part):
        told = forms.refusal(part, forms.precision_for((part,), precision))
    if told or part.kind != "recurrent":
        return told
    found: str | None = _loaded(str(FORMATS[suffix.lower()].refusal))(part, precision)
    return found


def _is_neutral(part: Any) -> bool:
    """Whether a real part has nothing to do with a precision."""
    own = part.kind == Activation.kind and part.function not in LEFT_OFF
    return part.kind in NEUTRAL and not own


def _unknown_kind(kind: str, suffix: str) -> str | None:
    """Why a format has no form for a kind of layer, or None."""
    module = str(FORMATS[suffix.lower()].writer).split(":")[0]
    kinds = importlib.import_module(f"edgelstm.formats.{module}").KINDS
    if kind in kinds:
        return None
    return f"{suffix} has no form for a layer of the kind '{kind}'; written are {', '.join(kinds)}"


def _precision(network: AnyNetwork, name: str) -> Precision:
    """Of a network; of real values any that it may be quantized to."""
    if isinstance(network, QuantizedNetwork) and name == network.precision:
        return find_precision(name, network.form)
    return forms.precision_for(parts(network.layers), name)


def _layer_refused(layer: Any, suffix: str, precision: Precision) -> str | None:
    """Why a format has no form for a layer, or for what of its kind this layer does, or None."""
    module = str(FORMATS[suffix.lower()].writer).split(":")[0]
    asked = getattr(importlib.import_module(f"edgelstm.formats.{module}"), "layer_refusal", None)
    told: str | None = asked(layer, precision) if asked else None
    return told or _unknown_kind(layer.kind, suffix)


def has_file(network: AnyNetwork, suffix: str, precision: str) -> bool:
    """Whether `encode` has a form for these layers at a precision; their sizes do not matter."""
    chosen = _precision(network, precision)
    if any(_layer_refused(layer, suffix, chosen) for layer in network.layers):
        return False
    return not any(refusal(part, suffix, precision) for part in parts(network.layers))


def _written_instead(part: Any) -> str:
    """Formats and precisions that have a form for a part that another has none for."""
    works = []
    for suffix in (suffix for suffix, known in FORMATS.items() if known.writer):
        names = PRECISIONS if part.precision == "float32" else (part.precision,)
        found = [name for name in names if refusal(part, suffix, name) is None]
        works += [f"{suffix} ({', '.join(found)})"] * bool(found)
    return f"; what works for it: {', '.join(works)}"


def _reader(path: pathlib.Path, role: str) -> Callable[..., Any]:
    """What reads a file, if there is one to read."""
    suffix = suffix_of(path)
    known = FORMATS.get(suffix)
    if known and known.is_folder and path.exists():
        if path.is_dir():
            return _function(suffix, role)
        raise ModelError(f"{path} is a file, not a folder; give the folder that was written")
    if refused := no_file(path):
        raise ModelError(f"{path} {refused}")
    with at(str(path)):
        found = _function(suffix if known else path.suffix, role)
    if refused := obstacle(path):
        raise ModelError(f"{path} {refused}; {NEEDED}")
    return found


def _function(suffix: str, role: str) -> Callable[..., Any]:
    """The reader or writer of a suffix."""
    place = check_suffix(suffix, role)
    if suffix.lower() == ".onnx":
        check_installed("onnx", "reading and writing .onnx")
    return _loaded(place)


def _loaded(place: str) -> Callable[..., Any]:
    """The function of ``module:function``."""
    module, function = place.split(":")
    return getattr(importlib.import_module(f"edgelstm.formats.{module}"), function)  # type: ignore[no-any-return]
