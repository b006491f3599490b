"""Data to train on: series, what is asked of them, and which of them training does not see.

Series are `x` (n, steps, inputs). What is asked, `y`, says by its type and shape what kind it is:
integers (n,) are a class per series, integers (n, steps) a class per step, floats (n,) or (n, k)
real values per series, floats (n, steps, k) real values per step.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm import bundled
from edgelstm.arguments import array, float32
from edgelstm.errors import ModelError
from edgelstm.files.arrays import read_arrays
from edgelstm.files.disk import as_path
from edgelstm.model.sizes import LARGEST
from edgelstm.text import counted

Array = NDArray[Any]
NAMES = ("x", "y", "x_valid", "y_valid", "x_test", "y_test", "lengths")
NEEDED = f"an .npz with x and y is needed, and what else there is of {', '.join(NAMES[2:])}"
HELD_OUT = 5  # of so many series of a class one is held out
CLASSES, REALS = "classes", "reals"


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """Series and what is asked of each: x float32 (n, steps, inputs), y int64 or float32."""

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingData:
    """What a search trains on; read-only arrays.

    Attributes:
        train: What weights and scales follow from.
        valid: What candidates are compared on.
        test: What the front is told of at the end; None where there is none.
        kind: `classes` or `reals`.
        last_step: Whether there is one answer a series; else one a step.
        outputs: Classes, or values of y.
    """

    train: Series
    valid: Series
    test: Series | None
    kind: str
    last_step: bool
    outputs: int

    @property
    def input_size(self) -> int:
        """Values per time step."""
        return int(self.train.x.shape[2])

    @property
    def steps(self) -> int:
        """Of the longest series."""
        return int(self.train.x.shape[1])

    @functools.cached_property
    def digest(self) -> str:
        """16 hex digits over all arrays: what is the same data on every machine."""
        found = hashlib.sha256(self.kind.encode())
        for part in (self.train, self.valid, self.test):
            for values in (part.x, part.y) if part else ():
                little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
                found.update(f"{values.shape} {little.dtype.str}".encode() + little.tobytes())
        return found.hexdigest()[:16]


def read_data(source: Any, seed: int) -> TrainingData:
    """Series to train on, checked.

    Args:
        source: A path to an `.npz`, or a mapping of arrays: `x`, `y`, and what there is of
            `x_valid y_valid x_test y_test lengths`; None: the bundled series. With `lengths` (n,)
            the series of x have zeros behind their steps, or in front; behind they are moved to
            the front, so that the last step is a real one. The others must have them in front.
        seed: Of the split, where no `x_valid` is given: a fifth of each class is held out.

    Raises:
        ModelError: A file that cannot be read, arrays that do not fit each other, NaN, one class.
    """
    if source is None:
        found = bundled.demo_data()
        given: dict[str, Any] = {"x": found.train_inputs, "y": found.train_labels}
        given |= {"x_test": found.test_inputs, "y_test": found.test_labels}
        return _checked(given, "the bundled series", seed)
    if isinstance(source, Mapping):
        return _checked(dict(source), "data", seed)
    path = as_path(source)
    return _checked(read_arrays(path, NEEDED), str(path), seed)


def _checked(given: Mapping[str, Any], where: str, seed: int) -> TrainingData:
    """The data of arrays by name."""
    for name in given:
        if name not in NAMES:
            raise ModelError(f"{where}: an array is called '{name}'; known: {', '.join(NAMES)}")
    for part in ("", "_valid", "_test"):
        both = [f"x{part}" in given, f"y{part}" in given]
        if any(both) != all(both) or not (part or all(both)):
            raise ModelError(f"{where}: x{part} and y{part} go together; {NEEDED}")
    arrays = {name: array(value, f"{where}: {name}") for name, value in given.items()}
    whole = _series(arrays["x"], arrays["y"], f"{where}: x", "y")
    kind = CLASSES if whole.y.dtype.kind == "i" else REALS
    last_step = whole.y.ndim == 1 or (kind == REALS and whole.y.ndim == 2)
    if "lengths" in arrays:
        whole = _padded(whole, arrays["lengths"], last_step, where)
    parts: dict[str, Series | None] = {"valid": None, "test": None}
    for name in parts:
        if f"x_{name}" in arrays:
            pair = arrays[f"x_{name}"], arrays[f"y_{name}"]
            parts[name] = _series(*pair, f"{where}: x_{name}", f"y_{name}")
            _check_like(parts[name], whole, f"{where}: x_{name}")
    outputs = _outputs(whole, parts, kind, where)
    train, valid = (whole, parts["valid"]) if parts["valid"] else _split(whole, seed, where)
    assert valid is not None
    return TrainingData(train, valid, parts["test"], kind, last_step, outputs)


def _series(x: Array, y: Array, where: str, name: str) -> Series:
    """One part, as float32 and int64."""
    if x.ndim != 3 or not x.size:
        raise ModelError(f"{where} has shape {x.shape}; (series, steps, inputs) is needed")
    reals = y.dtype.kind == "f"
    shapes = (x.shape[:1], x.shape[:2])
    if reals and y.ndim == 3:
        fits = y.shape[:2] == shapes[1]
    else:
        fits = y.shape[:1] == shapes[0] if reals and y.ndim == 2 else y.shape in shapes
    if not fits or (reals and y.shape == shapes[1] and y.ndim > 2) or not y.size:
        raise ModelError(
            f"{where} has {counted(len(x), 'series').removesuffix('s')} of {x.shape[1]} steps, and "
            f"{name} shape {y.shape}; one label per series (n,) or per step (n, steps) is needed, "
            "or real values (n,), (n, k) or (n, steps, k)"
        )
    # Views: the caller's own arrays stay writable.
    made = float32(x).view(), (float32(y) if reals else y.astype(np.int64)).view()
    for values, what in zip(made, (where, f"{where.rpartition('x')[0]}{name}"), strict=True):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelError(f"{what} holds NaN or infinity; take such series out, or mend them")
        values.flags.writeable = False
    return Series(*made)


def _check_like(part: Series | None, whole: Series, where: str) -> None:
    assert part is not None
    if part.x.shape[1:] != whole.x.shape[1:] or part.y.shape[1:] != whole.y.shape[1:]:
        raise ModelError(
            f"{where} has series of shape {part.x.shape[1:]} and answers {part.y.shape[1:]}; those "
            f"of x are {whole.x.shape[1:]} and {whole.y.shape[1:]}: they must be alike"
        )
    if part.y.dtype.kind != whole.y.dtype.kind:
        raise ModelError(f"{where}: its answers are {part.y.dtype}, those of x {whole.y.dtype}")


def _padded(whole: Series, lengths: Array, last_step: bool, where: str) -> Series:
    """Each series at the end of its row, with zeros in front."""
    n, steps = whole.x.shape[:2]
    if not last_step:
        raise ModelError(f"{where}: lengths go with one answer a series, and y has one a step")
    if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
        raise ModelError(f"{where}: lengths has shape {lengths.shape}; a whole number per series")
    if lengths.min() < 1 or lengths.max() > steps:
        raise ModelError(
            f"{where}: lengths reach from {lengths.min()} to {lengths.max()}; 1 to {steps}, the "
            "steps of x, are needed"
        )
    moved = np.zeros_like(whole.x)
    for row, series, length in zip(moved, whole.x, lengths, strict=True):
        behind = series[length:].any()
        if behind and series[: steps - length].any():
            raise ModelError(f"{where}: a series of length {length} has values outside of it")
        row[steps - length :] = series[steps - length :] if behind else series[:length]
    moved.flags.writeable = False
    return Series(moved, whole.y)


def _outputs(whole: Series, parts: Mapping[str, Series | None], kind: str, where: str) -> int:
    """How many values the network gives."""
    if kind == REALS:
        return 1 if whole.y.ndim == 1 else int(whole.y.shape[-1])
    least, most = int(whole.y.min()), int(whole.y.max())
    if least < 0 or most >= LARGEST["outputs"]:
        raise ModelError(
            f"{where}: y reaches from {least} to {most}; classes from 0 to at most "
            f"{LARGEST['outputs'] - 1} are needed"
        )
    if least == most:
        raise ModelError(f"{where}: y holds one class only, {least}; two are needed at least")
    for name, part in parts.items():
        if part and (part.y.min() < 0 or part.y.max() > most):
            raise ModelError(
                f"{where}: y_{name} reaches from {part.y.min()} to {part.y.max()}; y has classes "
                f"0 to {most}"
            )
    return most + 1


def _split(whole: Series, seed: int, where: str) -> tuple[Series, Series]:
    """Training and validation: a fifth of each class, of all where there is none per series."""
    random, held_out = np.random.default_rng(seed), np.zeros(len(whole), bool)
    by_class = whole.y.ndim == 1 and whole.y.dtype.kind == "i"
    for label in np.unique(whole.y) if by_class else (None,):
        own = np.flatnonzero(whole.y == label) if by_class else np.arange(len(whole))
        held_out[random.permutation(own)[: (len(own) + HELD_OUT // 2) // HELD_OUT]] = True
    if not held_out.any() or held_out.all():
        raise ModelError(
            f"{where}: {len(whole)} series are too few to hold out one of {HELD_OUT} of each "
            "class; give more, or x_valid and y_valid"
        )
    train, valid = ((whole.x[mask], whole.y[mask]) for mask in (~held_out, held_out))
    for values in (*train, *valid):
        values.flags.writeable = False
    return Series(*train), Series(*valid)
