"""From a cell to machine code: templates of layer.py and of a format, bound to its equations."""

import dataclasses
import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba.core.errors import TypingError

from edgelstm.kernels import composed, float32, fused, hybrid, int8, layer, phases, sums
from edgelstm.kernels.cache import Kernel, Parts, digest
from edgelstm.kernels.cell_ops import Cell, Listing, phases_of
from edgelstm.kernels.form import Form
from edgelstm.kernels.simd.pointers import STAGE
from edgelstm.kernels.simd.target import LANES, TILE_ROWS

FORMATS = {form.name: form for form in (float32.FORM, hybrid.FORM, int8.FORM, composed.FORM)}
# Kind of kernel to its template, and what is bound in it beside the names of `layer`.
ALONE = {"enter": layer.enter_alone, "leave": layer.leave_alone}
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "step": (layer.one_step, {}),
    "sequence": (
        layer.sequences,
        {"inputs": layer.inputs_of_one, "step_all": layer.step_of_one, **ALONE},
    ),
    "batch": (
        layer.sequences,
        {"inputs": layer.inputs_side_by_side, "step_all": layer.step_side_by_side, **ALONE},
    ),
    "team": (
        layer.sequences,
        {
            "inputs": layer.inputs_of_one,
            "step_all": layer.step_of_team,
            "enter": layer.enter_team,
            "leave": layer.leave_team,
        },
    ),
}
HOIST_FROM = 4
# What a last group of one vector has for itself, where its format says how.
BY_GROUP = (
    "tile_row",
    "tile_rows",
    "narrow_tile",
    "input_terms",
    "recurrent",
    "recurrent_rows",
    "made_rows",
)


def listing(cell: Cell, form: Form) -> Listing:
    """The cell's operations in a format."""
    marks = f"{'_clipped' if cell.clips else ''}{'_projected' if cell.projects else ''}"
    return Listing(f"{cell.name}_{form.name}{marks}", cell, form.compute, form.capture)


def has_phases(cell: Cell, form: Form) -> bool:
    """Whether a step takes more than one pass over the units."""
    return cell.projects or len(phases_of(listing(cell, form)).values) > 1


_kernels: dict[str, Kernel] = {}
_parts: dict[str, Parts] = {}


def kernel(cell: Cell, form: Form, kind: str) -> Kernel:
    """The kernel of a cell in a format.

    Args:
        cell: Of one phase, except where the format can capture.
        form: Of `FORMATS`.
        kind: Of `KINDS`.

    Returns:
        A stage of a chain, see chain.py.

    Raises:
        numba.core.errors.TypingError: An operation has no place or no form.
    """
    made = listing(cell, form)
    if has_phases(cell, form) and (kind == "batch" or form.capture is None):
        raise TypingError(f"{made.name}: several phases are written for one float32 sequence")
    facts = repr(dataclasses.astuple(cell)[3:])
    source = cell.equations.__code__.co_filename
    mark = f"{made.name}_{digest((source,), facts)}"
    name = f"{kind}_{mark}"
    if name not in _kernels:
        template, of_kind = KINDS[kind]
        parts = functools.partial(_parts_of, cell, form, mark, of_kind)
        _kernels[name] = Kernel(template, STAGE, name, parts)
    return _kernels[name]


def _parts_of(
    cell: Cell, form: Form, mark: str, of_kind: dict[str, Callable[..., Any]]
) -> dict[str, Any]:
    """Every name that a kind's templates leave open."""
    if mark not in _parts:
        _parts[mark] = _new_parts(cell, form, mark)
    parts = _parts[mark]
    return parts.names | {name: parts.inlined(made) for name, made in of_kind.items()}


def _new_parts(cell: Cell, form: Form, mark: str) -> Parts:
    """What is the same in every kind of kernel."""
    made = listing(cell, form)
    fused.define(made, cell.functions)
    parts = _parts_of_sums(cell, form, mark, _constants(made, form))
    names, several = parts.names, has_phases(cell, form)
    if form.last is not None:
        constants = _constants(made, form.last) | {"GROUP": form.group}
        last = _parts_of_sums(cell, form.last, f"{mark}_last", constants)
        for name in BY_GROUP:
            either = {"of_whole": names[name], "of_last": last.names[name]}
            names[name] = Parts(f"{name}_{mark}", either).inlined(sums.of_either)
    for template in (layer.hoist, layer.hoist_side_by_side):
        names[template.__name__] = parts.called(template)
    names["HOIST_FROM"] = 1 if several else HOIST_FROM
    if several:
        names["first_phase"] = phases.first(made, parts, projects=cell.projects)
    step = phases.step_of_phases if several else layer.step_of_groups
    names["step_once"] = parts.inlined(step)
    return parts


def _parts_of_sums(cell: Cell, form: Form, mark: str, constants: dict[str, Any]) -> Parts:
    """What the format gives, and the sums of a group of its size."""
    parts = Parts(mark, constants)
    names = parts.names
    names["step"] = parts.inlined(cell.equations)
    for name, part in form.parts(listing(cell, form)).items():
        names[name] = parts.inlined(part) if isinstance(part, FunctionType) else part
    names["recurrent_rows"] = parts.called(sums.recurrent_rows, ROWS=TILE_ROWS)
    names["tile_rows"] = parts.called(sums.tile_at, ROWS=TILE_ROWS)
    names["tile_row"] = parts.called(sums.tile_at, ROWS=1)
    return parts


def _constants(made: Listing, form: Form) -> dict[str, Any]:
    """Numbers, and the ways from vectors to the values of the equations."""
    gates, value_bytes = len(made.cell.gates), form.type.itemsize
    vectors = form.group // LANES * gates
    names: dict[str, Any] = {"GATES": gates, "VECTORS": vectors, "TERMS": vectors}
    names |= {"GROUP": form.group, "ROWS": TILE_ROWS}
    names["INPUT_BYTES"] = value_bytes
    names |= {f"{v}_value": fused.named(made, v) for v in ("x", *made.cell.states)}
    names |= {"w_products": fused.products(made, "ih"), "u_products": fused.products(made, "hh")}
    return names | {"peepholes": fused.peepholes(made)}
