"""Names of records: ``topic[partition]@offset``."""

from __future__ import annotations

import re
from typing import NamedTuple

from fakebus.errors import FakebusError

_NAME = re.compile(r"([^\[\]]{1,249})\[([0-9]{1,9})\]@([0-9]{1,18})", re.ASCII)


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
    return Place(found[1], int(found[2]), int(found[3])) if found else None


def asked_place(text: str) -> Place:
    """Return the place that a record's name says; FlowError if it is no such name."""
    place = parse_place(text)
    if place is None:
        raise FlowError(f"{text!r} is no record: write TOPIC[PARTITION]@OFFSET")
    return place
