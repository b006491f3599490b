"""FORMATS: which file formats are read and written, by suffix.

A new one is a file here and a line in this table. The module of a writer also holds `KINDS`: the
kinds of layers that it writes; and `layer_refusal(layer, precision)` where a kind in part.
"""

import dataclasses
import pathlib

from edgelstm.devices.cores import CORES
from edgelstm.errors import ModelError
from edgelstm.formats.elsewhere import way_out


@dataclasses.dataclass(frozen=True)
class Format:
    """Where a suffix is read and written: ``module:function``, loaded when it is needed.

    A reader is ``f(path, asked) -> AnyNetwork``; a writer is
    ``f(network, steps, streaming, target) -> Contents``: the path inside its folder to content, of
    a format of one file the path "" alone. `refusal` is ``f(direction, precision)``: why the writer
    has no form for it, or None; every writer has one. `facts` is ``f(path) -> FileFacts``, of
    formats that a runtime runs. `targets`: the runtimes that a file can be written for.
    `is_folder`: whether it is one, and not a file; its writer also takes ``name``, that of the
    folder, and `own` is ``f(path)``, a `ModelError` where one of others would be replaced.
    """

    reader: str | None = None
    writer: str | None = None
    refusal: str | None = None
    facts: str | None = None
    targets: tuple[str, ...] = ()
    is_folder: bool = False
    own: str | None = None

    def __post_init__(self) -> None:
        assert self.writer is None or self.refusal, "what a writer cannot hold would be lost"


FORMATS = {
    ".safetensors": Format(reader="torch.read:read_safetensors"),
    ".pt": Format(reader="torch.read:read_pt"),
    ".pth": Format(reader="torch.read:read_pt"),
    ".keras": Format(reader="keras.read:read"),
    ".h5": Format(reader="keras.read:read"),
    ".npz": Format(reader="npz:read", writer="npz:encode", refusal="npz:refusal"),
    ".onnx": Format(
        "onnx.read:read",
        "onnx.write:encode",
        "onnx:refusal",
        "onnx.signature:facts",
        ("onnxruntime",),
    ),
    ".tflite": Format(
        "tflite.read:read",
        "tflite.write:encode",
        "tflite:refusal",
        "tflite:facts",
        ("tflm", "cmsis-nn", "litert", "tflite-runtime"),
    ),
    "_c": Format(
        "c.read:read",
        "c.write:encode",
        "c:refusal",
        "c.read:facts",
        tuple(CORES),
        is_folder=True,
        own="c.read:check_own",
    ),
}


def suffix_of(path: pathlib.Path) -> str:
    """What chooses the format: the suffix, or the end of a folder's name.

    >>> suffix_of(pathlib.Path("net.ONNX")), suffix_of(pathlib.Path("out/speech_int8_c"))
    ('.onnx', '_c')
    """
    ends = (end for end, known in FORMATS.items() if known.is_folder and path.name.endswith(end))
    return next(ends, path.suffix.lower())


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
