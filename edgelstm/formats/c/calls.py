"""What a C step is made of: calls of kernels, the values between them, and constants."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# Element types of arrays in C.
C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "float32": "float",
}

LARGEST = np.finfo(np.float32).max


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a kernel.

    Attributes:
        text: C with `{name}` where a value is named, `{words name}` for the same as 32-bit words,
            and `{name @ index}` for an element of it.
        reads: Values that it reads.
        results: Values that it gives; none where it writes states or y alone.
        in_place: A result may lie where an argument lies that is not read any more.
        kernels: Files of `kernels/c` that it needs.
    """

    text: str
    reads: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    in_place: bool = False
    kernels: tuple[str, ...] = ()


@dataclasses.dataclass(eq=False)
class Part:
    """A layer, or one end of the network, as calls.

    Attributes:
        name: A C identifier.
        about: What stands above it as a comment.
        calls: In order.
        once: Behind what is read of the steps: a sequence computes it at its end alone.
        loop: Which of the loops over steps it stands in: each repetition begins one.
        why: Which kernel it has and why, for the plan.
        takes_x: Its kernel reads the network's input itself.
        before: Lines in front of its function: what instantiates a kernel.
    """

    name: str
    about: tuple[str, ...] = ()
    calls: list[Call] = dataclasses.field(default_factory=list)
    once: bool = False
    loop: int = 0
    why: str = ""
    takes_x: bool = False
    before: tuple[str, ...] = ()


@dataclasses.dataclass(eq=False)
class Constant:
    """An array or a description in flash.

    Attributes:
        declaration: Its type and name, `const int8_t NAME[64]`.
        text: Its initializer, with braces.
        n_bytes: Of an array; 0 for a description.
        is_table: It belongs to the tables, not to the weights.
    """

    declaration: str
    text: str
    n_bytes: int = 0
    is_table: bool = False


class Constants:
    """Collects constants; names are prefixed with the network's."""

    def __init__(self, network: str) -> None:
        self.prefix = network
        self.found: dict[str, Constant] = {}

    def array(self, name: str, values: NDArray[np.generic], *, is_table: bool = False) -> str:
        """Keeps an array once under a name; returns the name in C."""
        called = f"{self.prefix}_{name}"
        if called not in self.found:
            flat = np.ravel(values)
            declaration = f"const {C_TYPES[str(flat.dtype)]} {called}[{flat.size}]"
            self.found[called] = Constant(declaration, array_text(flat), flat.nbytes, is_table)
        return called

    def description(self, c_type: str, name: str, fields: Iterable[str]) -> str:
        """Keeps a struct; returns the name in C."""
        called = f"{self.prefix}_{name}"
        self.found[called] = Constant(f"const {c_type} {called}", "{" + ", ".join(fields) + "}")
        return called


def array_text(flat: NDArray[np.generic]) -> str:
    """An initializer that is read back exactly, at most 116 characters a line."""
    words = list(map(c_number, flat))
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 112:
            lines.append(line.rstrip())
            line = ""
        line += f"{word}, "
    return "{\n    " + "\n    ".join([*lines, line.rstrip(", ")]) + "\n}"


def c_number(value: np.generic) -> str:
    """A number of C with the value's type, exact; infinity is the largest that it has."""
    if value.dtype == np.float32:
        text = f"{float(np.clip(value, -LARGEST, LARGEST)):.9g}"
        return f"{text}F" if any(c in text for c in ".e") else f"{text}.0F"
    if value.dtype == np.int64:
        return f"INT64_C({value})"
    # -2147483648 is no literal of type int
    return "INT32_MIN" if value == -(2**31) else str(value)
