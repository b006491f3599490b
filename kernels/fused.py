"""A cell's own equations as the inside of a kernel: numba compiles them on named values.

Every value in the equations is a `Value`: a vector (or two) and, in its type, the name it has in
the list of operations that tracing the same equations gave. An operator on two values finds itself
in that list while it is being compiled, and `Listing.compute` says what it does there. So one
mechanism serves all cells and all formats, and what has no place in the list does not compile.
"""

import operator
from collections.abc import Callable
from typing import Any

from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic, overload, overload_method, register_model

from edgelstm.kernels.cell_ops import Listing, phases_of
from edgelstm.kernels.simd.memory import PARAMETERS
from edgelstm.kernels.simd.options import INSIDE

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


# ---- W, U and P


class Products(types.Type):
    """W or U after its product: one vector per gate, of `LANES` units from `unit` on."""

    def __init__(self, listing, side, phase, vectors):
        self.listing, self.side, self.phase, self.vectors = listing, side, phase, vectors
        super().__init__(name=f"Products<{listing.name} {side} {phase} {vectors}>")


@register_model(Products)
class ProductsModel(models.StructModel):
    """The vectors, gate after gate, and which units they are."""

    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, [("vectors", fe_type.vectors), ("unit", types.intp)])


def products(listing, side, phase=0):
    """The jitted function (tuple of vectors, literal position of the first, unit) -> Products."""

    @intrinsic
    def make(typingctx, vectors, first, unit):
        if not isinstance(first, types.Literal):
            raise RequireLiteralValue("first")
        n, start = len(listing.cell.gates), first.literal_value
        kind = Products(listing, side, phase, types.UniTuple(vectors.dtype, n))

        def codegen(context, builder, sig, args):
            out = cgutils.create_struct_proxy(kind)(context, builder)
            picked = [builder.extract_value(args[0], start + k) for k in range(n)]
            out.vectors, out.unit = cgutils.pack_array(builder, picked), args[2]
            return out._getvalue()

        return kind(vectors, first, types.intp), codegen

    return make


def _picker(k):
    @intrinsic
    def pick(typingctx, gates):
        def codegen(context, builder, sig, args):
            held = cgutils.create_struct_proxy(gates)(context, builder, args[0]).vectors
            return builder.extract_value(held, k)

        return gates.vectors.dtype(gates), codegen

    return pick


@intrinsic
def unit_of(typingctx, gates):
    """The first of the units that Products or Peepholes are of."""

    def codegen(context, builder, sig, args):
        return cgutils.create_struct_proxy(gates)(context, builder, args[0]).unit

    return types.intp(gates), codegen


class Peepholes(types.Type):
    """P: weights in memory, one row per gate."""

    def __init__(self, listing):
        self.listing = listing
        super().__init__(name=f"Peepholes<{listing.name}>")


@register_model(Peepholes)
class PeepholesModel(models.StructModel):
    """Which units they are."""

    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, [("unit", types.intp)])


def peepholes(listing):
    """The jitted function unit -> Peepholes."""

    @intrinsic
    def make(typingctx, unit):
        kind = Peepholes(listing)

        def codegen(context, builder, sig, args):
            out = cgutils.create_struct_proxy(kind)(context, builder)
            out.unit = args[0]
            return out._getvalue()

        return kind(types.intp), codegen

    return make


_letters: set[str] = set()


def _define_gate(letter: str) -> None:
    """`W.letter(v)`: the product was made before; only which one it is has to be found.

    In a phase before that of its product nothing depends on the result; if it is the next one's,
    the value is kept for it.
    """

    @overload_method(Products, letter, jit_options=INSIDE)
    def gate(self, v):
        listing = self.listing
        op = listing.find(f"affine_{self.side}", (v.value,), letter)
        later = phases_of(listing).of.get(op.result, 0) - self.phase
        pick = _picker(listing.cell.gates.index(letter))
        make = named(listing, op.result)
        if later == 1:
            capture = listing.capture(self.phase + 1)

            def form(self, v):
                P = parameters_of(v)
                capture(P, payload(v), unit_of(self))
                return make(pick(self), P)

            return form
        return lambda self, v: make(pick(self), parameters_of(v))

    @overload_method(Peepholes, letter, jit_options=INSIDE)
    def peephole(self, v):
        listing = self.listing
        op = listing.find("scale", (v.value,), letter)
        scale, make = listing.compute(listing, op), named(listing, op.result)

        def form(self, v):
            P = parameters_of(v)
            return make(scale(P, payload(v), unit_of(self)), P)

        return form


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
    overload(_symbol, jit_options=INSIDE)(_two(_kind))


@overload(operator.sub, jit_options=INSIDE)
def _complement(one, v):
    if not (isinstance(one, types.Integer) and isinstance(v, Value)):
        return None
    op = v.listing.find("complement", (v.value,))
    compute, make = v.listing.compute(v.listing, op), named(v.listing, op.result)
    return lambda one, v: make(compute(parameters_of(v), payload(v)), parameters_of(v))


_functions: set[Any] = set()


def _define_function(function: Callable[[Any], Any], kind: str) -> None:
    @overload(function, jit_options=INSIDE)
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
        functions: `sigmoid`, `tanh`, `relu`: the function objects that the equations name.
    """
    for letter in set(listing.cell.gates) - _letters:
        _define_gate(letter)
        _letters.add(letter)
    for kind, function in functions.items():
        if function not in _functions:
            _define_function(function, kind)
            _functions.add(function)
