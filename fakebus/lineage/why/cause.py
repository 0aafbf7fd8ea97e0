"""Cause of a group's being stuck, and the words and bounds that all causes share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import Any, NamedTuple

from fakebus.types import TopicPartition
from fakebus.wording import counted

MOST_LISTED = 20
"""How many members, partitions or names evidence lists of one kind."""
ATTEMPTS = 3
"""How often something has to fail before that is said."""
SEARCH_MS = 2000
"""How long a client may need to come where it was told to."""
COMMIT_MS = 6000
"""How long a client may be without committing; by default they commit every 5 seconds."""
_MOST_NAMED = 3
_MOST_LETTERS = 120

EVICT = (
    "a consumer that was killed counts as a member until its session.timeout.ms is over: wait, or "
    "let consumers call close()",
    "on a fakebus members can go with their connection: "
    "fakebus up --set fakebus.evict.on.disconnect=true",
)
EARLIEST = (
    "set auto.offset.reset=earliest in the consumer",
    "or let a fakebus begin every new group there: fakebus up --set fakebus.new.groups=earliest",
)
COMMIT = (
    "set enable.auto.commit=true in the consumer, or let it call commit() when it has processed a "
    "record"
)


class Cause(NamedTuple):
    """Cause of a group's being stuck."""

    code: str
    """One of a closed list."""
    text: str
    """What is the matter, for people."""
    remedies: Sequence[str]
    """What to do about it, one or the other; a command that may be copied ends its remedy."""
    evidence: Mapping[str, Any]
    """What it is told from."""

    def told(self) -> dict[str, Any]:
        """Return it as ``fakebus why --json`` prints it, its remedies also in one sentence."""
        return {
            "code": self.code,
            "text": self.text,
            "remedy": "; ".join(self.remedies),
            "remedies": [*self.remedies],
            "evidence": self.evidence,
        }


def waiting(records: int) -> str:
    """Return how many records wait."""
    return f"{counted(records, 'record')} {'waits' if records == 1 else 'wait'}"


def place_name(place: TopicPartition) -> str:
    """Return the name of a partition, as records are named after it."""
    return f"{short(place.topic)}[{place.partition}]"


def reset_command(group: str, topic: str, to: str = "earliest") -> str:
    """Return what moves a group's offsets."""
    return f"stop the consumer and run: fakebus groups {in_shell(group)} --reset {topic}={to}"


def in_shell(name: str) -> str:
    """Return a name that clients have chosen as a word of a command that may be copied."""
    return quote(short(name))


def look_command(topic: str, partition: int, offset: int) -> str:
    """Return what prints a record."""
    return f"fakebus tail {topic} --partition {partition} --from {offset} --count 1"


def ago(ms: int) -> str:
    """Return how long something is ago, or lasts, roughly."""
    if ms < 1000:
        return f"{ms} ms"
    for limit_s, size_s, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if ms < limit_s * 1000:
            return f"{ms // (size_s * 1000)} {unit}"
    return f"{ms // 86_400_000} days"


def some(names: Iterable[str]) -> str:
    """Return a few of some names, and how many there are more."""
    known = list(dict.fromkeys(name or "a client without an id" for name in names))
    more = len(known) - _MOST_NAMED
    shown = ", ".join(short(name) for name in known[:_MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def short(name: str) -> str:
    """Return as much of a name as a sentence can bear; clients may choose megabytes."""
    return name if len(name) <= _MOST_LETTERS else name[:_MOST_LETTERS] + "…"
