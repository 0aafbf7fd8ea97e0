"""Values of the house's own types from plain data, as JSON and MessagePack give it back."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def built(wanted: Any, data: Any) -> Any:
    """Return the value of a type that plain data stands for.

    Arrays become lists and tuples, objects become dataclasses and named tuples, whose fields may be
    left out where they have a default.

    Raises:
        ValueError: the data is not of that type.
    """
    if type(data) is wanted:  # as most data is
        return data
    origin, arguments = _parts(wanted)
    is_array = isinstance(data, list | tuple)
    if wanted is Any or wanted is object or (origin is Literal and data in arguments):
        return data
    if origin in (Union, types.UnionType):
        return data if type(data) in arguments else _one_of(arguments, data)
    if origin is tuple and is_array:
        each = arguments[:1] * len(data) if arguments[1:] == (...,) else arguments
        return tuple([built(one, item) for one, item in zip(each, data, strict=True)])
    if origin in (list, Sequence) and is_array:
        kind = list if origin is list else tuple
        return kind(built(arguments[0], item) for item in data)
    if origin in (dict, Mapping) and isinstance(data, Mapping):
        return {built(arguments[0], name): built(arguments[1], data[name]) for name in data}
    if is_dataclass(wanted) or hasattr(wanted, "_fields"):
        return _object(wanted, dict(zip(wanted._fields, data, strict=True)) if is_array else data)
    if origin is None and isinstance(data, wanted):
        if wanted is bool or not isinstance(data, bool):
            return data
    raise ValueError(f"{data!r:.60} is no {getattr(wanted, '__name__', wanted)}")


def _one_of(wanted: Sequence[Any], data: Any) -> Any:
    problem = ValueError()
    for each in wanted:
        try:
            return built(each, data)
        except ValueError as error:
            problem = error
    raise problem


def _object(wanted: Any, fields: Any) -> Any:
    hints = _hints(wanted)
    try:
        return wanted(
            **{
                name: data if type(data) is hints[name] else built(hints[name], data)
                for name, data in fields.items()
            }
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no {wanted.__name__}: {error}") from error


@cache
def _parts(wanted: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(wanted), get_args(wanted)


@cache
def _hints(wanted: type) -> Mapping[str, Any]:
    return get_type_hints(wanted)
