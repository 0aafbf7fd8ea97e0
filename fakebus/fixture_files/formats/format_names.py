"""Finding a format by the name that a fixture file gives."""

from __future__ import annotations

from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.problems import DataError, did_you_mean, quoted
from fakebus.schemas.payloads import FORMATS as FORMATS_BY_TYPE


def format_named(name: str) -> Format:
    """Return a format; upper case, as REST proxies write it, is accepted.

    Raises:
        DataError: there is no such format, or it needs a subject.
    """
    lower = name.lower()
    if lower in FORMATS:
        return FORMATS[lower]
    if lower in FORMATS_BY_TYPE.values():
        raise DataError(
            f"the format {lower} needs a subject",
            'add "subject": the name of one under subjects',
        )
    raise DataError(
        f"there is no format {quoted(name)}",
        did_you_mean(lower, (*FORMATS, *FORMATS_BY_TYPE.values())),
    )
