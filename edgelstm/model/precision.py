"""PRECISIONS: which type and scale a value has, by the role it plays in its cell.

Roles: `input` x and what comes from the layer before; `output` the first state h; `cell` every
other state and what is added up to it; `sum` what goes into a sigmoid or tanh; `activation` what
comes out of one.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Format:
    """How values of one role are stored: their type, and log2 of their scale if it is fixed.

    Without a fixed scale it comes from calibration: a power of two for `int16`, and a scale with
    a zero point for `int8`.
    """

    type: str
    scale_log2: int | None = None


@dataclasses.dataclass(frozen=True)
class Precision:
    """One precision.

    Attributes:
        name: Key in `PRECISIONS`.
        weight_type, bias_type: Stored types.
        formats: Role to `Format`.
        requantizes: Kinds of operations that rescale each result to a stored scale.
        kinds: Kinds of operations that have a form in it; None: all.
    """

    name: str
    weight_type: str
    bias_type: str
    formats: Mapping[str, Format]
    requantizes: tuple[str, ...] = ()
    kinds: tuple[str, ...] | None = None


_ELEMENT_WISE = ("sigmoid", "tanh", "clip")
_DENSE = ("affine_dense", "relu", "sigmoid", "softmax")
_FLOAT = dict.fromkeys(("input", "output", "cell", "sum", "activation"), Format("float32"))

FLOAT32 = Precision("float32", "float32", "float32", _FLOAT)
HYBRID = Precision(
    "hybrid",
    "int8",
    "float32",
    _FLOAT,
    kinds=(
        *("affine_ih", "affine_hh"),
        *("add", "sub", "mul", "complement"),
        *_ELEMENT_WISE,
        *_DENSE,
    ),
)
INT8 = Precision(
    "int8",
    "int8",
    "int32",
    {
        "input": Format("int8"),
        "output": Format("int8"),
        "cell": Format("int16"),
        "sum": Format("int16", -12),  # Q3.12
        "activation": Format("int16", -15),  # Q0.15
    },
    requantizes=("affine_ih", "affine_hh", "affine_hr", "scale", "mul"),
    kinds=("affine_ih", "affine_hh", "add", "mul", *_ELEMENT_WISE, *_DENSE),
)

PRECISIONS = {p.name: p for p in (FLOAT32, INT8, HYBRID)}
