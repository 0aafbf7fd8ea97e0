"""The ``$`` functions that may stand in the data of an event.

An object with a name that begins with ``$`` is a call: ``{"$uuid": "order-7"}`` or
``{"$time": "-1d", "as": "timestamp-millis"}``. There is a fixed table of them and no
templates, so data stays JSON and nothing of the machine can leak into it. ``$$`` at the
beginning of a name stands for one ``$``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import lru_cache
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID

from fakebus.fixture_files.formats.format import kind_of_json
from fakebus.fixture_files.problems import DataError, did_you_mean, quoted
from fakebus.fixture_files.time_forms import time_form
from fakebus.fixture_files.times import HINT, check_range, parse_duration_ns, parse_time

_NAMESPACE = UUID("6f3f6a5e-0c0b-5d0e-9a53-fa4eb05f1e55").bytes
"""Ours; a constant so that ``$uuid`` gives the same text everywhere and for ever."""

MAX_DEPTH = 100
_MS = 1_000_000
"""Nanoseconds of a millisecond."""


class FunctionContext(NamedTuple):
    """Context of functions: all that they may depend on comes from the set and the event."""

    seed: int
    anchor_ms: int
    zone: tzinfo
    event_ms: int
    event_name: str = ""


Result = str | int | float
Function = Callable[[object, Mapping[str, object], FunctionContext], Result]


def _uuid(argument: object, options: Mapping[str, object], context: FunctionContext) -> str:
    _check_options("$uuid", options, ())
    if not isinstance(argument, str) or not argument:
        raise DataError(
            f"$uuid needs a name as text, not {kind_of_json(argument)}",
            'write {"$uuid": "any-name"}; the same name gives the same UUID',
        )
    return _uuid5(f"{context.seed}/{_unpaired_refused(argument)}")


def _uuid5(name: str) -> str:
    # As uuid.uuid5 makes it, in a tenth of the time: many events have one. Version 5 stands in the
    # thirteenth digit, and the variant in two bits of the seventeenth.
    text = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def _unpaired_refused(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError("the name holds half of a surrogate pair", "write both halves")
    return text


def moment_of(text: str, context: FunctionContext) -> int:
    """Return the nanoseconds since the epoch that the text of ``$time`` stands for.

    Raises:
        DataError: it is none, or lies before 1970 or after 9999.
    """
    if text == "at":
        return context.event_ms * _MS
    if text.startswith("at "):
        return _in_range(context.event_ms * _MS + parse_duration_ns(text[3:]))
    return _set_moment(text, context.anchor_ms, context.zone)


# The events of a set say the same again and again.
@lru_cache(maxsize=4096)
def _set_moment(text: str, anchor_ms: int, zone: tzinfo) -> int:
    if text.startswith(("+", "-")):
        return _in_range(anchor_ms * _MS + parse_duration_ns(text))
    return parse_time(text, anchor_ms=anchor_ms, zone=zone) * _MS


def _in_range(moment: int) -> int:
    check_range(moment // _MS)
    return moment


@lru_cache(maxsize=4096)
def written_time(form: str, moment: int) -> Result:
    """Return nanoseconds since the epoch in a form of ``$time``."""
    return time_form(form)(moment)


def _time(argument: object, options: Mapping[str, object], context: FunctionContext) -> Result:
    if options:
        _check_options("$time", options, ("as",))
    if not isinstance(argument, str):
        raise DataError(f"$time needs a text, not {kind_of_json(argument)}", HINT)
    form = str(options["as"]) if options else "iso"
    write = time_form(form)
    try:
        if argument == "at":
            # No two events need have it in common.
            return write(context.event_ms * _MS)
        return written_time(form, moment_of(argument, context))
    except DataError as error:
        raise DataError(str(error), HINT + ', or "at" for the time of the event') from None


def _check_options(name: str, options: Mapping[str, object], known: tuple[str, ...]) -> None:
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known) if known else "remove it"
            raise DataError(f"{name} has no option {quoted(option)}", hint)


def _event(argument: object, options: Mapping[str, object], context: FunctionContext) -> str:
    if options:
        _check_options("$event", options, ())
    if argument == "uuid":
        return _uuid5(f"{context.seed}/event/{context.event_name}")
    if argument == "id":
        return context.event_name
    raise DataError(
        "$event gives only the event's id and uuid", 'write {"$event": "uuid"} or {"$event": "id"}'
    )


FUNCTIONS: Mapping[str, Function] = {
    "$event": _event,
    "$time": _time,
    "$uuid": _uuid,
}
"""Every function, by the name that calls it."""

_NO_OPTIONS: Mapping[str, object] = {}
_NESTED = dict, list
"""What calls may stand in; to write the two as a union takes longer than to ask for them."""


def has_calls(data: object) -> bool:
    """Return whether :func:`expand` would change data, however deeply it is nested."""
    left = [data]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            if any(name[:1] == "$" for name in each):
                return True
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
    return False


def expand(data: object, context: FunctionContext, depth: int = 0) -> object:
    """Return data with every call replaced by its result; it is the same where there is none.

    Raises:
        DataError: a call is wrong, or the data is nested deeper than 100 levels.
    """
    if depth > MAX_DEPTH:
        raise DataError(
            f"functions work only down to {MAX_DEPTH} levels of nesting", "flatten the data"
        )
    # Most values are scalars; they are passed by without a call of their own.
    if isinstance(data, dict):
        found: dict[str, object] = {}
        for name, item in data.items():
            if name[:1] == "$":
                if name[:2] != "$$":
                    return _call(name, data, context)
                found[name] = item
            if isinstance(item, _NESTED):
                expanded = expand(item, context, depth + 1)
                if expanded is not item:
                    found[name] = expanded
        if not found:
            return data
        return {name.removeprefix("$"): found.get(name, item) for name, item in data.items()}
    if isinstance(data, list):
        return [
            expand(item, context, depth + 1) if isinstance(item, _NESTED) else item for item in data
        ]
    return data


def _call(name: str, data: dict[str, object], context: FunctionContext) -> Result:
    function = FUNCTIONS.get(name)
    if function is None:
        raise DataError(
            f"there is no function {quoted(name)}",
            did_you_mean(name, FUNCTIONS) + f'; a name that is data is written "${name}"',
        )
    if len(data) == 1:
        return function(data[name], _NO_OPTIONS, context)
    options = {option: value for option, value in data.items() if option != name}
    return function(data[name], options, context)


def settle(data: object, context: FunctionContext) -> tuple[object, bool]:
    """Return data with the calls made that always give the same, and whether others are left.

    What is left are times that count from the anchor or from the event.

    Args:
        data: of a key, value or header, with no mistakes.
        context: of the event.
    """
    if isinstance(data, list):
        settled = [settle(item, context) for item in data]
        return [item for item, _ in settled], any(moves for _, moves in settled)
    if not isinstance(data, dict):
        return data, False
    if any(name[:1] == "$" and name[:2] != "$$" for name in data):
        text = data.get("$time")
        if isinstance(text, str) and text.startswith(("+", "-", "at", "now")):
            return data, True
        return expand(data, context), False
    inner = {name: settle(item, context) for name, item in data.items()}
    return {name: item for name, (item, _) in inner.items()}, any(m for _, m in inner.values())
