"""Kept: what is made for a network and used again, as long as the network lives."""

import os
import threading
import weakref
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by owner and form, each handed to one caller at a time.

    A value is taken out while it is used; what is not given back, as after an exception, is lost.
    Each thread has its own, and so has a fork. No value may hold its owner, which would then never
    be freed.

    Args:
        most: Values per owner; beyond, the one that was not used for longest goes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: weakref.WeakKeyDictionary[Any, dict[Hashable, T]] = weakref.WeakKeyDictionary()

    def take(self, owner: object, form: Hashable) -> T | None:
        """The value that this thread gave back, if it is still there."""
        return self._of.get(owner, {}).pop(_own(form), None)

    def give_back(self, owner: object, form: Hashable, value: T) -> None:
        """For the next `take`."""
        kept = self._of.setdefault(owner, {})
        kept[_own(form)] = value
        for oldest in list(kept)[: -self._most]:
            kept.pop(oldest, None)


def _own(form: Hashable) -> Hashable:
    """A form of this thread of this process."""
    return form, os.getpid(), threading.get_ident()
