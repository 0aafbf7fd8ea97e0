"""Names of records: ``topic[partition]@offset``, or ``topic-partition@offset``."""

from __future__ import annotations

import re
from typing import NamedTuple

from fakebus.errors import FakebusError

_NAME = re.compile(
    r"(?:([^\[\]]{1,249})\[([0-9]{1,9})\]|([A-Za-z0-9._-]{1,249})-([0-9]{1,9}))@([0-9]{1,18})"
)
"""Kafka's tools call a partition ``topic-0``, and so does ``fakebus tail``."""


class FlowError(FakebusError):
    """Error: there is no such record, and never was."""


class Place(NamedTuple):
    """Place of a record."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


def parse_place(text: str) -> Place | None:
    """Return the place that a record's name says, ``None`` if it is no such name."""
    found = _NAME.fullmatch(text.strip())
    if found is None:
        return None
    return Place(found[1] or found[3], int(found[2] or found[4]), int(found[5]))


def asked_place(text: str) -> Place:
    """Return the place that a record's name says; FlowError if it is no such name."""
    place = parse_place(text)
    if place is None:
        raise FlowError(
            f"{text!r} is no record: write TOPIC[PARTITION]@OFFSET, or copy it from tail"
        )
    return place
