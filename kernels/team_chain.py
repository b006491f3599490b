"""A chain as a team runs it: for each member the same stages, with parameters of its own."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from edgelstm.kernels import chain, team
from edgelstm.kernels.cache import Kernel
from edgelstm.kernels.links import Call, Chain, Form, Link


def kernels(links: Sequence[Link]) -> list[Kernel]:
    """Every one that a member's links take, and those that walk them."""
    return [chain.leader(), chain.helper(), *map(_kernel, links)]


class TeamChain:
    """A chain for one sequence and the members of a team.

    Args:
        form: What they compute.
        most: Members.
        links: (number, address of its row) -> the links of a member.
        steps: Of the sequence, where every step goes from stage to stage together.
    """

    def __init__(
        self, form: Form, most: int, links: Callable[[int, int], list[Link]], steps: int
    ) -> None:
        self._form, self._team = form, team.Team(most)
        members = [self._team.member(number) for number in range(most)]
        self._links = [  # parameters, states and code
            list(_of_member(links(number, member), member, form.x.row_bytes))
            for number, member in enumerate(members)
        ]
        self._layout = Chain(form, {(0, 1): self._links[0]}).prepared(steps)
        self._slots = np.tile(self._layout.slots, (most, 1))
        self._slots[0, chain.TEAM] = self._team.address
        at = chain.FIRST_SET + chain.SET + chain.PARAMETERS
        self._slots[:, at :: chain.STAGE_SLOTS] = [
            [link.parameters.ctypes.data for link in own] for own in self._links
        ]
        every = np.arange(most)
        self._team.give_chains(self._slots.ctypes.data + every * self._slots.strides[0])

    @property
    def is_large(self) -> bool:
        """Whether it is no longer kept than it is used."""
        return self._layout.is_large

    def holds(self, steps: int) -> bool:
        """Whether it takes a sequence of so many steps."""
        is_whole, is_exact, together = self._slots[0, [chain.WHOLE, chain.EXACT, chain.CHUNK]]
        return steps == together if is_exact else not is_whole or steps <= int(together)

    def call(self) -> Call:
        """The leader's: opens the team, and computes with those who come."""
        call: Call = self._bound(chain.leader().function, self._slots[0])
        return call

    def help(self) -> Callable[[], int]:
        """What another thread calls to come: its number, or 0 where it came too late."""
        call: Callable[[], int] = self._bound(chain.helper().function, self._team.words)
        return call

    def _bound(self, function: Any, first: Any) -> Any:
        call = functools.partial(function, first)
        call.__dict__["keeps"] = self  # whose addresses it holds
        return call


def _of_member(links: Sequence[Link], member: int, x_bytes: int) -> Iterator[Link]:
    """Links with those that do not meet wrapped: their rows are shared, or the leader's."""
    for link in links:
        if link.meets:
            yield link
        else:
            at, y_bytes = link.parameters.ctypes.data, link.row_bytes
            p = np.array([[link.kernel.address, at, member, x_bytes, y_bytes]], np.int64)
            yield dataclasses.replace(link, kernel=_kernel(link), parameters=p, owner=link)
        x_bytes = x_bytes if link.place.is_beside else link.row_bytes


def _kernel(link: Link) -> Kernel:
    """What a member calls."""
    if link.meets:
        return link.kernel
    return team.kernel(team.by_rows if link.by_rows else team.by_leader)
