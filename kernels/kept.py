"""What a step of several phases keeps from one phase to the next, in float32; see phases.py."""

from typing import Any

import numba

from edgelstm.kernels.layer import OWN, UNITS
from edgelstm.kernels.simd.memory import store_f32, store_first_f32
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.target import LANES

MOST_PHASES = 4
# Slots of the parameters: addresses of float32 arrays, but for OUT_GROUPS.
(
    KEPT,  # recurrent sums of all groups: those that are formed, and where the others begin
    RAW,  # h before its projection
    W_HR,
    OUT_GROUPS,  # of the projected h
    WEIGHTS,  # of h that are due in phase 0, 1, ...
) = range(OWN, OWN + 5)
VALUES = WEIGHTS + MOST_PHASES  # what they multiply; h itself in phase 0
N_SLOTS = VALUES + MOST_PHASES

jit = numba.njit(**INLINED)


@jit
def store_units(P, v, unit, out):
    """A float32 vector of units from `unit` on, to address `out` of float32 (padded units,).

    The padding stays 0, see `float32.keep`.
    """
    if unit + LANES <= P[UNITS]:
        store_f32(out, unit, v)
    else:
        store_first_f32(out, unit, v, P[UNITS] - unit)


def capture(number: int) -> Any:
    """The jitted function that keeps what phase `number` multiplies, see `cell_ops.Listing`."""
    return jit(lambda P, v, unit: store_units(P, v, unit, P[VALUES + number]))
