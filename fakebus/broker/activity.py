"""Activity of clients: who has produced, fetched and committed what, by whichever front end.

It is noted at the broker's door, from what the door knows anyhow: no batch is parsed for it.
What comes with every request is noted only while somebody listens, and costs one look at a flag
else; what is rare (who joins, begins where, asks for a topic that is not there) is always noted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fakebus.broker.fetch_positions import FetchPositions, Streams
from fakebus.clock import Clock
from fakebus.errors import ErrorCode
from fakebus.protocol.consumer_protocol import assigned_partitions, subscribed_topics
from fakebus.protocol.errors import DecodeError
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.appending import AppendResult, LogAppendInfo
    from fakebus.broker.delayed_fetch import OnAnswer
    from fakebus.broker.fetching import FetchTarget
    from fakebus.broker.groups.offset_requests import WhenCommitted
    from fakebus.broker.groups.requests import OffsetCommit
    from fakebus.storage.interface import OffsetRow

MOST_REMEMBERED = 10_000
_FREQUENT = ("produced", "fetched", "committed", "acknowledged")
"""What is noted only while it is switched on."""
_MOST_LETTERS = 1000
_BASE_OFFSET = slice(0, 8)
_LAST_OFFSET_DELTA = slice(23, 27)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Origin of a request: the client, and the front end that it came in by."""

    front_end: str
    """``kafka``, ``redis``, ``registry``, ``fixtures``, ``test`` or ``library``."""
    client_id: str = ""
    """What the client calls itself; empty when it does not."""
    connection_id: int = -1
    """The number of its connection; -1 when it has none."""
    principal: str = "User:ANONYMOUS"

    def __str__(self) -> str:
        return self.client_id or "a client without an id"


OriginOf = Callable[[], Origin]
"""Tells the origin of a request, which is asked for only if something is noted."""


def in_process() -> Origin:
    """Return the origin of code that uses the broker as a library and does not name itself."""
    return Origin(front_end="library")


NOWHERE = TopicPartition("", -1)
"""The place of what a client does to a group, and no partition."""


class Activity(NamedTuple):
    """Activity of one client on one partition, or in one group."""

    verb: str
    """``produced``, ``fetched``, ``committed`` or, by ids of Redis, ``acknowledged``; ``joined``
    and ``was assigned``; ``asked for`` a topic that was not there; ``found`` the offset that its
    group has committed, -1 for none; ``looked up`` the earliest or latest offset."""
    at_ms: int
    origin: Origin
    topic: str
    partition: int
    offset: int
    """The first offset; the committed one of a commit."""
    last_offset: int
    group: str = ""
    detail: str = ""
    """The topics that a member subscribes to or the partitions that it was assigned;
    ``earliest`` or ``latest``; whether the topic that was asked for was created."""


def _short(text: str) -> str:
    """Return as much of a name or a list as is remembered, for clients may send megabytes."""
    return text[:_MOST_LETTERS]


