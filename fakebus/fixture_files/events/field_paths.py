"""Fields of data by their path: names with dots between them, such as ``course.course_key``."""

from __future__ import annotations

from collections.abc import Mapping

from fakebus.fixture_files.formats.format import kind_of_json
from fakebus.fixture_files.problems import DataError, did_you_mean, quoted

_SHOWN = 20


def field_of(data: object, path: str) -> object:
    """Return a field of plain data.

    Raises:
        DataError: there is no such field, or it is null; the message says what there is.
    """
    seen: list[str] = []
    for name in path.split("."):
        where = f" in {'.'.join(seen)}" if seen else ""
        if not isinstance(data, Mapping):
            found = kind_of_json(data)
            raise DataError(
                f"{'.'.join(seen)} is {found}" if seen else f"the value is {found}",
                "mend the path, or give the event a key of its own",
            )
        if name not in data:
            raise DataError(f"there is no field {quoted(name)}{where}", _what_there_is(name, data))
        data = data[name]
        seen.append(name)
    if data is None:
        raise DataError(f"{path} is null", "give the field a value, or the event a key of its own")
    return data


def _what_there_is(name: str, data: Mapping[str, object]) -> str:
    names = list(data)[:_SHOWN]
    if not names:
        return "there is nothing in it"
    hint = did_you_mean(name, names)
    return hint if hint.startswith("known") else f"{hint} it has: {', '.join(names)}"
