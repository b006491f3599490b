"""A whole network in one call: a driver that walks a chain of compiled stages.

A stage is a kernel of one layer, or of one end of the network, compiled by itself for any sizes,
with the signature `STAGE`. The driver is compiled once. It looks at the caller's two arrays,
refuses what it cannot take, and calls the stages by their addresses: a new combination of layers
compiles nothing.

A long sequence goes through the chain CHUNK steps at a time, so that what goes on from stage to
stage stays near, and weights that do not are fetched once for many steps. `P` is the pointer to the
chain, int64, whose slots stand below.
"""

import functools
from typing import Any

import numba
import numpy as np
from numba.core import types

from edgelstm.kernels import conversion, team
from edgelstm.kernels.cache import Kernel, digest
from edgelstm.kernels.simd.arrays import (
    READABLE,
    WRITEABLE,
    address,
    data_of,
    length_of,
    ndarray,
    parameters,
)
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.pointers import call_stage, f32_at, i32_at, i64_at
from edgelstm.kernels.simd.vectors import INFINITE

# What the driver returns where it does nothing
UNFIT = -1  # it cannot take the arrays
UNPREPARED = -2  # it is not laid out for so many steps

(
    ARRAY,  # address of the type numpy.ndarray
    X_TYPE,  # NumPy's numbers of the types
    Y_TYPE,
    X_AXES,
    Y_AXES,
    BATCHED,  # whether the first axis is one of sequences
    BATCH,  # how many there are
    STEPPED,  # whether x has an axis of steps
    READ,  # whether anything is read of the steps, of which there must be one then
    LAST,  # whether stages see the last step alone: those behind EVERY
    Y_STEPS,  # how many come out; 0: as many as come in
    INPUTS,  # values of a row of x
    OUTPUTS,  # of y
    X_BYTES,  # of a row
    Y_BYTES,
    FINITE,  # whether x must be finite, which is then float32
    NORMAL,  # address of float32 (2, INPUTS) where x is normalised, see ends.py; 0: it is not
    ALIKE,  # whether y may lie where x does
    EVERY,  # stages in front of the reading of the last step
    STAGES,
    LAST_BYTES,  # of a row that the last step is read from
    CHUNK,  # steps that go from stage to stage together
    WHOLE,  # whether every step must
    EXACT,  # whether a stage is prepared for CHUNK steps alone
    TEAM,  # address of the team whose leader's chain this is
    SETS,
    FIRST_SET,  # where they begin
) = range(27)
# A set: sequences that run side by side; its stages begin at SET.
FIRST, TOGETHER, SET = range(3)
# A stage of a set
(
    FUNCTION,  # address
    PARAMETERS,  # address of those of the first call
    APART,  # bytes to those of the next
    CALLS,  # one for all sequences of the set, or one for each
    TARGET,  # address of what comes out; 0: y
    OFFSET,  # bytes into it
    ROW_BYTES,  # of a row that comes out
    OUT_STEPS,  # rows that come out; 0: as many as come in
    BESIDE,  # whether the next stage reads what this one reads, and writes the same rows
    STAGE_SLOTS,
) = range(10)
RUN = types.int64(ndarray, ndarray, ndarray)  # signature of `run`
jit = numba.njit(**INLINED)

before_stages: Any = None  # (P, x, y, steps); bound by `driver` and `leader`


@jit
def _y_steps(P, steps):
    """Steps of y, where x has so many."""
    return P[Y_STEPS] if P[Y_STEPS] else steps


@jit
def _steps_of(P, x, y):
    """Steps of x and y; UNFIT where they do not fit each other or the chain.

    x: (INPUTS,), y: (OUTPUTS,), each with an axis of sequences, of steps or of both in front, as
    the chain says, C order; any other object does not fit.
    """
    if data_of(x, P[ARRAY], P[X_AXES], P[X_TYPE], READABLE) == 0:
        return UNFIT
    if data_of(y, P[ARRAY], P[Y_AXES], P[Y_TYPE], READABLE | WRITEABLE) == 0:
        return UNFIT
    if length_of(x, P[X_AXES] - 1) != P[INPUTS] or length_of(y, P[Y_AXES] - 1) != P[OUTPUTS]:
        return UNFIT
    if P[BATCHED] and (length_of(x, 0) != P[BATCH] or length_of(y, 0) != P[BATCH]):
        return UNFIT
    if not P[STEPPED]:
        return 1
    steps = length_of(x, P[BATCHED])
    if P[READ] and steps == 0:
        return UNFIT
    if P[Y_AXES] == P[X_AXES] and length_of(y, P[BATCHED]) != _y_steps(P, steps):
        return UNFIT
    return steps


@jit
def _overlap(P, x, y, steps):
    """Whether a result could be written over what is still to be read; x, y: addresses."""
    x_end = x + P[BATCH] * steps * P[X_BYTES]
    y_end = y + P[BATCH] * _y_steps(P, steps) * P[Y_BYTES]
    return x < y_end and y < x_end


