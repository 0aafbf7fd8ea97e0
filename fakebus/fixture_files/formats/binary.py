"""``binary``: bytes, written as base64 with padding."""

from __future__ import annotations

import base64
import binascii

from fakebus.fixture_files.formats.format import Format, kind_of_json
from fakebus.fixture_files.problems import DataError


def _encode(data: object) -> bytes:
    if not isinstance(data, str):
        raise DataError(
            f"the format binary needs base64 text, not {kind_of_json(data)}",
            'write the bytes as base64, for example "AAEC"',
        )
    try:
        return base64.b64decode(data.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise DataError(
            "the data is not base64", 'write it with the letters A-Za-z0-9+/ and "=" padding'
        ) from None


BINARY = Format(name="binary", encode=_encode)
