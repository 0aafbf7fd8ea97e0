"""Matching data by what is said of it: the value, or a matcher such as ``{"$type": "number"}``.

An object with one name that begins with ``$`` is a matcher; in every other object each named field
has to match, and fields that are not named are free. Tests and contracts share the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fakebus.fixture_files.problems import DataError, did_you_mean, quoted
from fakebus.schemas.interface import SchemaError
from fakebus.schemas.json_schema import patterns

_NUMBER = (int, float)


def type_of(data: object) -> str:
    """Return the type of plain data in JSON Schema's words; ``bytes`` for what JSON cannot say."""
    if data is None:
        return "null"
    if isinstance(data, bool):
        return "boolean"
    if isinstance(data, int):
        return "integer"
    if isinstance(data, float):
        return "number"
    if isinstance(data, str):
        return "string"
    if isinstance(data, Mapping):
        return "object"
    return "array" if isinstance(data, list | tuple) else "bytes"


TYPES = ("null", "boolean", "integer", "number", "string", "array", "object", "bytes")


def is_of(found: str, wanted: str) -> bool:
    """Whether data of a type is data of another one: an integer is a number."""
    return found == wanted or (found == "integer" and wanted == "number")


class Matcher(NamedTuple):
    """Matcher by its name."""

    problems: Callable[[str, Any, Any], Iterator[str]]
    """Yields why data does not match: its path, the argument, the data."""
    mistake: Callable[[Any], str]
    """Returns what is wrong with an argument; empty if nothing is."""


def _any(path: str, argument: Any, found: Any) -> Iterator[str]:
    return iter(())


def _type(path: str, argument: Any, found: Any) -> Iterator[str]:
    wanted = [argument] if isinstance(argument, str) else argument
    kind = type_of(found)
    if not any(is_of(kind, each) for each in wanted):
        yield f"{path} is {found!r}, of type {kind} and not {' or '.join(wanted)}"


def _type_mistake(argument: Any) -> str:
    wanted = [argument] if isinstance(argument, str) else argument
    if not isinstance(wanted, list) or not wanted:
        return "a type, or a list of types"
    unknown = next((each for each in wanted if each not in TYPES), None)
    return "" if unknown is None else f"one of {', '.join(TYPES)}, not {unknown!r}"


def _regex(path: str, argument: Any, found: Any) -> Iterator[str]:
    try:
        is_right = isinstance(found, str) and patterns.matches(_whole(argument), found)
    except patterns.Unmatchable:
        yield f"{path} cannot be told to be as {argument!r} has it: that may take without end"
        return
    if not is_right:
        yield f"{path} is {found!r}, which is not as {argument!r} has it"


def _whole(expression: str) -> str:
    return rf"\A(?:{expression})\z"


def _regex_mistake(argument: Any) -> str:
    if not isinstance(argument, str):
        return "a regular expression"
    try:
        re.compile(argument)
        patterns.check_pattern(_whole(argument))
    except (re.error, OverflowError, RecursionError, SchemaError) as error:
        return f"a regular expression, which this is not: {error}"
    return ""


def _limits(argument: Any) -> Mapping[str, Any]:
    return argument if isinstance(argument, Mapping) else {"min": argument, "max": argument}


def _outside(number: Any, argument: Any) -> bool:
    limits = _limits(argument)
    return bool(number < limits.get("min", number) or number > limits.get("max", number))


def _words(argument: Any) -> str:
    limits = _limits(argument)
    if not isinstance(argument, Mapping):
        return str(argument)
    return " and ".join(
        f"{word} {limits[name]}" for name, word in _LIMITS.items() if name in limits
    )


_LIMITS = {"min": "at least", "max": "at most"}


def _len(path: str, argument: Any, found: Any) -> Iterator[str]:
    if not isinstance(found, str | bytes | Sequence | Mapping):
        yield f"{path} is {found!r}, which has no length"
    elif _outside(len(found), argument):
        yield f"{path} has the length {len(found)}, not {_words(argument)}"


def _len_mistake(argument: Any) -> str:
    numbers = _limits(argument).values()
    if not numbers or any(type(each) is not int or each < 0 for each in numbers):
        return 'a length, or {"min": …, "max": …}'
    return _limits_mistake(argument)