@jit
def _not_finite(P, x, rows):
    """How many values are not, or not once they are normalised.

    x: address of float32 (rows, INPUTS), C order.
    """
    size, bits, values, bad = P[INPUTS], i32_at(x), f32_at(x), 0
    if P[NORMAL] == 0:
        for k in range(rows * size):
            bad += (bits[k] & INFINITE) == INFINITE
        return bad
    normal = f32_at(P[NORMAL])
    for t in range(rows):
        for k in range(size):
            v = conversion.normalized(values[t * size + k], normal[k], normal[size + k])
            bad += not np.isfinite(v)
    return bad


@jit
def _stages(P, first, end, x, x_apart, y, y_apart, n):
    """Runs stages one after the other, the first on n steps; returns what the last one wrote.

    Also the bytes from a sequence's first row of that to the next sequence's.

    first, end: slots of the stages; x, y: addresses of a set's first sequence, from which the next
    one's lie x_apart and y_apart bytes apart.
    """
    at = first
    while at < end:
        n_out = P[at + OUT_STEPS] if P[at + OUT_STEPS] else n
        out, apart = P[at + TARGET], n_out * P[at + ROW_BYTES]
        if out == 0:
            out, apart = y, y_apart
        for k in range(P[at + CALLS]):
            given, y_k = P[at + PARAMETERS] + k * P[at + APART], out + P[at + OFFSET] + k * apart
            call_stage(P[at + FUNCTION], given, x + k * x_apart, y_k, n, x_apart, apart)
        if not P[at + BESIDE]:
            x, x_apart, n = out, apart, n_out
        at += STAGE_SLOTS
    return x, x_apart


@jit
def _set(P, at, x, y, steps):
    """Runs the chain for the set at a slot; x, y: addresses of all sequences."""
    x_apart, y_apart = steps * P[X_BYTES], _y_steps(P, steps) * P[Y_BYTES]
    x += P[at + FIRST] * x_apart
    y += P[at + FIRST] * y_apart
    first, start = at + SET, 0
    read = first + P[EVERY] * STAGE_SLOTS
    while start < steps:
        n = min(P[CHUNK], steps - start)
        x_row, y_row = x + start * P[X_BYTES], y + start * P[Y_BYTES]
        made, apart = _stages(P, first, read, x_row, x_apart, y_row, y_apart, n)
        start += n
        if P[LAST] and start == steps:
            made += (n - 1) * P[LAST_BYTES]
            _stages(P, read, first + P[STAGES] * STAGE_SLOTS, made, apart, y, y_apart, 1)


def run(p, x, y):
    """Runs a chain from x to y, from the states of its stages, which it leaves advanced.

    p: int64 (slots,), the chain; x, y: any objects, at which it looks itself. Returns 0; or UNFIT,
    UNPREPARED, or how many values of x are not finite, or not once they are normalised: then
    nothing is done.
    """
    P = parameters(p)
    steps = _steps_of(P, x, y)
    if steps < 0:
        return UNFIT
    if (P[WHOLE] and steps > P[CHUNK]) or (P[EXACT] and steps != P[CHUNK]):
        return UNPREPARED
    x_at = data_of(x, P[ARRAY], P[X_AXES], P[X_TYPE], READABLE)
    y_at = data_of(y, P[ARRAY], P[Y_AXES], P[Y_TYPE], READABLE)
    if not P[ALIKE] and _overlap(P, x_at, y_at, steps):
        return UNFIT
    if P[FINITE]:
        bad = _not_finite(P, x_at, P[BATCH] * steps)
        if bad:
            return bad
    before_stages(P, x_at, y_at, steps)
    at = FIRST_SET
    for _ in range(P[SETS]):
        _set(P, at, x_at, y_at, steps)
        at += SET + P[STAGES] * STAGE_SLOTS
    return 0


def help_once(words):
    """Computes a member's part of one call, if the team takes it; returns its number, or 0.

    words: int64 (rows, LINE), C order: a team, see team.py.
    """
    member = team.join(address(words))
    if member == 0:
        return 0
    call, own = i64_at(team.call_at(address(words))), i64_at(member)
    _set(i64_at(own[team.CHAIN]), FIRST_SET, call[team.X], call[team.Y], call[team.STEPS])
    return own[team.NUMBER]


@jit
def _alone(P, x, y, steps):
    """Nothing: one thread computes all."""


@jit
def _gather(P, x, y, steps):
    """Opens the team of a sequence of some steps; x, y: addresses."""
    if steps > 0:
        team.gather(P[TEAM], x, y, steps)


@functools.cache
def driver() -> Kernel:
    """The kernel of `run` for one thread."""
    return Kernel(run, RUN, f"chain_{digest((), '')}", lambda: {"before_stages": _alone})


@functools.cache
def leader() -> Kernel:
    """The kernel of `run` for the leader of a team."""
    return Kernel(run, RUN, f"lead_{digest((), '')}", lambda: {"before_stages": _gather})


@functools.cache
def helper() -> Kernel:
    """The kernel of `help_once`."""
    return Kernel(help_once, types.int64(ndarray), f"help_{digest((), '')}")