class Activities:
    """Ring of the newest activities.

    Args:
        clock: gives the time of each.
    """

    def __init__(self, clock: Clock) -> None:
        self.is_on = False
        """Whether what was produced, fetched and committed is noted too."""
        self.on_note: Callable[[Activity], None] | None = None
        """Told of each activity, and of connections and of fetches that begin somewhere new."""
        self.newest: deque[Activity] = deque(maxlen=MOST_REMEMBERED)
        self._clock = clock
        self.positions = FetchPositions()
        """Where clients fetch."""
        self._asked: dict[tuple[str, str], Activity] = {}

    def clear(self) -> None:
        """Forget all that was noted."""
        self.newest.clear()
        self._asked.clear()
        self.positions.clear()

    def note(
        self,
        verb: str,
        origin: Origin,
        place: TopicPartition,
        offsets: tuple[int, int],
        group: str = "",
        detail: str = "",
    ) -> None:
        """Note one activity; see :class:`Activity` for the words.

        Args:
            verb: what was done.
            origin: the client.
            place: the partition.
            offsets: the first and the last offset.
            group: the consumer group.
            detail: more about it.
        """
        activity = Activity(verb, self._clock.now_ms(), origin, *place, *offsets, group, detail)
        self.newest.append(activity)
        if self.on_note is not None:
            self.on_note(activity)

    def tell(
        self, verb: str, origin: Origin, place: TopicPartition, offset: int, detail: str = ""
    ) -> None:
        """Tell the listener of what is not remembered; see :meth:`note`."""
        if self.on_note is not None:
            now_ms = self._clock.now_ms()
            self.on_note(Activity(verb, now_ms, origin, *place, offset, offset, "", detail))

    def note_join(self, origin: OriginOf, group: str, metadata: bytes) -> None:
        """Note that a client has become, or stays, a member of a group.

        Args:
            origin: the client.
            group: the group.
            metadata: what it joined with, a subscription if it is a consumer.
        """
        topics = ""
        with suppress(DecodeError):
            topics = ", ".join(subscribed_topics(metadata))
        self.note("joined", origin(), NOWHERE, (-1, -1), _short(group), _short(topics))

    def note_assignment(self, origin: OriginOf, group: str, assignment: bytes) -> None:
        """Note which partitions a member of a group was assigned."""
        places = (f"{topic}[{number}]" for topic, number in assigned_partitions(assignment))
        detail = _short(", ".join(places)) or "nothing"
        self.note("was assigned", origin(), NOWHERE, (-1, -1), _short(group), detail)

    def note_committed_offsets(
        self, origin: OriginOf, group: str, topic: str, rows: Mapping[int, OffsetRow | None]
    ) -> None:
        """Note where a client was told that its group goes on reading, by partition."""
        for partition, row in rows.items():
            offset = -1 if row is None else row.offset
            place = TopicPartition(_short(topic), partition)
            self.note("found", origin(), place, (offset, offset), _short(group))
            self.positions.expect(origin().client_id, place, _short(group))

    def note_lookup(self, origin: OriginOf, place: TopicPartition, which: str, offset: int) -> None:
        """Note that a client was told the ``earliest`` or ``latest`` offset of a partition."""
        self.note("looked up", origin(), place, (offset, offset), "", which)

    def note_missing_topic(self, origin: OriginOf, topic: str, *, created: bool) -> None:
        """Note, once for each client, that it has asked for a topic that was not there."""
        client, topic = origin(), _short(topic)
        if (client.client_id, topic) not in self._asked:
            if len(self._asked) >= MOST_REMEMBERED:
                self._asked.clear()
            detail = "created" if created else ""
            self.note("asked for", client, TopicPartition(topic, -1), (-1, -1), "", detail)
            self._asked[client.client_id, topic] = self.newest[-1]

    def rare(self) -> list[Activity]:
        """Return what is always noted; who asked for missing topics is not crowded out."""
        others = (each for each in self.newest if each.verb not in (*_FREQUENT, "asked for"))
        return sorted((*others, *self._asked.values()), key=lambda each: each.at_ms)

    def note_append(self, result: AppendResult, origin: OriginOf, place: TopicPartition) -> None:
        """Note an append as soon as it is stored, and not at all if it is not."""

        def stored(outcome: LogAppendInfo | Exception) -> None:
            if not isinstance(outcome, Exception):
                self.note("produced", origin(), place, (outcome.base_offset, outcome.last_offset))

        result.when_settled(stored)

    def noting_fetch(
        self, origin: OriginOf, targets: Sequence[FetchTarget], on_answer: OnAnswer
    ) -> OnAnswer:
        """Note where a fetch begins; return what tells its answer on, and notes what it found."""
        client, positions, now_ms = origin(), self.positions, self._clock.now_ms()
        streams = positions.streams_of(client.connection_id)
        for target in targets:
            if target.log is not None:
                place, offset = target.log.topic_partition, target.fetch_offset
                if positions.fetch(client.connection_id, client.client_id, place, offset, now_ms):
                    self.tell("fetches", client, place, offset)

        def answer(targets: Sequence[FetchTarget]) -> None:
            self._note_fetch(targets, client, streams)
            on_answer(targets)

        return answer

    def connection_closed(self, connection_id: int) -> None:
        """Forget where a connection's clients stood."""
        self.positions.close(connection_id, self._clock.now_ms())

    def _note_fetch(self, targets: Sequence[FetchTarget], client: Origin, streams: Streams) -> None:
        now_ms = self._clock.now_ms()
        for target in targets:
            if target.log is None:
                continue
            place, sent_to = target.log.topic_partition, -1
            if target.batches:
                first, last = target.batches[0], target.batches[-1]
                # A commit of storage stands behind these bytes, so they can be believed.
                base_offset = int.from_bytes(last[_BASE_OFFSET], "big")
                last_offset = base_offset + int.from_bytes(last[_LAST_OFFSET_DELTA], "big")
                offsets = int.from_bytes(first[_BASE_OFFSET], "big"), last_offset
                self.note("fetched", client, place, offsets)
                sent_to = last_offset + 1
            stream = streams.get((client.client_id, place))
            if stream is not None:
                self.positions.answer(stream, sent_to, now_ms)

    def noting_commit(
        self,
        commit: OffsetCommit,
        origin: OriginOf,
        on_done: WhenCommitted,
    ) -> WhenCommitted:
        """Return what tells the outcome of a commit on, and notes what is committed."""

        def done(errors: list[ErrorCode]) -> None:
            for wanted, error in zip(commit.offsets, errors, strict=True):
                if error is ErrorCode.NONE:
                    place = TopicPartition(wanted.topic, wanted.partition)
                    offsets = wanted.offset, wanted.offset
                    self.note("committed", origin(), place, offsets, commit.group_id)
            on_done(errors)

        return done
