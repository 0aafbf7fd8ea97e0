"""``null``: no bytes at all; as a value it is the tombstone of a compacted topic."""

from __future__ import annotations

from fakebus.fixture_files.formats.format import Format, kind_of_json
from fakebus.fixture_files.problems import DataError


def _encode(data: object) -> None:
    raise DataError(
        f"the format null takes no data, but {kind_of_json(data)} is given", 'leave "data" out'
    )


NULL = Format(name="null", encode=_encode)
