"""Which outputs a layer of a functional model takes: as Keras 2 writes it, and as Keras 3 does."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.formats.keras.config import Described

TENSOR = "__keras_tensor__"
DEEPEST = 8
WAY_OUT = "save the model again with Keras"


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        sources: Names of the layers whose output it takes.
        constants: What it takes beside.
        masks: Names of what makes its mask.
    """

    sources: tuple[str, ...]
    constants: tuple[Any, ...] = ()
    masks: tuple[str, ...] = ()


def call_of(layer: Described) -> Call:
    """The one call of a layer.

    Raises:
        ModelError: It is called several times, or given more than its input and its mask.
    """
    calls = layer.calls
    if not isinstance(calls, list) or len(calls) != 1:
        n = len(calls) if isinstance(calls, list) else 0
        raise ModelError(f"is called {n} times; a layer of a network is called once")
    (call,) = calls
    if isinstance(call, dict):
        return _keras_3(call)
    return _keras_2(call)


def _keras_3(call: dict[str, Any]) -> Call:
    given = list(_flat(call.get("args"), DEEPEST))
    options = call.get("kwargs") or {}
    if not isinstance(options, dict):
        raise ModelError(f"is called with {type(options).__name__}; {WAY_OUT}")
    masks = list(_flat(options.get("mask"), DEEPEST))
    _check_options({k: v for k, v in options.items() if k != "mask"})
    named = [item for item in given if isinstance(item, _Named)]
    others = [item for item in given if not isinstance(item, _Named) and item is not None]
    if not all(isinstance(mask, _Named | None) for mask in masks):
        raise ModelError(f"is given a mask that is no output of a layer; {WAY_OUT}")
    return Call(
        tuple(item.name for item in named),
        tuple(others),
        tuple(mask.name for mask in masks if mask is not None),
    )


def _keras_2(call: Any) -> Call:
    """A list of [name, call, output, options]."""
    if not isinstance(call, list):
        raise ModelError(f"is called with {type(call).__name__}; {WAY_OUT}")
    sources = []
    for item in call:
        named = _history(item[:3] if isinstance(item, list) else item)
        options = item[3] if len(item) > 3 else {}
        if not isinstance(options, dict):
            raise ModelError(f"is called with {type(options).__name__}; {WAY_OUT}")
        _check_options(options)
        sources.append(named.name)
    return Call(tuple(sources))


@dataclasses.dataclass(frozen=True)
class _Named:
    name: str


def _flat(given: Any, depth: int) -> Iterator[Any]:
    """Outputs of layers and constants, out of lists in lists."""
    if isinstance(given, list) and depth:
        for item in given:
            yield from _flat(item, depth - 1)
    elif isinstance(given, dict) and given.get("class_name") == TENSOR:
        config = given.get("config")
        yield _history(config.get("keras_history") if isinstance(config, dict) else None)
    else:
        yield given


def _history(stated: Any) -> _Named:
    """[name, which call, which output]; the calls of a model inside count from 1."""
    if not isinstance(stated, list) or len(stated) != 3 or not isinstance(stated[0], str):
        raise ModelError(f"its input is no output of a layer; {WAY_OUT}")
    name, call, output = stated
    if call not in (0, 1) or output != 0:
        raise ModelError(
            f"takes output {output!r:.20} of call {call!r:.20} of '{name:.60}'; the "
            "first output of one call is read: states are not"
        )
    return _Named(name)


def _check_options(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value not in (None, False):
            raise ModelError(f"is called with {name:.60}, which no network here has")


def outputs(model: Described, key: str) -> list[str]:
    """The names of `input_layers` or `output_layers`."""
    stated = model.config.get(key)
    if isinstance(stated, dict):
        stated = list(stated.values())
    if isinstance(stated, list) and len(stated) == 3 and isinstance(stated[0], str):
        stated = [stated]
    if not isinstance(stated, list) or not stated:
        raise ModelError(f"{key} names no layer; {WAY_OUT}")
    return [_history(item).name for item in stated]
