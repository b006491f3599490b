"""Steps of several phases, in float32: a product of a value that is computed within the step.

Such a value is complete, for all units, before its product is formed: a GRU that resets before the
product, an mgu, and the projection of h, which is a phase behind the equations. In each phase the
products that are due are formed, and the cell's equations run as far as they go: what depends on a
later product has no effect yet, and the compiler drops it.
"""

from typing import Any

from edgelstm.kernels.cache import Parts
from edgelstm.kernels.cell_ops import Listing, phases_of
from edgelstm.kernels.float32 import advance, cell_parts, keep
from edgelstm.kernels.fused import products
from edgelstm.kernels.kept import KEPT, OUT_GROUPS, RAW, VALUES, W_HR, WEIGHTS, store_units
from edgelstm.kernels.layer import BIAS_HH, CELL, GROUPS, H_WORDS, OUTPUTS, UNITS, WORD_BYTES
from edgelstm.kernels.simd.memory import load_f32, load_rows_f32, store_rows
from edgelstm.kernels.simd.products import product_f32
from edgelstm.kernels.simd.target import LANES, PAIR
from edgelstm.kernels.simd.tuples import join, picked, replaced
from edgelstm.kernels.simd.vectors import splat_f32

# Bound below, beside the names of float32.py.
GATES: Any = None
VECTORS: Any = None
JOINED: Any = None
PHASE: Any = None
LAST: Any = None
DUE: Any = None  # a letter 1 or 0 per gate: whether its product is formed in this phase
N_DUE: Any = None
step: Any = None
weights_of: Any = None
x_value: Any = None
h_value: Any = None
c_value: Any = None
load_terms: Any = None
of_units: Any = None  # look, or float32.advance in the last phase
following: Any = None  # the next phase
first_phase: Any = None


def step_of_phases(P, rows, t, hoisted, h, h_next, y_row, backwards):
    """One step of one sequence, whose input products are in SCRATCH.

    Arguments as in `layer.step_of_groups`.
    """
    first_phase(P, t, h, h_next, y_row, backwards)


def phase(P, t, h, h_next, y_row, backwards):
    """The products that are due, then the equations as far as they go.

    h: address of float32 (H_WORDS,); WEIGHTS + PHASE: float32 (GROUPS, H_WORDS,
    2 * N_DUE * LANES); KEPT: float32 (GROUPS, VECTORS * LANES). All C order.
    """
    source, groups = (h if PHASE == 0 else P[VALUES + PHASE]), P[GROUPS]
    for k in range(groups):
        g = groups - 1 - k if backwards else k
        at, terms = g * VECTORS * LANES, load_terms(P, t, g)
        if PHASE == 0:
            sums = join(terms, P[BIAS_HH], at, JOINED, 1)
        else:
            sums = load_rows_f32(P[KEPT], at, 0, VECTORS, 1)
        w = P[WEIGHTS + PHASE] + WORD_BYTES * g * 2 * N_DUE * LANES * P[H_WORDS]
        made = product_f32(picked(sums, DUE), w, source, 0, P[H_WORDS], 1, 0)
        sums = replaced(sums, made, DUE)
        if not LAST:
            store_rows(P[KEPT], at, sums, 0, 1)
        of_units(P, (terms, sums), g * PAIR, h, h_next, y_row, P[CELL])
    following(P, t, h, h_next, y_row, backwards)


def look(P, both, unit, h, h_next, y_row, c_row):
    """The equations of a group, for what they keep for the next phase.

    both: the sums of x and of h, tuples of float32 vectors; h, c_row: addresses of float32 (padded
    units,).
    """
    look_at(P, weights_of(both, 0, unit), unit, h, c_row)
    look_at(P, weights_of(both, GATES, unit + LANES), unit + LANES, h, c_row)


def look_at_one_state(P, weights, unit, h, c_row):
    """Runs the equations on one vector of units; h: address of float32 (padded units,)."""
    step(*weights, x_value(0, P), h_value(load_f32(h, unit), P))


def look_at_two_states(P, weights, unit, h, c_row):
    """Runs the equations on one vector of units; h, c_row: of float32 (padded units,)."""
    c = c_value(load_f32(c_row, unit), P)
    step(*weights, x_value(0, P), h_value(load_f32(h, unit), P), c)


look_at: Any = None


def nothing(P, t, h, h_next, y_row, backwards):
    """What follows the last phase of a cell without a projection."""


# ---- the projection


def keep_raw(P, new, unit, h_next, y_row):
    """Stores a float32 vector of h before its projection, to RAW, float32 (padded units,).

    The rows of the caller take what comes behind it.
    """
    store_units(P, new, unit, P[RAW])


def project(P, t, h, h_next, y_row, backwards):
    """h = weight_hr @ h, for all outputs.

    W_HR: float32 (OUT_GROUPS, UNITS, PAIR), C order; RAW: float32 (padded units,).
    """
    words, zero = P[UNITS], splat_f32(0.0)
    for g in range(P[OUT_GROUPS]):
        unit, w = g * PAIR, P[W_HR] + WORD_BYTES * g * PAIR * words
        made = product_f32((zero, zero), w, P[RAW], 0, words, 1, 0)
        keep(P, made[0], unit, h_next, y_row)
        if unit + LANES < P[OUTPUTS]:
            keep(P, made[1], unit + LANES, h_next, y_row)


# ---- putting them together


def due(listing: Listing, number: int) -> list[int]:
    """Positions of the gates whose products with h are formed in a phase."""
    of = phases_of(listing).of
    made = {op.gate for op in listing.cell.ops if of.get(op.result) == number}
    return [k for k, gate in enumerate(listing.cell.gates) if gate in made]


def first(listing: Listing, parts: Parts, *, projects: bool) -> Any:
    """The first phase, which calls the next, and so on."""
    behind = parts.inlined(project if projects else nothing)
    n, templates = len(phases_of(listing).values), cell_parts(listing)
    looks = look_at_one_state if len(listing.cell.states) == 1 else look_at_two_states
    for number in reversed(range(n)):
        gates = due(listing, number)
        more = {"PHASE": number, "LAST": number == n - 1}
        own = Parts(f"{parts.mark}_{number}", parts.names | more)
        names = own.names
        names["DUE"] = "".join("1" if k in gates else "0" for k in range(len(listing.cell.gates)))
        names["N_DUE"], names["following"] = len(gates), behind
        names["u_products"] = products(listing, "hh", number)
        for name in ("weights_of", "new_h"):
            names[name] = own.inlined(templates[name])
        names["look_at"] = own.inlined(looks)
        names["keep"] = own.inlined(keep_raw) if projects else keep
        names["of_units"] = own.inlined(advance if number == n - 1 else look)
        behind = own.inlined(phase)
    return behind
