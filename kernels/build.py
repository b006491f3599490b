"""From a cell to machine code: templates of layer.py and of a format, bound to its equations."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.core.errors import TypingError

from edgelstm.kernels import float32, fused, hybrid, int8, layer, phases
from edgelstm.kernels.compilation import Parts, compiled, digest
from edgelstm.kernels.listing import Listing, phases_of
from edgelstm.kernels.simd.arrays import ndarray
from edgelstm.kernels.simd.target import TILE_ROWS

FORMATS: dict[str, Any] = {"float32": float32, "hybrid": hybrid, "int8": int8}
KINDS = {"sequence": layer.one_sequence, "step": layer.one_step, "batch": layer.side_by_side}
HOIST_FROM = 4


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is compiled.

    Attributes:
        name: Of the cell.
        equations: As in `edgelstm.cell.CellSpec`.
        functions: `sigmoid` and `tanh`: the objects that the equations call.
        gates, states, new_states, ops, roles, clips, peepholes: See `listing.Listing`.
        projects: h is multiplied by a matrix behind the equations.
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
    peepholes: tuple[str, ...] = ()
    projects: bool = False


def listing(cell: Cell, format_name: str) -> Listing:
    """The cell's operations in a format."""
    marks = f"{'_clipped' if cell.clips else ''}{'_projected' if cell.projects else ''}"
    form = FORMATS[format_name]
    return Listing(
        f"{cell.name}_{format_name}{marks}",
        cell.gates,
        cell.states,
        cell.new_states,
        cell.ops,
        cell.roles,
        cell.clips,
        form.compute,
        cell.peepholes,
        phases.capture if form is float32 else None,
    )


def has_phases(cell: Cell, format_name: str) -> bool:
    """Whether a step takes more than one pass over the units."""
    return cell.projects or len(phases_of(listing(cell, format_name)).values) > 1


_kernels: dict[str, Any] = {}
_parts: dict[str, dict[str, Any]] = {}


def kernel(cell: Cell, format_name: str, kind: str) -> Any:
    """The compiled kernel of a cell in a format.

    Args:
        cell: Of one phase, except in `float32`.
        format_name: Of `FORMATS`.
        kind: Of `KINDS`.

    Returns:
        A function of an array of parameters and two objects, at which it looks itself.

    Raises:
        numba.core.errors.TypingError: An operation has no place or no form.
    """
    made = listing(cell, format_name)
    several = has_phases(cell, format_name)
    if several and (kind == "batch" or format_name != "float32"):
        raise TypingError(f"{made.name}: several phases are written for one float32 sequence")
    facts = repr(dataclasses.astuple(cell)[3:])
    source = cell.equations.__code__.co_filename
    mark = f"{made.name}_{digest((source,), facts)}"
    name = f"{kind}_{mark}"
    if name not in _kernels:
        signature = types.boolean(ndarray, ndarray, ndarray)
        parts = functools.partial(_parts_of, cell, format_name, mark)
        _kernels[name] = compiled(KINDS[kind], signature, name, parts)
    return _kernels[name]


def _parts_of(cell: Cell, format_name: str, mark: str) -> dict[str, Any]:
    """Every name that the templates leave open; the same functions for each kind of kernel."""
    if mark not in _parts:
        _parts[mark] = _new_parts(cell, format_name, mark)
    return _parts[mark]


def _new_parts(cell: Cell, format_name: str, mark: str) -> dict[str, Any]:
    made, form = listing(cell, format_name), FORMATS[format_name]
    fused.define(made, cell.functions)
    parts = Parts(mark, _constants(made, format_name))
    names, several = parts.names, has_phases(cell, format_name)
    names["step"] = parts.inlined(cell.equations)
    for key, value in form.bind(made).items():
        names[key] = parts.inlined(value) if callable(value) else value
    for template in form.TEMPLATES:
        names[template.__name__] = parts.inlined(template)
    names["recurrent_rows"] = parts.called(form.recurrent_rows, ROWS=TILE_ROWS)
    names["tile_rows"] = parts.called(form.tile_at, ROWS=TILE_ROWS)
    names["tile_row"] = parts.called(form.tile_at, ROWS=1)
    for template in (layer.hoist, layer.hoist_side_by_side):
        names[template.__name__] = parts.called(template)
    names["HOIST_FROM"] = 1 if several else HOIST_FROM
    if several:
        names["first_phase"] = phases.first(made, parts, projects=cell.projects)
    step = phases.step_of_phases if several else layer.step_of_groups
    names["step_once"] = parts.inlined(step)
    names["step_side_by_side"] = parts.inlined(layer.step_side_by_side)
    return names


def _constants(made: Listing, format_name: str) -> dict[str, Any]:
    """Numbers, and the ways from vectors to the values of the equations."""
    gates = len(made.gates)
    names: dict[str, Any] = {"GATES": gates, "VECTORS": 2 * gates, "ROWS": TILE_ROWS}
    names |= {name: getattr(FORMATS[format_name], name) for name in ("INPUT_BYTES", "Y_BYTES")}
    names |= {f"{v}_value": fused.named(made, v) for v in ("x", *made.states)}
    names |= {"w_products": fused.products(made, "ih"), "u_products": fused.products(made, "hh")}
    return names | {"peepholes": fused.peepholes(made)}
