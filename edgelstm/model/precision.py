"""PRECISIONS and FORMS: which type and scale a value has, by the role it plays in its cell.

Roles: `input` x and what comes from the layer before; `output` the first state h; `cell` every
other state and what is added up to it; `sum` what goes into a sigmoid or tanh; `activation` what
comes out of one.

A precision says what is stored at the ends of a layer. Its form, where all values are integers,
says what every value inside is: `fused` as the LSTM operators of TensorFlow Lite have it,
`composed` as operators that compute one operation each.
"""

import dataclasses
from collections.abc import Mapping

from edgelstm.errors import ModelError

FUSED, COMPOSED = "fused", "composed"


@dataclasses.dataclass(frozen=True)
class Format:
    """How values of one role are stored: their type, and log2 of their scale if it is fixed.

    Without a fixed scale it comes from calibration, or in the form `composed` from the operations
    around it.
    """

    type: str
    scale_log2: int | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Precision:
    """One precision in one form.

    Attributes:
        name: Key in `PRECISIONS`.
        weight_type, bias_type: Stored types.
        formats: Role to `Format`.
        form: `fused`, `composed`; None where values are real.
        requantizes: Kind of an operation to how often it rescales each of its results.
        kinds: Kinds of operations that have a form in it; None: all.
    """

    name: str
    weight_type: str
    bias_type: str
    formats: Mapping[str, Format]
    form: str | None = None
    requantizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    kinds: tuple[str, ...] | None = None

    @property
    def is_integer(self) -> bool:
        """Whether all values are integers."""
        return self.form is not None

    @property
    def narrows(self) -> bool:
        """Whether h is computed wide and stored in a narrower type."""
        return self.form == COMPOSED and self.formats["output"].type == "int8"


ROLES = ("input", "output", "cell", "sum", "activation")
_PRODUCTS = ("affine_ih", "affine_hh", "affine_hr")
_DENSE = ("affine_dense", "relu", "sigmoid", "tanh", "softmax")
_ANYWHERE = ("clamp", "hard_sigmoid")  # of activations by themselves; the others stand above
_FUSED_KINDS = ("affine_ih", "affine_hh", "add", "mul", "clip", *_DENSE, *_ANYWHERE)
_COMPOSED_KINDS = (*_FUSED_KINDS, "affine_hr", "sub", "complement", "scale", "leaky_relu")
_FLOAT = dict.fromkeys(ROLES, Format("float32"))


def _fused(ends: str) -> dict[str, Format]:
    """Pre-activations are Q3.12, activations Q0.15; the cell has the scale that it needs."""
    return {
        "input": Format(ends),
        "output": Format(ends),
        "cell": Format("int16"),
        "sum": Format("int16", -12),
        "activation": Format("int16", -15),
    }


def _composed(ends: str) -> dict[str, Format]:
    wide = dict.fromkeys(ROLES, Format("int16"))
    return wide | {"input": Format(ends), "output": Format(ends)}


_ONCE = dict.fromkeys((*_PRODUCTS, "mul", "scale"), 1)
# An operator that adds takes both of its arguments to a common scale, and the sum to its own.
_COMPOSED_ONCE = _ONCE | dict.fromkeys(("add", "sub", "complement"), 3) | {"leaky_relu": 1}

FLOAT32 = Precision("float32", "float32", "float32", _FLOAT)
HYBRID = Precision("hybrid", "int8", "float32", _FLOAT)
INT8 = Precision("int8", "int8", "int32", _fused("int8"), FUSED, _ONCE, (*_FUSED_KINDS, "elu"))
INT8_COMPOSED = Precision(
    *("int8", "int8", "int64", _composed("int8"), COMPOSED, _COMPOSED_ONCE),
    (*_COMPOSED_KINDS, "elu"),
)
INT16X8 = Precision(
    "int16x8", "int8", "int64", _composed("int16"), COMPOSED, _COMPOSED_ONCE, _COMPOSED_KINDS
)
INT16X8_FUSED = Precision("int16x8", "int8", "int64", _fused("int16"), FUSED, _ONCE, _FUSED_KINDS)

# The form that `form=None` means first: networks that it cannot hold take the other, see forms.py.
FORMS = {(p.name, p.form): p for p in (INT8, INT8_COMPOSED, INT16X8, INT16X8_FUSED)}
PRECISIONS = {p.name: p for p in (FLOAT32, INT8, INT16X8, HYBRID)}


def find_precision(name: str, form: str | None = None) -> Precision:
    """The record of a precision in a form; None: in the one that it has in `PRECISIONS`.

    Raises:
        ModelError: The name is unknown, or it has no such form.
    """
    if not isinstance(name, str) or name not in PRECISIONS:
        raise ModelError(f"precision '{name}' is unknown; known: {', '.join(PRECISIONS)}")
    if form is None:
        return PRECISIONS[name]
    if (name, form) not in FORMS:
        forms = [str(f) for n, f in FORMS if n == name]
        has = f"it has {' and '.join(forms)}" if forms else "its values are real, and it has none"
        raise ModelError(f"precision '{name}' has no form '{form}'; {has}")
    return FORMS[name, form]
