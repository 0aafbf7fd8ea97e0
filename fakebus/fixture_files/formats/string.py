"""``string``: a text as UTF-8."""

from __future__ import annotations

from fakebus.fixture_files.formats.format import Format, kind_of_json
from fakebus.fixture_files.problems import DataError


def _encode(data: object) -> bytes:
    if not isinstance(data, str):
        raise DataError(
            f"the format string needs a text, not {kind_of_json(data)}",
            'write it in quotes, or use {"type": "json", "data": ...}',
        )
    try:
        return data.encode()
    except UnicodeEncodeError:
        raise DataError(
            "the text holds half of a surrogate pair",
            "write the character itself, or both halves",
        ) from None


STRING = Format(name="string", encode=_encode)
