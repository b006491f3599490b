"""From a cell to machine code: templates of layer.py and of a format, bound to its equations."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numba
from numba.core import types

from edgelstm.kernels import float32, fused, hybrid, int8, layer
from edgelstm.kernels.compilation import INLINED, OPTIONS, bound, compiled, digest
from edgelstm.kernels.fused import Listing
from edgelstm.kernels.simd.target import TILE_ROWS

FORMATS: dict[str, Any] = {"float32": float32, "hybrid": hybrid, "int8": int8}
VALUES = {"float32": types.float32, "hybrid": types.float32, "int8": types.int8}


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is compiled.

    Attributes:
        name: Of the cell.
        equations: As in `edgelstm.cell.CellSpec`.
        functions: `sigmoid` and `tanh`: the objects that the equations call.
        gates, states, new_states, ops, roles, clips: See `fused.Listing`.
    """

    name: str
    equations: Callable[..., Any]
    functions: dict[str, Callable[[Any], Any]]
    gates: tuple[str, ...]
    states: tuple[str, ...]
    new_states: tuple[str, ...]
    ops: tuple[Any, ...]
    roles: tuple[tuple[str, str], ...]
    clips: bool


def listing(cell: Cell, format_name: str) -> Listing:
    """The cell's operations in a format."""
    return Listing(
        f"{cell.name}_{format_name}{'_clipped' if cell.clips else ''}",
        cell.gates,
        cell.states,
        cell.new_states,
        cell.ops,
        cell.roles,
        cell.clips,
        FORMATS[format_name].compute,
    )


_kernels: dict[str, Any] = {}


def kernel(cell: Cell, format_name: str) -> Any:
    """The compiled kernel of a cell in a format; see `layer.kernel` for its arguments."""
    made = listing(cell, format_name)
    facts = repr((made.name, made.gates, made.states, made.new_states, made.ops, made.roles))
    name = f"{made.name}_{digest((cell.equations.__code__.co_filename,), facts)}"
    if name not in _kernels:
        values = types.Array(VALUES[format_name], 1, "C")
        signature = types.boolean(types.Array(types.int64, 1, "C"), values, values)
        _kernels[name] = compiled(
            layer.kernel, signature, name, lambda: _parts(cell, made, format_name)
        )
    return _kernels[name]


def _parts(cell: Cell, made: Listing, format_name: str) -> dict[str, Any]:
    """Every name that the templates leave open."""
    fused.define(made, cell.functions)
    form, gates = FORMATS[format_name], len(cell.gates)
    names: dict[str, Any] = {"GATES": gates, "VECTORS": 2 * gates, "Y_BYTES": form.Y_BYTES}
    names |= {"w_products": fused.products(made, "ih"), "u_products": fused.products(made, "hh")}
    names |= {f"{v}_value": fused.named(made, v) for v in ("x", *cell.states)}
    names["step"] = numba.njit(**INLINED)(cell.equations)
    for name, value in form.bind(made).items():
        names[name] = _jitted(value, names) if callable(value) else value
    for template in form.TEMPLATES:
        names[template.__name__] = _jitted(template, names)
    for name, rows in (("tile_rows", TILE_ROWS), ("tile_row", 1)):
        names[name] = numba.njit(**OPTIONS)(bound(form.tile_at, {**names, "ROWS": rows}))
    names["hoist"] = numba.njit(**OPTIONS)(bound(layer.hoist, names))
    return names


def _jitted(template: Callable[..., Any], names: dict[str, Any]) -> Any:
    return numba.njit(**INLINED)(bound(template, names))
