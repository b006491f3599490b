"""Which layers of a network run in one loop."""

from collections.abc import Sequence
from typing import Any

from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.without_numbers import WithoutNumbers


def stages(layers: Sequence[Any]) -> list[list[Any]]:
    """Layers of one loop each: one direction, up to the last recurrent one. All others alone."""
    found: list[list[Any]] = []
    run: list[Any] = []
    for layer in layers:
        run.append(layer)
        if isinstance(layer, WithoutNumbers) or is_bidirectional(layer):
            found += [*_split(run[:-1]), [layer]]
            run = []
    return found + _split(run)


def _split(run: list[Any]) -> list[list[Any]]:
    """Up to the last recurrent layer; each of the others."""
    at = max((k + 1 for k, layer in enumerate(run) if isinstance(layer, Recurrent)), default=0)
    return [run[:at]] * (at > 0) + [[layer] for layer in run[at:]]
