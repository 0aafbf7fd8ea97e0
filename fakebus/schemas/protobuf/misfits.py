"""Where data does not fit a message: json_format names fields, but neither items nor types."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from fakebus.escaping import printable
from fakebus.schemas.protobuf.descriptors import is_map, is_repeated
from fakebus.schemas.protobuf.printer import scalar_name

_MOST_NAMES = 20
_MOST_LETTERS = 60


def misfit(message: Descriptor, data: object, reason: str) -> str:
    """Return the place of what does not fit, and what is wrong with it.

    Args:
        message: what the data should be.
        data: what was refused, in Protobuf's JSON form.
        reason: why, in json_format's words, for what is wrong with a message as a whole.
    """
    place, problem = _in_message("$", message, data, reason)
    return f"{place}: {problem}"


def _in_message(place: str, message: Descriptor, data: object, reason: str) -> tuple[str, str]:
    if message.file.name == "google/protobuf/wrappers.proto":
        return _in_value(place, message.fields_by_name["value"], data, reason)
    if message.file.package == "google.protobuf":
        # Each of these types has a JSON form of its own.
        return place, reason
    if not isinstance(data, dict):
        return place, f"{message.full_name} is an object, not {_shown(data)}"
    for name, value in data.items():
        refusal = _refusal(message, {name: value})
        if refusal is None:
            continue
        field = next((one for one in message.fields if name in (one.name, one.json_name)), None)
        if field is None:
            names = [each.name for each in message.fields]
            return place, f"{message.full_name} has no field {_shown(name)}{_listed(names)}"
        return _in_field(f"{place}.{name}", field, value, refusal)
    return place, reason


def _in_field(place: str, field: FieldDescriptor, value: object, reason: str) -> tuple[str, str]:
    if field.containing_type is None or not is_repeated(field):
        return _in_value(place, field, value, reason)
    if field.message_type is not None and is_map(field):
        if not isinstance(value, dict):
            return place, f"a map is an object, not {_shown(value)}"
        for key, one in value.items():
            refusal = _refusal(field.containing_type, {field.name: {key: one}})
            if refusal is not None:
                return _in_entry(place, field.message_type, key, one, refusal)
        return place, reason
    if not isinstance(value, list):
        return place, f"it is a list, not {_shown(value)}"
    for at, one in enumerate(value):
        refusal = _refusal(field.containing_type, {field.name: [one]})
        if refusal is not None:
            return _in_value(f"{place}[{at}]", field, one, refusal)
    return place, reason


def _in_entry(
    place: str, entry: Descriptor, key: object, value: object, reason: str
) -> tuple[str, str]:
    if _refusal(entry, {"value": value}) is None:
        kind = scalar_name(entry.fields_by_name["key"].type)
        return place, f"the key {_shown(key)} is no {kind}"
    return _in_value(f"{place}[{_shown(key)}]", entry.fields_by_name["value"], value, reason)


def _in_value(place: str, field: FieldDescriptor, value: object, reason: str) -> tuple[str, str]:
    if field.message_type is not None:
        return _in_message(place, field.message_type, value, reason)
    if field.enum_type is not None:
        names = [each.name for each in field.enum_type.values]
        return place, f"{_shown(value)} is no {field.enum_type.full_name}{_listed(names)}"
    return place, f"{_shown(value)} is no {scalar_name(field.type)}"


def _refusal(message: Descriptor, data: dict[Any, Any]) -> str | None:
    """Return why a message does not take data, without line breaks; ``None`` if it does."""
    try:
        json_format.ParseDict(data, GetMessageClass(message)())
    except (json_format.ParseError, ValueError, TypeError) as error:
        return " ".join(str(error).split())
    return None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"; known: {', '.join(names[:_MOST_NAMES])}{more}" if names else "; there are none"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return printable(text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 3]}...")
