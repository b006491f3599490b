"""Frozen dataclasses to dictionaries, lists and numbers, as JSON takes them, and back."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def plain(value: Any) -> Any:
    """Dictionaries, lists and numbers; the fields that a class calls flat stand in its own."""
    if dataclasses.is_dataclass(value):
        made: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            inner = plain(getattr(value, field.name))
            flat = field.name in getattr(value, "FLAT", ())
            made |= inner if flat else {field.name: inner}
        return made
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def typed(kind: Any, value: Any) -> Any:
    """The reverse of `plain`: a value of a type; `TypeError` where it is of another."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        inner = [arg for arg in args if arg is not type(None)]
        return typed(inner[0], value) if len(inner) == 1 else _one_of(inner, value)
    if origin is tuple:
        return tuple(typed(args[0], item) for item in _checked(list, value))
    if origin is dict:
        return {k: typed(args[1], item) for k, item in _checked(dict, value).items()}
    if dataclasses.is_dataclass(kind):
        hints, flat = typing.get_type_hints(kind), getattr(kind, "FLAT", ())
        given = _checked(dict, value)
        names = [field.name for field in dataclasses.fields(kind)]
        fields = {n: typed(hints[n], given if n in flat else given[n]) for n in names}
        return kind(**fields)  # type: ignore[operator]
    return _checked(kind, value)


def _one_of(kinds: list[Any], value: Any) -> Any:
    return value if isinstance(value, (*kinds, int)) else _checked(kinds[0], value)


def _checked(kind: type[T], value: Any) -> T:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)  # type: ignore[return-value]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r:.40} is no {kind.__name__}")
    return value
