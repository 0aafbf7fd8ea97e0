"""JSON of answers, without spaces between: scripts look for ``"offset":`` and a digit with grep."""

from __future__ import annotations

from json import JSONEncoder

ENCODER = JSONEncoder(separators=(",", ":"))
"""Of answers; in ASCII, because they may quote what no encoding can write."""


def compact_json(data: object) -> str:
    """Return data as JSON without spaces between, as Confluent's servers write it."""
    return ENCODER.encode(data)
