"""A `.tflite` file as C++ for TensorFlow Lite Micro: its bytes as an array, and a main to copy."""

import dataclasses
import importlib.resources
import pathlib
import re

from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents
from edgelstm.formats.c.names import c_name
from edgelstm.formats.signature import FileFacts
from edgelstm.text import counted

SUFFIX, FORMAT = "_tflm", "tflite-c"
FUSED_OPERATOR = "UNIDIRECTIONAL_SEQUENCE_LSTM"
FILLED = ("main.cc", "README.md")
RESETS = {
    "": "each call begins a sequence, so nothing needs a reset",
    "zeros": "Reset() sets the states, which are inputs, to zeros at the start of each sequence",
}
MARK = "Written by edgelstm; edits are lost when it is written again"
A_LINE = 16  # bytes of the array
METHODS = {FUSED_OPERATOR: "UnidirectionalSequenceLSTM"}
LOSES = (
    "A build with CMSIS-NN loses the state of this file at every call: its kernel of the fused "
    "operator clears it. Without CMSIS-NN it is kept; `edgelstm export --form composed` writes a "
    "file whose state is kept in both."
)
MEASURED = (
    "The smallest arena that it ran in on a machine of 64 bits; a microcontroller needs less, as "
    "its pointers are half as wide."
)
DERIVED = "An upper bound, computed: no TensorFlow Lite Micro was here to find the smallest."
TEMPLATES = importlib.resources.files("edgelstm.kernels") / "c" / "tflm"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What main.cc has to know.

    Attributes:
        name: Of the model.
        file: Name of the file.
        about: How it is called.
        reset: What returns the state to its start in TensorFlow Lite Micro; None where each call
            begins there.
        arena_bytes: That its interpreter needs.
        arena_basis: How that is known.
        sizes: Values per step of x and of y.
        rows: Results of a call.
    """

    name: str
    file: str
    about: FileFacts
    reset: str | None
    arena_bytes: int
    arena_basis: str
    sizes: tuple[int, int]
    rows: int

    @property
    def loses_state(self) -> bool:
        """With CMSIS-NN."""
        return self.about.streaming and FUSED_OPERATOR in self.about.operators


def method(operator: str) -> str:
    """What adds an operator to a `MicroMutableOpResolver`.

    >>> method("FULLY_CONNECTED"), method("UNIDIRECTIONAL_SEQUENCE_LSTM")
    ('AddFullyConnected', 'AddUnidirectionalSequenceLSTM')
    """
    return "Add" + METHODS.get(operator, operator.title().replace("_", ""))


def beside(path: pathlib.Path) -> pathlib.Path:
    """The folder of a `.tflite` file."""
    return path.with_name(path.stem + SUFFIX)


def check_replaced(folder: pathlib.Path, name: str) -> None:
    """`ModelError` if a folder stands there that holds what was not written for the model."""
    if not folder.is_dir():
        return
    own = set(names(name))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    main = folder / "main.cc"
    marked = main.is_file() and MARK in main.read_text("utf-8", "replace")
    if found and (found - own or not marked):
        named = ", ".join(sorted(found - own)[:3]) or "main.cc"
        raise ModelError(
            f"{folder} holds files that were not written with it: {named}; "
            "move them, or give another folder"
        )


def names(name: str) -> tuple[str, ...]:
    """Files of the folder."""
    called = c_name(name)
    return f"{called}_model.h", f"{called}_model.cc", "main.cc", "README.md"


def folder(content: bytes, recipe: Recipe) -> Contents:
    """Path inside the folder to content, of a `.tflite` file."""
    fields = _fields(content, recipe)
    texts = (
        _header(fields["NAME"], recipe.file),
        _array(fields["NAME"], content),
        *(_filled((TEMPLATES / path).read_text("utf-8"), fields) for path in FILLED),
    )
    return {path: text.encode() for path, text in zip(names(recipe.name), texts, strict=True)}


def _header(called: str, file: str) -> str:
    guard = f"{called.upper()}_MODEL_H"
    return (
        f"// {file}. {MARK}.\n#ifndef {guard}\n#define {guard}\n\n"
        f"extern const unsigned char {called}_model[];\n"
        f"extern const unsigned int {called}_model_bytes;\n\n#endif\n"
    )


def _array(called: str, content: bytes) -> str:
    rows = (content[k : k + A_LINE] for k in range(0, len(content), A_LINE))
    lines = "\n".join("    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows)
    return (
        f'// {MARK}.\n#include "{called}_model.h"\n\n'
        f"alignas(16) const unsigned char {called}_model[] = {{\n{lines}\n}};\n"
        f"const unsigned int {called}_model_bytes = {len(content)};\n"
    )


def _filled(text: str, fields: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda match: fields[match[1]], text)


def _fields(content: bytes, recipe: Recipe) -> dict[str, str]:
    about, called = recipe.about, c_name(recipe.name)
    steps = about.steps or 1
    inputs, outputs = recipe.sizes[0] * steps, recipe.sizes[1] * recipe.rows
    adds = (f"  TF_LITE_ENSURE_STATUS(resolver.{method(op)}());" for op in about.operators)
    return {
        "NAME": called,
        "FILE": recipe.file,
        "UPPER": called.upper(),
        "MARK": MARK,
        "LOSES": f"// {LOSES}\n" if recipe.loses_state else "",
        "WARNING": f"**{LOSES}**\n\n" if recipe.loses_state else "",
        "BYTES": f"{len(content):,}",
        "OPERATORS": str(len(about.operators)),
        "NAMES": ", ".join(f"`{op}`" for op in about.operators),
        "ADDS": "".join(f"{line}\n" for line in adds),
        "ARENA": str(recipe.arena_bytes),
        "BASIS": recipe.arena_basis,
        "STATES": str(len(about.initial_states)),
        "VARIABLES": str(about.resource_variables),
        "INPUT": _c_type(about.input_type),
        "OUTPUT": _c_type(about.output_type),
        "INPUTS": str(inputs),
        "OUTPUTS": str(outputs),
        "CALL": f"{counted(steps, 'step')}: {inputs} values, of which it makes {outputs}",
        "RESET": RESETS.get(recipe.reset or "", "Reset() at the start of each sequence"),
    }


def _c_type(kind: str) -> str:
    return "float" if kind == "float32" else f"{kind}_t"
