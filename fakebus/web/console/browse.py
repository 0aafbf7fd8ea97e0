"""The message browser's question, as its form and its links have it, and the rows of its answer."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from fakebus.client.positions import Position, PositionKind, parse_moment, parse_position
from fakebus.cluster.browsing import Matches, ReadRequest, RecordPage
from fakebus.cluster.events import Event
from fakebus.cluster.filters import event_filter
from fakebus.cluster.interface import Cluster
from fakebus.cluster.text_tests import has_any, needles_of
from fakebus.errors import FakebusError
from fakebus.types import TopicPartition
from fakebus.web.console.call import Fields
from fakebus.web.console.payload_views import PayloadView, header_text, view
from fakebus.web.errors import RequestError

LIMITS = (20, 50, 200, 500)
LOOK_S = 0.4
"""How long records are looked for until a page is shown; a script, or another page, goes on."""
_TELLING = ("ce_type", "eventType", "message_type", "__TypeId__")
"""Headers that say what a record is, best first; a row shows one of them, and counts the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Question for records of a topic."""

    topic: str
    start: str = ""
    """A position as people write it; empty for the end that the order begins with."""
    newest_first: bool = True
    partition: str = ""
    contains: str = ""
    filter: str = ""
    service: str = ""
    """Who wrote the records."""
    as_of: str = ""
    """A time, or how long ago; only what was there then is wanted."""
    limit: int = LIMITS[1]
    cursor: Mapping[TopicPartition, int] | None = None

    @property
    def is_search(self) -> bool:
        """Whether records are passed over, so that an answer may take long."""
        return bool(self.contains or self.filter or self.service)

    @property
    def fields(self) -> dict[str, object]:
        """What the form's fields hold, for links to it; what is as by default is left out."""
        return {
            "from": self.start,
            "order": "" if self.newest_first else "oldest",
            "partition": self.partition,
            "text": self.contains,
            "filter": self.filter,
            "service": self.service,
            "as_of": self.as_of,
            "limit": "" if self.limit == LIMITS[1] else self.limit,
        }

    def request(self, now_ms: int) -> ReadRequest:
        """Return the question as the cluster is asked.

        Raises:
            ConfigError: the position or the filter is none; the message says why.
        """
        start = parse_position(self.start, now_ms) if self.start else None
        if start is not None and self.newest_first and start.kind is PositionKind.OFFSET:
            # The record that somebody names is what they want to see first.
            start = Position(kind=PositionKind.OFFSET, number=start.number + 1)
        return ReadRequest(
            until=past(self.as_of, now_ms),
            topics=(self.topic,),
            partitions=frozenset((int(self.partition),)) if self.partition else None,
            start=start,
            newest_first=self.newest_first,
            cursor=self.cursor,
            contains=self.contains,
            matches=event_filter(self.filter) if self.filter else None,
            takes_long="where" in self.filter,
            limit=self.limit,
            max_seconds=LOOK_S,
        )

    def matches(self) -> Matches | None:
        """Return which records are wanted; ``None`` if all are.

        Raises:
            ConfigError: the filter is none.
        """
        needles, test = needles_of(self.contains), None
        if self.filter:
            test = event_filter(self.filter)
        if not needles:
            return test
        return lambda event: has_any(event, needles) and (test is None or test(event))


def past(as_of: str, now_ms: int) -> Position | None:
    """Return the time that a field names; ``None`` if it is empty, for the present.

    Raises:
        ConfigError: it is no time; the message says what is one.
    """
    return parse_moment(as_of, now_ms) if as_of else None


async def request_of(cluster: Cluster, question: Question) -> ReadRequest:
    """Return a question as the cluster is asked, also for the records of a service.

    Raises:
        ConfigError: the position or the filter is none; the message says why.
        NotOnThisCluster: a service is named, and the cluster cannot tell who wrote what.
    """
    request = question.request(cluster.now_ms())
    if not question.service:
        return request
    is_own, also = await written_by(cluster, question), request.matches
    return replace(request, matches=lambda event: is_own(event) and (also is None or also(event)))


async def written_by(cluster: Cluster, question: Question) -> Matches:
    """Return which records of now the service has written that a question names.

    Raises:
        NotOnThisCluster: the cluster cannot tell who wrote what.
    """
    flows = cluster.bus("which service has written a record").flows
    written = {
        number: sorted(ranges)
        for number, ranges in (await flows.written_by(question.service, question.topic)).items()
    }

    def is_own(event: Event) -> bool:
        ranges = written.get(event.partition, ())
        at = bisect(ranges, (event.offset, inf)) - 1
        return at >= 0 and event.offset <= ranges[at][1]

    return is_own


async def writers_of(cluster: Cluster, topic: str) -> list[str]:
    """Return the services that have written a topic; none where nobody can tell."""
    if cluster.is_external:
        return []
    clients = await cluster.bus("who writes").lineage.list_clients()
    return sorted({each["service"] for each in clients if topic in each["produces"]} - {""})


def question_of(topic: str, query: Fields) -> Question:
    """Return the question that a query has.

    Raises:
        RequestError: 400, a field has what it cannot have.
    """
    partition = query.text("partition")
    if partition and query.number("partition", 0) < 0:
        raise RequestError(400, f"there is no partition {partition}")
    return Question(
        topic=topic,
        start=query.text("from"),
        newest_first=query.text("order") != "oldest",
        partition=partition,
        contains=query.raw("text"),
        filter=query.text("filter"),
        service=query.raw("service"),
        as_of=query.text("as_of"),
        limit=min(max(query.number("limit", LIMITS[1]), 1), LIMITS[-1]),
        cursor=_cursor(topic, query.text("cursor")),
    )


def _cursor(topic: str, text: str) -> Mapping[TopicPartition, int] | None:
    """Return the places that a link names: ``0-17.1-9`` is 17 in partition 0, and 9 in 1."""
    if not text:
        return None
    try:
        pairs = [part.split("-") for part in text.split(".")]
        return {TopicPartition(topic, int(number)): int(offset) for number, offset in pairs}
    except ValueError:
        raise RequestError(400, "the link to the next page is broken") from None


def cursor_text(cursor: Mapping[TopicPartition, int]) -> str:
    """Return places as a link names them."""
    return ".".join(f"{place.partition}-{offset}" for place, offset in sorted(cursor.items()))


class Row(NamedTuple):
    """Row of the table of records."""

    event: Event
    key: PayloadView
    value: PayloadView
    headers: list[tuple[str, str]]
    more_headers: int

    def data(self) -> dict[str, object]:
        """Return it as scripts get it; they show it as text."""
        event = self.event
        return {
            "topic": event.topic,
            "partition": event.partition,
            "offset": event.offset,
            "timestamp": event.timestamp_ms,
            "key": self.key.text,
            "keyCut": self.key.is_cut,
            "value": self.value.text,
            "cut": self.value.is_cut,
            "format": self.value.format,
            "problem": self.value.problem,
            "headers": self.headers,
            "moreHeaders": self.more_headers,
        }


async def row_of(event: Event) -> Row:
    """Return a record as a row."""
    named = dict(event.headers)
    shown = [(name, header_text(named[name], 80)) for name in _TELLING if name in named][:1]
    return Row(
        event,
        await view(event, is_key=True),
        await view(event),
        shown,
        len(event.headers) - len(shown),
    )


async def rows_of(page: RecordPage) -> list[Row]:
    """Return the records of a page as rows."""
    return [await row_of(event) for event in page.events]


def explain(error: FakebusError) -> str:
    """Return what is wrong with a form, as a sentence."""
    text = str(error)
    return text[:1].upper() + text[1:]