def _range(path: str, argument: Any, found: Any) -> Iterator[str]:
    if not isinstance(found, _NUMBER) or isinstance(found, bool):
        yield f"{path} is {found!r}, not a number"
    elif _outside(found, argument):
        yield f"{path} is {found!r}, not {_words(argument)}"


def _range_mistake(argument: Any) -> str:
    is_right = isinstance(argument, Mapping) and argument
    if not is_right or any(type(each) not in _NUMBER for each in argument.values()):
        return '{"min": …, "max": …} with numbers'
    return _limits_mistake(argument)


def _limits_mistake(argument: Any) -> str:
    unknown = next((name for name in _limits(argument) if name not in _LIMITS), None)
    return "" if unknown is None else f"min and max, not {unknown!r}"


def _in(path: str, argument: Any, found: Any) -> Iterator[str]:
    if not any(_same(found, each) for each in argument):
        yield f"{path} is {found!r}, not one of {', '.join(map(repr, argument))}"


def _in_mistake(argument: Any) -> str:
    return "" if isinstance(argument, list) and argument else "a list of values"


def _each(path: str, argument: Any, found: Any) -> Iterator[str]:
    if not isinstance(found, list | tuple):
        yield f"{path} is {found!r}, not a list"
        return
    for index, item in enumerate(found):
        yield from differences(f"{path}[{index}]", argument, item)


def _each_mistake(argument: Any) -> str:
    check(argument)
    return ""


MATCHERS: Mapping[str, Matcher] = {
    "$any": Matcher(_any, lambda argument: "" if argument is True else "true"),
    "$type": Matcher(_type, _type_mistake),
    "$regex": Matcher(_regex, _regex_mistake),
    "$len": Matcher(_len, _len_mistake),
    "$range": Matcher(_range, _range_mistake),
    "$in": Matcher(_in, _in_mistake),
    "$each": Matcher(_each, _each_mistake),
}


def _matcher(wanted: Mapping[str, Any]) -> tuple[str, Any] | None:
    if len(wanted) != 1:
        return None
    ((name, argument),) = wanted.items()
    return (name, argument) if isinstance(name, str) and name.startswith("$") else None


def check(wanted: Any) -> None:
    """Make sure that every matcher in what is wanted is known and has a right argument.

    Raises:
        DataError: one is not; the message says which.
    """
    if isinstance(wanted, list | tuple):
        for item in wanted:
            check(item)
    if not isinstance(wanted, Mapping):
        return
    found = _matcher(wanted)
    if found is None:
        for item in wanted.values():
            check(item)
        return
    name, argument = found
    matcher = MATCHERS.get(name)
    if matcher is None:
        raise DataError(f"there is no matcher {quoted(name)}", did_you_mean(name, MATCHERS))
    mistake = matcher.mistake(argument)
    if mistake:
        raise DataError(f"{name} takes {mistake}", f"mend {quoted(name)}")


def differences(path: str, wanted: Any, found: Any) -> Iterator[str]:
    """Yield why data is not what is wanted.

    Args:
        path: what the data is called in the answers.
        wanted: plain data, in which an object may be a matcher.
        found: plain data.
    """
    if isinstance(wanted, Mapping):
        matcher = _matcher(wanted)
        if matcher is not None and matcher[0] in MATCHERS:
            yield from MATCHERS[matcher[0]].problems(path, matcher[1], found)
        else:
            yield from _field_differences(path, wanted, found)
    elif isinstance(wanted, list | tuple) and isinstance(found, list):
        if len(wanted) != len(found):
            yield f"{path} has {len(found)} items, not {len(wanted)}"
            return
        for index, (inner, item) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(f"{path}[{index}]", inner, item)
    elif not _same(wanted, found):
        yield f"{path} is {found!r}, not {wanted!r}"


def _same(wanted: Any, found: Any) -> bool:
    return bool(wanted == found) and isinstance(wanted, bool) == isinstance(found, bool)


def _field_differences(path: str, wanted: Mapping[str, Any], found: Any) -> Iterator[str]:
    if not isinstance(found, Mapping):
        yield f"{path} is {found!r}, not an object"
        return
    for name, inner in wanted.items():
        if name in found:
            yield from differences(f"{path}.{name}", inner, found[name])
        else:
            # A matcher that is misspelt is a field like any other.
            is_like_one = isinstance(name, str) and name.startswith("$")
            hint = f" (matchers are {', '.join(MATCHERS)})" if is_like_one else ""
            yield f"{path}.{name} is missing{hint}"
