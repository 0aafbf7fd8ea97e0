"""From a key or value as an event has it to its format and its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.formats.format_names import format_named
from fakebus.fixture_files.formats.wrappers import WRAPPER_FIELDS, WrittenFormat
from fakebus.fixture_files.problems import DataError

_WRAP_HINT = (
    'a payload of its own with the fields "type", "subject", "version" and "data" '
    'is written {"data": {...}}'
)


def unwrap(
    data: object, default: Format | None, of_subject: Callable[[WrittenFormat], Format]
) -> tuple[Format | None, object]:
    """Return the format of a key or value, and its data.

    Args:
        data: as the event has it, plainly or as in ``{"type": "json", "data": 1}``.
        default: the format of plain data.
        of_subject: gives the format of what names a subject.

    Raises:
        DataError: there is no such format or subject.
    """
    if not isinstance(data, dict) or not data.keys() <= WRAPPER_FIELDS:
        return default, data
    type_name = data.get("type")
    if "data" not in data:
        return (FORMATS["null"], None) if _is_null_type(data) else (default, data)
    if "subject" in data:
        return of_subject(_written_format(data)), data["data"]
    if "version" in data:
        return default, data
    if type_name is None:
        return default, data["data"]
    if not isinstance(type_name, str):
        raise DataError('"type" must be the name of a format', _WRAP_HINT)
    if default is not None and type_name.lower() == default.name:
        return default, data["data"]
    try:
        return format_named(type_name), data["data"]
    except DataError as error:
        raise DataError(str(error), f"{error.hint}; {_WRAP_HINT}") from None


def _written_format(data: Mapping[str, object]) -> WrittenFormat:
    name, subject, version = data.get("type"), data["subject"], data.get("version")
    if not (name is None or isinstance(name, str)):
        raise DataError('"type" must be the name of a format', _WRAP_HINT)
    if not isinstance(subject, str) or not subject:
        raise DataError('"subject" must be a text', _WRAP_HINT)
    if not (version is None or type(version) is int):
        raise DataError('"version" must be a whole number', _WRAP_HINT)
    return WrittenFormat(name and name.lower(), subject, version)


def _is_null_type(data: Mapping[str, object]) -> bool:
    type_name = data.get("type")
    return isinstance(type_name, str) and type_name.lower() == "null"
