"""Directions of recurrent layers: their names, what they must share, and all of a network's."""

from collections.abc import Iterable, Sequence
from typing import Any

from edgelstm.errors import ModelError

REVERSE = "_reverse"  # behind a layer's name: its reverse direction, as in PyTorch's state dicts
LONGEST_NAME = 200


def parts(layers: Iterable[Any]) -> list[Any]:
    """What holds numbers, in order: directions of recurrent layers, dense layers."""
    return [part for layer in layers for part in layer.parts]


# Kinds whose parts are real in any precision, but an activation that holds scales.
NEUTRAL = ("activation", "layer_norm", "embedding")


def computing(layers: Iterable[Any]) -> list[Any]:
    """The parts whose arithmetic a precision says: those with products, and what holds scales."""
    return [part for part in parts(layers) if part.kind not in NEUTRAL or part.input is not None]


def agreed_precision(layers: Iterable[Any]) -> str:
    """The precision of all layers, or `mixed`."""
    found = {part.precision for part in computing(layers) or parts(layers)}
    return found.pop() if len(found) == 1 else "mixed"


def is_bidirectional(layer: Any) -> bool:
    """Whether a layer, of any kind, has a reverse direction."""
    return len(layer.parts) > 1


def check_names(layers: Iterable[Any]) -> None:
    """`ModelError` unless each direction of each layer has a name of its own that files hold."""
    names = [part.name for part in parts(layers)]
    if len(set(names)) < len(names):
        raise ModelError(f"layers are named {', '.join(names)}; each needs a name of its own")
    for name in names:
        halves = any("\ud800" <= character <= "\udfff" for character in name)
        if halves or "\0" in name or not 0 < len(name) <= LONGEST_NAME:
            raise ModelError(
                f"a layer is named {name[:LONGEST_NAME]!a}; 1 to {LONGEST_NAME} characters are "
                "needed, neither NUL nor halves of others"
            )


def check_whole_sequence(layers: Iterable[Any]) -> None:
    """`ModelError` if a layer needs all steps: then none can be computed alone."""
    for layer in layers:
        if is_bidirectional(layer):
            raise ModelError(
                f"layer '{layer.name}' is bidirectional: its reverse direction begins at the last "
                "step, so it needs whole sequences and no step can be computed alone; give whole "
                "sequences (run; files without streaming), or train the layer in one direction"
            )
        if told := getattr(layer, "needs_all_steps", None):
            raise ModelError(
                f"layer '{layer.name}': {told}, so no step can be computed alone; give whole "
                "sequences (run; files without streaming)"
            )


def check_directions(directions: Sequence[Any]) -> None:
    """`ModelError` unless these are one direction, or two of one name, cell, size and scale."""
    if len(directions) not in (1, 2):
        raise ModelError(
            f"a recurrent layer has {len(directions)} directions; one is needed, or two: forward "
            "and backward"
        )
    forward, *others = directions
    for backward in others:
        if backward.name != forward.name + REVERSE:
            raise ModelError(
                f"layer '{forward.name}': its reverse direction is called '{backward.name}'; "
                f"'{forward.name + REVERSE}' is needed"
            )
        kinds = [
            f"{d.cell_name} {d.input_size} -> {d.hidden_size} -> {d.output_size}, "
            f"clip {d.cell_clip:g}, {d.nonlinearity}"
            for d in directions
        ]
        if kinds[0] != kinds[1]:
            raise ModelError(
                f"layer '{forward.name}': its directions are {kinds[0]} and {kinds[1]}; "
                "the same cell and sizes are needed"
            )
        for value in ("x", "h"):  # both directions read one array, and give one
            if forward.scales.get(value) != backward.scales.get(value):
                raise ModelError(
                    f"layer '{forward.name}': its directions have different scales or zero points "
                    f"of {value}; one is needed"
                )
