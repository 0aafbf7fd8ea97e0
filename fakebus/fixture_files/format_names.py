"""Finding a format by the name that a fixture file gives."""

from __future__ import annotations

from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.problems import DataError, did_you_mean, quoted

LATER_FORMATS = frozenset({"avro", "jsonschema", "protobuf", "msgpack", "raw"})
"""Formats that this version does not write."""


def format_named(name: str) -> Format:
    """Return a format; upper case, as REST proxies write it, is accepted.

    Raises:
        DataError: there is no such format, or not yet.
    """
    lower = name.lower()
    if lower in FORMATS:
        return FORMATS[lower]
    if lower in LATER_FORMATS:
        raise DataError(
            f"the format {lower} is not supported yet: it comes in a later version",
            "use one of " + ", ".join(sorted(FORMATS)),
        )
    raise DataError(f"there is no format {quoted(name)}", did_you_mean(lower, FORMATS))
