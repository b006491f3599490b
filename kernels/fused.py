"""A cell's own equations as the inside of a kernel: numba compiles them on named values.

Every value in the equations is a `Value`: a vector (or two) and, in its type, the name it has in
the list of operations that tracing the same equations gave. An operator on two values finds itself
in that list while it is being compiled, and `Listing.compute` says what it does there. So one
mechanism serves all cells and all formats, and what has no place in the list does not compile.
"""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.errors import RequireLiteralValue, TypingError
from numba.extending import intrinsic, overload, overload_method, register_model

from edgelstm.kernels.simd.memory import PARAMETERS


@dataclasses.dataclass(frozen=True)
class Listing:
    """A cell to be compiled in one format.

    Attributes:
        name: Of the cell and the format: no two listings share one.
        gates: Letters, in the order of the weights.
        states: Names; the first is the output.
        new_states: Results that become the states.
        ops: In order: `edgelstm.cell.Op`, or whatever has its attributes.
        roles: Value and role, see edgelstm/precision.py.
        clips: The new cell state is cut to the layer's limit.
        compute: (listing, operation) -> jitted (P, *vectors) -> vectors.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    new_states: tuple[str, ...]
    ops: tuple[Any, ...]
    roles: tuple[tuple[str, str], ...]
    clips: bool
    compute: Callable[["Listing", Any], Any]

    def role(self, value: str) -> str:
        """What a value is for."""
        return dict(self.roles)[value]

    def find(self, kind: str, args: tuple[str, ...], gate: str | None = None) -> Any:
        """The operation that does this; a `TypingError` ends the compilation where none does."""
        for op in self.ops:
            if (op.kind, op.args, op.gate) == (kind, args, gate):
                return op
        raise TypingError(f"{self.name}: the traced equations have no {kind} of {args}")

    def joined(self, gate: str) -> Any:
        """The add in which both products of a gate meet, and nothing else: one sum holds both."""
        products = {op.result for op in self.ops if op.gate == gate}
        found = [op for op in self.ops if op.kind == "add" and set(op.args) == products]
        used = [op for op in self.ops if products & set(op.args)]
        return found[0] if len(products) == 2 and used == found else None


def has_fused_form(listing: Listing) -> bool:
    """Whether every product reads the input or an old state.

    A product of a value that is computed within the step needs that value for all units first; the
    kernels here go through the units once, so such a cell is run by the program kernels.
    """
    given = {"ih": "x", "hh": listing.states[0]}
    at_hand = all(op.args == (given[op.kind[-2:]],) for op in listing.ops if op.gate)
    return at_hand and len(listing.states) <= 2


# ---- values


class Value(types.Type):
    """What the equations compute with: vectors, and the name in the list."""

    def __init__(self, listing, value, payload):
        self.listing, self.value, self.payload = listing, value, payload
        super().__init__(name=f"Value<{listing.name} {value} {payload}>")


@register_model(Value)
class ValueModel(models.StructModel):
    """The vectors and the parameters that operations on them need."""

    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, [("payload", fe_type.payload), ("P", PARAMETERS)])


def named(listing, value):
    """The jitted function (payload, P) -> Value."""

    @intrinsic
    def make(typingctx, payload, P):
        kind = Value(listing, value, payload)

        def codegen(context, builder, sig, args):
            out = cgutils.create_struct_proxy(kind)(context, builder)
            out.payload, out.P = args
            return out._getvalue()

        return kind(payload, PARAMETERS), codegen

    return make


@intrinsic
def payload(typingctx, value):
    """The vectors of a Value."""

    def codegen(context, builder, sig, args):
        return cgutils.create_struct_proxy(value)(context, builder, args[0]).payload

    return value.payload(value), codegen


@intrinsic
def parameters_of(typingctx, value):
    """The parameters that a Value carries."""

    def codegen(context, builder, sig, args):
        return cgutils.create_struct_proxy(value)(context, builder, args[0]).P

    return PARAMETERS(value), codegen


# ---- W and U


class Products(types.Type):
    """W or U after its product: one vector per gate."""

    def __init__(self, listing, side, vectors):
        self.listing, self.side, self.vectors = listing, side, vectors
        super().__init__(name=f"Products<{listing.name} {side} {vectors}>")


@register_model(Products)
class ProductsModel(models.StructModel):
    """The vectors, gate after gate."""

    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, [("vectors", fe_type.vectors)])


def products(listing, side):
    """The jitted function (tuple of vectors, literal position of the first) -> Products."""

    @intrinsic
    def make(typingctx, vectors, first):
        if not isinstance(first, types.Literal):
            raise RequireLiteralValue("first")
        n, start = len(listing.gates), first.literal_value
        kind = Products(listing, side, types.UniTuple(vectors.dtype, n))

        def codegen(context, builder, sig, args):
            out = cgutils.create_struct_proxy(kind)(context, builder)
            picked = [builder.extract_value(args[0], start + k) for k in range(n)]
            out.vectors = cgutils.pack_array(builder, picked)
            return out._getvalue()

        return kind(vectors, first), codegen

    return make


def _picker(k):
    @intrinsic
    def pick(typingctx, gates):
        def codegen(context, builder, sig, args):
            held = cgutils.create_struct_proxy(gates)(context, builder, args[0]).vectors
            return builder.extract_value(held, k)

        return gates.vectors.dtype(gates), codegen

    return pick


_letters: set[str] = set()


def _define_gate(letter: str) -> None:
    """`W.letter(v)`: the product was made before; only which one it is has to be found."""

    @overload_method(Products, letter)
    def gate(self, v):
        op = self.listing.find(f"affine_{self.side}", (v.value,), letter)
        pick = _picker(self.listing.gates.index(letter))
        make = named(self.listing, op.result)
        return lambda self, v: make(pick(self), parameters_of(v))


# ---- operations


def _two(kind):
    def operation(a, b):
        if not (isinstance(a, Value) and isinstance(b, Value)):
            return None
        op = a.listing.find(kind, (a.value, b.value))
        compute, make = a.listing.compute(a.listing, op), named(a.listing, op.result)

        def form(a, b):
            P = parameters_of(a)
            return make(compute(P, payload(a), payload(b)), P)

        return form

    return operation


for _symbol, _kind in ((operator.add, "add"), (operator.sub, "sub"), (operator.mul, "mul")):
    overload(_symbol)(_two(_kind))


@overload(operator.sub)
def _complement(one, v):
    if not (isinstance(one, types.Integer) and isinstance(v, Value)):
        return None
    op = v.listing.find("complement", (v.value,))
    compute, make = v.listing.compute(v.listing, op), named(v.listing, op.result)
    return lambda one, v: make(compute(parameters_of(v), payload(v)), parameters_of(v))


_functions: set[Any] = set()


def _define_function(function: Callable[[Any], Any], kind: str) -> None:
    @overload(function)
    def applied(v):
        if not isinstance(v, Value):
            return None
        op = v.listing.find(kind, (v.value,))
        compute, make = v.listing.compute(v.listing, op), named(v.listing, op.result)
        return lambda v: make(compute(parameters_of(v), payload(v)), parameters_of(v))


def define(listing: Listing, functions: dict[str, Callable[[Any], Any]]) -> None:
    """Makes the letters of a cell's gates, and the functions its equations call, known to numba.

    Args:
        listing: The cell.
        functions: `sigmoid` and `tanh`: the function objects that the equations name.
    """
    for letter in set(listing.gates) - _letters:
        _define_gate(letter)
        _letters.add(letter)
    for kind, function in functions.items():
        if function not in _functions:
            _define_function(function, kind)
            _functions.add(function)
