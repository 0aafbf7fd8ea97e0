"""Media types of the REST Proxy's version 2, which name the format of the records in a body."""

from __future__ import annotations

import re
from typing import NamedTuple

from aiohttp import web

from fakebus.schemas.languages import LANGUAGES
from fakebus.web.errors import RequestError
from fakebus.web.media_types import accepted

SCHEMA_TYPES = {entry.format_name: name for name, entry in sorted(LANGUAGES.items())}
"""The registry's name of a language by the format that is coded with its schemas."""
FORMATS = ("binary", "json", *SCHEMA_TYPES)
PLAIN = "application/vnd.kafka.v2+json"
"""What answers without records are labelled as."""
TYPES = (
    PLAIN,
    "application/json",
    *(f"application/vnd.kafka.{each}.v2+json" for each in FORMATS),
)
_FORM = re.compile(rf"application/vnd\.kafka(?:\.({'|'.join(FORMATS)}))?(?:\.v[12])?\+json")
_WITHOUT_FORMAT = ("application/json", "application/octet-stream")
_ANY = ("*/*", "application/*", "*/json")


class Accepted(NamedTuple):
    """Media type that a client takes, and the format in it, empty for any."""

    media_type: str
    format: str


def content_type(request: web.Request) -> str:
    """Return the media type of a request's body; empty if it does not say."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def body_format(content_type: str) -> str:
    """Return the format of the records in a body, ``binary`` if its media type names none.

    Args:
        content_type: without parameters; empty for none.

    Raises:
        RequestError: 415, it is no type of a REST Proxy.
    """
    found = _FORM.fullmatch(content_type)
    if found is None and content_type and content_type not in _WITHOUT_FORMAT:
        raise RequestError(
            415, f"a body of type {content_type[:100]!r} is not read; send it as {PLAIN}"
        )
    return (found and found[1]) or "binary"


def accepted_types(accept: str) -> list[Accepted]:
    """Return what an ``Accept`` takes, liked best first.

    Raises:
        RequestError: 406, it takes nothing that a REST Proxy sends.
    """
    if not accept.strip():
        return [Accepted(PLAIN, "")]
    found = []
    for name in accepted(accept):
        form = _FORM.fullmatch(name)
        if form is not None:
            found.append(Accepted(name, form[1] or ""))
        elif name in (*_ANY, "application/json"):
            found.append(Accepted(PLAIN if name in _ANY else name, ""))
    if not found:
        raise RequestError(406, f"answers are sent as {PLAIN} or application/json")
    return found
