"""A team: threads that run one chain on one sequence, each computing its share of every step.

Each member walks the same stages over the same rows. Of a recurrent layer it computes its own
groups of units, so that its core reads these weights alone; after every step all meet, and then
each reads what the others wrote of h. Of a stage whose rows do not depend on each other it computes
its own rows; any other is the leader's, who is the caller. Each unit is summed up as by one thread
alone: the bits are the same.

Nobody is waited for who is not there. The leader opens the team, counts for a short time who comes,
closes it, and computes with those, or alone; who comes later finds it closed and leaves.

A team is int64 (FIRST_MEMBER + members, LINE), C order; the leader's row is the first of a member.
"""

import ctypes
import functools
import sys
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edgelstm.kernels.cache import Kernel, digest
from edgelstm.kernels.packing import aligned
from edgelstm.kernels.simd.atomics import (
    add,
    call_plain,
    exchange,
    load_acquire,
    pause,
    replace,
    store_release,
)
from edgelstm.kernels.simd.options import INLINED
from edgelstm.kernels.simd.pointers import STAGE, call_stage, i64_at

LINE = 16  # words: two cache lines, as some processors fetch them in pairs
ROW_BYTES = 8 * LINE
COMING, ARRIVED, CALL, FIRST_MEMBER = range(4)  # rows
# What stands at COMING: of an open team, how many came; or
CLOSED = -1
# or, once a call has begun with some members, CLOSED less their number, until the next one opens.
# Row CALL
(
    X,  # address of what the chain reads
    Y,  # and of what it writes
    STEPS,
    MOST,  # members
    GIVE_WAY,  # address of a C function that lets other threads run, or 0
) = range(5)
# Row of a member
(
    TEAM,  # address
    NUMBER,  # 0: the leader
    MEMBERS,  # in this call
    DUE,  # ARRIVED when all have come to where this member is
    CHAIN,  # address of its chain
) = range(5)
# Slots of a stage that is shared out by rows, or is the leader's alone
FUNCTION, PARAMETERS, MEMBER, X_BYTES, Y_BYTES = range(5)
PAUSES = 64  # at a meeting, a microsecond or more, until the core is given away
# Who comes is waited for as long, while the core is given away again and again: some 200 us.
ROUNDS, PAUSES_OF_ROUND = 400, 8
jit = numba.njit(**INLINED)


@jit
def member_at(team, number):
    """Address of a member's row; team: address."""
    return team + (FIRST_MEMBER + number) * ROW_BYTES


@jit
def call_at(team):
    """Address of the row of the call; team: address."""
    return team + CALL * ROW_BYTES


@jit
def _give_way(team):
    """Lets another thread have the core, if one waits for it."""
    function = i64_at(call_at(team))[GIVE_WAY]
    if function != 0:
        call_plain(function)


@jit
def _round(team):
    """Waits for a moment."""
    for _ in range(PAUSES_OF_ROUND):
        pause()
    _give_way(team)


@jit
def meet(member):
    """Waits until every member of the call has come here; member: address of its row.

    What each of them wrote before is there for all of them behind it.
    """
    own, waited = i64_at(member), 0
    arrived, due = own[TEAM] + ARRIVED * ROW_BYTES, own[DUE] + own[MEMBERS]
    own[DUE] = due
    add(arrived, 1)
    while load_acquire(arrived) < due:
        pause()
        waited += 1
        if waited % PAUSES == 0:
            _give_way(own[TEAM])


@jit
def gather(team, x, y, steps):
    """Opens a team for a call, and closes it when all have come, or after a while.

    team: address; x, y: addresses of the rows that the chain reads and writes.
    """
    coming, of_call = team + COMING * ROW_BYTES, i64_at(call_at(team))
    of_call[X], of_call[Y], of_call[STEPS] = x, y, steps
    arrived = load_acquire(team + ARRIVED * ROW_BYTES)
    for number in range(of_call[MOST]):
        i64_at(member_at(team, number))[DUE] = arrived
    store_release(coming, 0)
    waited = 0
    while load_acquire(coming) + 1 < of_call[MOST] and waited < ROUNDS:
        _round(team)
        waited += 1
    members = 1 + exchange(coming, CLOSED)
    i64_at(member_at(team, 0))[MEMBERS] = members
    store_release(coming, CLOSED - members)


@jit
def join(team):
    """Address of the row of who came to a team in time, for the call that has begun; else 0.

    team: address. It need not be open yet: that is waited for, for a while.
    """
    coming, most = team + COMING * ROW_BYTES, i64_at(call_at(team))[MOST]
    waited = 0
    while waited < ROUNDS:
        came = load_acquire(coming)
        if came + 1 >= most:
            return 0
        if came < 0:
            _round(team)
            waited += 1
        elif replace(coming, came, came + 1):
            return _begun(team, came + 1)
    return 0


@jit
def _begun(team, number):
    """Address of a member's row, once its call has begun."""
    member, coming, waited = member_at(team, number), team + COMING * ROW_BYTES, 0
    while load_acquire(coming) >= CLOSED:
        pause()
        waited += 1
        if waited % PAUSES == 0:
            _give_way(team)
    i64_at(member)[MEMBERS] = CLOSED - load_acquire(coming)
    return member


# ---- stages that are not shared out by units


def by_rows(P, x, y, steps, x_apart, y_apart):
    """Runs a stage on the member's own rows.

    x, y: addresses of rows of X_BYTES and Y_BYTES, as the stage takes and gives them.
    """
    own = i64_at(P[MEMBER])
    first = steps * own[NUMBER] // own[MEMBERS]
    n = steps * (own[NUMBER] + 1) // own[MEMBERS] - first
    x += first * P[X_BYTES]
    y += first * P[Y_BYTES]
    if n > 0:
        call_stage(P[FUNCTION], P[PARAMETERS], x, y, n, x_apart, y_apart)
    meet(P[MEMBER])


def by_leader(P, x, y, steps, x_apart, y_apart):
    """Runs a stage by one thread, the leader; x, y: addresses of rows, as the stage has them."""
    if i64_at(P[MEMBER])[NUMBER] == 0:
        call_stage(P[FUNCTION], P[PARAMETERS], x, y, steps, x_apart, y_apart)
    meet(P[MEMBER])


@functools.cache
def kernel(template: Any) -> Kernel:
    """The kernel of one of both."""
    return Kernel(template, STAGE, f"{template.__name__}_{digest((), '')}")


# ---- in Python


class Team:
    """The memory of a team.

    Attributes:
        words: int64 (FIRST_MEMBER + most, LINE), C order.
        most: Members.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.words = aligned((FIRST_MEMBER + most, LINE), np.int64)
        self.words[COMING, 0] = CLOSED
        self.words[CALL, [MOST, GIVE_WAY]] = most, _way()
        self.words[FIRST_MEMBER:, TEAM] = self.address
        self.words[FIRST_MEMBER:, NUMBER] = range(most)

    @property
    def address(self) -> int:
        """Of the words."""
        return self.words.ctypes.data

    def member(self, number: int) -> int:
        """Address of a member's row."""
        at: int = member_at.py_func(self.address, number)
        return at

    def give_chains(self, chains: NDArray[np.int64]) -> None:
        """Addresses of the chains of all members, int64 (most,)."""
        self.words[FIRST_MEMBER:, CHAIN] = chains


@functools.cache
def _way() -> int:
    """Address of what lets other threads run; 0 where it is not known."""
    try:
        if sys.platform == "win32":
            function = ctypes.WinDLL("kernel32").SwitchToThread
        else:
            function = ctypes.CDLL(None).sched_yield
    except (AttributeError, OSError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0
