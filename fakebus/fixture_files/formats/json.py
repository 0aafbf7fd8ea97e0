"""``json`` and ``json-python``: any JSON value as UTF-8 text, fields in the order of writing.

The first is compact, as most serializers write; the second has blanks after commas and colons, and
escapes for what is not ASCII, as Python's ``json.dumps`` does unless it is told otherwise.
"""

from __future__ import annotations

import json

from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.problems import DataError


def _format(name: str, encoder: json.JSONEncoder) -> Format:
    def encode(data: object) -> bytes:
        try:
            return encoder.encode(data).encode()
        except UnicodeEncodeError:
            raise DataError(
                "a text holds half of a surrogate pair",
                "write the character itself, or both halves",
            ) from None
        except RecursionError:
            raise DataError("the value is nested too deeply", "flatten it") from None
        except ValueError:
            raise DataError(
                "a number is NaN, infinite or too large for JSON", "write it as a text"
            ) from None

    return Format(name=name, encode=encode)


JSON = _format("json", json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False))
PYTHON_JSON = _format("json-python", json.JSONEncoder(allow_nan=False))
