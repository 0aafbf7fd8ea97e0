"""``json``: any JSON value as compact UTF-8 text, fields in the order of writing."""

from __future__ import annotations

import json

from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.problems import DataError

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _encode(data: object) -> bytes:
    try:
        return _encoder.encode(data).encode()
    except UnicodeEncodeError:
        raise DataError(
            "a text holds half of a surrogate pair", "write the character itself, or both halves"
        ) from None
    except RecursionError:
        raise DataError("the value is nested too deeply", "flatten it") from None
    except ValueError:
        raise DataError("a number is too large for JSON", "write it as a text") from None


JSON = Format(name="json", encode=_encode)
