"""What a recurrent cell is: its equations, one function, and the list of operations they record.

`sigmoid`, `tanh` and `relu` work on arrays, so that a cell's equations run as they stand, and on
recording values, so that `trace` can write down what they do. Everything else (counts, integers,
kernels, ONNX) reads that list.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

TRACES = 64  # that are kept


@dataclasses.dataclass(frozen=True)
class CellSpec:
    """A recurrent cell.

    Attributes:
        name: Key in `edgelstm.cells.CELLS`.
        gates: Row blocks of `weight_ih` and `weight_hh`, in this order.
        states: Names of the states; the first one is also the output.
        equations: ``f(W, U, x, *states) -> new states``. ``W.g(v)`` is gate g's block of
            ``weight_ih @ v + bias_ih``, ``U.g(v)`` that of ``weight_hh @ v + bias_hh``. A cell
            with peepholes takes ``P`` behind U: ``P.g(v)`` is gate g's weights times v, element
            by element.
        peepholes: Gates with a peephole: blocks of `weight_peephole`, in this order.
        others: Nonlinearities that may stand in place of tanh, each with its equations.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    equations: Callable[..., tuple[Any, ...]]
    peepholes: tuple[str, ...] = ()
    others: tuple[tuple[str, Callable[..., tuple[Any, ...]]], ...] = ()

    @property
    def nonlinearities(self) -> tuple[str, ...]:
        """What a layer of this cell may choose from."""
        return ("tanh", *(name for name, _ in self.others))

    def using(self, nonlinearity: str) -> "CellSpec":
        """The cell with one of its `nonlinearities`."""
        if nonlinearity == "tanh":
            return self
        return dataclasses.replace(self, equations=dict(self.others)[nonlinearity])

    def rows(self, gate: str, hidden_size: int) -> slice:
        """Where a gate's rows stand in weights and biases."""
        return _block(self.gates.index(gate), hidden_size)

    def peephole(self, gate: str, hidden_size: int) -> slice:
        """Where a gate's weights stand in `weight_peephole`."""
        return _block(self.peepholes.index(gate), hidden_size)


def _block(k: int, size: int) -> slice:
    return slice(k * size, (k + 1) * size)


@dataclasses.dataclass(frozen=True)
class Op:
    """One operation on vectors: ``result = kind(*args)``.

    `kind` is one of affine_ih, affine_hh (matrix times vector plus bias, of one `gate`), affine_hr
    (the projection, without a bias), affine_dense (a dense layer's), scale (times a gate's peephole
    weights), add, sub, mul, complement (1 - v), sigmoid, tanh, relu, softmax, clip (to the layer's
    cell_clip); of layers that are no cells also those of `layers/activation.py`, and look_up.
    """

    result: str
    kind: str
    args: tuple[str, ...]
    gate: str | None = None

    @functools.cached_property
    def side(self) -> str | None:
        """`ih`, `hh`, `hr`, `dense` of an affine: whose weights and biases it reads; else None."""
        return self.kind.removeprefix("affine_") if self.kind.startswith("affine_") else None


@dataclasses.dataclass(frozen=True)
class Trace:
    """A cell's operations in order, and which results are its new states."""

    ops: tuple[Op, ...]
    new_states: tuple[str, ...]


class _Recorded:
    """Stands for a vector while a cell's equations run, and records what they do with it."""

    def __init__(self, name: str, ops: list[Op]) -> None:
        self.name, self.ops = name, ops

    def emit(self, kind: str, *others: "_Recorded", gate: str | None = None) -> "_Recorded":
        assert all(isinstance(v, _Recorded) for v in others), (
            f"'{kind}' takes two vectors of the cell; the only constant is the 1 of 1 - v"
        )
        op = Op(f"v{len(self.ops)}", kind, (self.name, *(v.name for v in others)), gate)
        self.ops.append(op)
        return _Recorded(op.result, self.ops)

    def __add__(self, other: "_Recorded") -> "_Recorded":
        return self.emit("add", other)

    def __sub__(self, other: "_Recorded") -> "_Recorded":
        return self.emit("sub", other)

    def __mul__(self, other: "_Recorded") -> "_Recorded":
        return self.emit("mul", other)

    def __rsub__(self, one: int) -> "_Recorded":
        assert one == 1, "the only constant in a cell is the 1 of 1 - v"
        return self.emit("complement")


class _RecordedWeights:
    """W, U or P: `.g(v)` records gate g's affine, or its peephole."""

    def __init__(self, kind: str, gates: tuple[str, ...]) -> None:
        self._kind, self._gates = kind, gates

    def __getattr__(self, gate: str) -> Callable[[_Recorded], _Recorded]:
        assert gate in self._gates, f"gate '{gate}' is not in {self._gates}"
        return lambda v: v.emit(self._kind, gate=gate)


def sigmoid(v: Any) -> Any:
    """1 / (1 + exp(-v)), element by element; recorded if v is being traced."""
    if isinstance(v, _Recorded):
        return v.emit("sigmoid")
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(v)))  # the same function, without overflow


def tanh(v: Any) -> Any:
    """Hyperbolic tangent, element by element; recorded if v is being traced."""
    return v.emit("tanh") if isinstance(v, _Recorded) else np.tanh(v)


def relu(v: Any) -> Any:
    """The larger of v and 0, element by element; recorded if v is being traced."""
    return v.emit("relu") if isinstance(v, _Recorded) else np.maximum(v, 0)


@functools.lru_cache(maxsize=TRACES)
def trace(spec: CellSpec) -> Trace:
    """Runs the cell's equations on recording values, once while the cell is among the last used.

    >>> from edgelstm.cells import CELLS
    >>> for op in trace(CELLS["lstm"]).ops[:4]:
    ...     print(op.result, op.kind, *op.args, op.gate)
    v0 affine_ih x i
    v1 affine_hh h i
    v2 add v0 v1 None
    v3 sigmoid v2 None
    """
    ops: list[Op] = []
    weights = [_RecordedWeights(kind, spec.gates) for kind in ("affine_ih", "affine_hh")]
    if spec.peepholes:
        weights.append(_RecordedWeights("scale", spec.peepholes))
    new = spec.equations(*weights, *(_Recorded(name, ops) for name in ("x", *spec.states)))
    assert isinstance(new, tuple) and len(new) == len(spec.states), (
        f"the equations of '{spec.name}' return a tuple of one new value per state: "
        f"{', '.join(spec.states)}"
    )
    return Trace(tuple(ops), tuple(v.name for v in new))
