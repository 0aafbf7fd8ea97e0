"""Activity of clients: who has produced, fetched and committed what, by whichever front end.

It is noted at the broker's door, from what the door knows anyhow: no batch is parsed for it. On the
way of a record it costs one tuple in a queue; what becomes of it is worked out later, by whoever
takes the queue (:mod:`fakebus.lineage.notes`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fakebus.broker.fetch_positions import FetchPositions
from fakebus.broker.verbs import FREQUENT, NOT_KEPT
from fakebus.broker.written import Written, take_following
from fakebus.clock import Clock
from fakebus.errors import BrokerError, ErrorCode
from fakebus.protocol.consumer_protocol import subscribed_topics
from fakebus.protocol.errors import DecodeError
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.appending import AppendResult
    from fakebus.broker.delayed_fetch import OnAnswer
    from fakebus.broker.fetching import FetchTarget
    from fakebus.broker.groups.offset_requests import WhenCommitted
    from fakebus.broker.groups.requests import OffsetCommit
    from fakebus.broker.peer import Peer
    from fakebus.processes import Process
    from fakebus.storage.interface import OffsetRow

MOST_REMEMBERED = 10_000
MOST_WAITING = 20_000
"""Activities that wait to be taken; if nobody takes them, the oldest go."""
_MOST_LETTERS = 1000


@dataclass(slots=True, eq=False, kw_only=True)
class Origin:
    """Origin of requests: the client, and the front end that it came in by.

    There is one for each client id of a connection, as long as that lasts.
    """

    front_end: str
    """``kafka``, ``redis``, ``registry``, ``fixtures``, ``test`` or ``library``."""
    client_id: str = ""
    """What the client calls itself; empty when it does not."""
    connection_id: int = -1
    """The number of its connection; -1 when it has none."""
    principal: str = "User:ANONYMOUS"
    peer: Peer | None = None
    closed: bool = False
    """Whether nothing more comes from it."""
    verb: str = "produced"
    """What is noted of what it writes: produced, seeded or replayed."""
    source: str = ""
    """Where that is taken from: file and lines of what is seeded, or the records."""
    client: Any = None
    """What lineage keeps of it."""

    @property
    def process(self) -> Process | None:
        """Its process, if it is one of this machine and is known by now."""
        return None if self.peer is None else self.peer.process

    def __str__(self) -> str:
        return self.client_id or "a client without an id"


LIBRARY = Origin(front_end="library")
"""Code that uses the broker as a library and does not name itself."""

NOWHERE = TopicPartition("", -1)
"""The place of what a client does to a group, and no partition."""


class Activity(NamedTuple):
    """Activity of one client on one partition, or in one group."""

    verb: str
    """See :data:`fakebus.broker.verbs.VERBS`."""
    at_ms: int
    origin: Origin
    topic: str
    partition: int
    offset: int
    """The first offset; the committed one of a commit."""
    last_offset: int
    group: str = ""
    detail: str = ""
    member: str = ""
    """The member's id; the transactional id of what is written in a transaction."""
    before: int = -1
    """The offset that a commit takes the place of."""


READ_UNCOMMITTED = "read uncommitted"
"""Detail of a fetch that sees open and aborted transactions, from a log that has had any."""


def in_transaction(transactional_id: str) -> str:
    """Return the detail of what a transaction has committed."""
    return f"in the transaction of {transactional_id}"


def _short(text: str) -> str:
    """Return as much of a name or a list as is remembered, for clients may send megabytes."""
    return text[:_MOST_LETTERS]


def _do_nothing() -> None:
    """Wake nobody."""


class Activities:
    """Queue and ring of activities.

    Args:
        clock: gives the time of each.
        enabled: whether anything is noted.
    """

    def __init__(self, clock: Clock, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.on_note: Callable[[Activity], None] | None = None
        """Told of each activity, and of connections and of fetches that begin somewhere new."""
        self.on_peer: Callable[[Peer], None] | None = None
        """Told of each new connection."""
        self.wake: Callable[[], object] = _do_nothing
        """Called when something waits again."""
        self.waiting: deque[Activity | Written] = deque(maxlen=MOST_WAITING)
        """What has come and was not looked at yet; appends to a log come here as they are."""
        self._gathered: deque[Activity] = deque(maxlen=MOST_WAITING)
        self._newest: deque[Activity] = deque(maxlen=MOST_REMEMBERED)
        self._clock = clock
        self.number = clock.now_ms() << 20
        """The number of the newest activity; grows over restarts."""
        self.positions = FetchPositions()
        """Where clients fetch."""
        self._asked: dict[tuple[str, Process | None, str], Activity] = {}

    def clear(self) -> None:
        """Forget all that was noted, but for what is still to be taken."""
        self._gather()
        self._newest.clear()
        self._asked.clear()
        self.positions.clear()

    @property
    def newest(self) -> Sequence[Activity]:
        """The newest activities, oldest first."""
        self._gather()
        return tuple(self._newest)

    def after(self, number: int, most: int) -> tuple[int, int, list[Activity]]:
        """Return the newest activities behind a number, some of them.

        Args:
            number: of the last one that is known.
            most: how many; of more the oldest are left out.

        Returns:
            The number of the last one, how many were left out, and the activities.
        """
        self._gather()
        wanted = max(self.number - number, 0)
        found = list(islice(reversed(self._newest), min(wanted, most)))[::-1]
        return self.number, wanted - len(found), found

    @property
    def unsettled(self) -> AppendResult | None:
        """The append that has to be stored before anything behind it can be taken."""
        self._gather()
        return cast(Written, self.waiting[0])[3] if self.waiting else None

    def take(self, patience_ms: int = 0) -> Iterator[Activity]:
        """Yield what has come since this was called last, in its order, and forget it here.

        It ends before an append that is still under way.

        Args:
            patience_ms: for how long it also ends before what a client has done whose process is
                still looked for. It ends there no longer when a quarter of the room is taken.
        """
        self._gather()
        gathered, since_ms = self._gathered, self._clock.now_ms() - patience_ms
        while gathered:
            peer = gathered[0].origin.peer
            is_unknown = peer is not None and not peer.looked_up and gathered[0].at_ms > since_ms
            if is_unknown and len(gathered) < MOST_WAITING // 4:
                break
            yield gathered.popleft()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to be taken."""
        return not self.waiting and not self._gathered

    def _gather(self) -> None:
        waiting, gathered = self.waiting, self._gathered
        while waiting:
            each = waiting[0]
            if not isinstance(each, Activity):
                at_ms, origin, place, result, transaction = each
                if not result.settled:
                    return
                waiting.popleft()
                if isinstance(result.outcome, BrokerError):
                    continue
                first, last, *_ = result.outcome
                if self.on_note is None and not origin.source:
                    last = take_following(waiting, each, last)
                each = Activity(
                    *(origin.verb, at_ms, origin, *place, first, last),
                    detail=origin.source,
                    member=_short(transaction),
                )
            else:
                waiting.popleft()
            if self.on_note is not None:
                self.on_note(each)
            if each.verb not in NOT_KEPT:
                gathered.append(each)
                self._newest.append(each)
                self.number += 1

    def note(
        self,
        verb: str,
        origin: Origin,
        place: TopicPartition = NOWHERE,
        offsets: tuple[int, int] = (-1, -1),
        group: str = "",
        detail: str = "",
        member: str = "",
        before: int = -1,
    ) -> None:
        """Note one activity.

        Args:
            verb: what was done, see :data:`fakebus.broker.verbs.VERBS`.
            origin: the client.
            place: the partition.
            offsets: the first and the last offset.
            group: the consumer group.
            detail: more about it.
            member: the member's id.
            before: what a commit takes the place of.
        """
        if not self.enabled:
            return
        activity = Activity(
            verb,
            self._clock.now_ms(),
            origin,
            _short(place.topic),
            place.partition,
            *offsets,
            _short(group),
            _short(detail),
            member[:_MOST_LETTERS],
            before,
        )
        if not self.waiting:
            self.wake()
        self.waiting.append(activity)
        if self.on_note is not None:
            self._gather()

    def note_join(self, origin: Origin, group: str, member: str, metadata: bytes) -> None:
        """Note that a client has become, or stays, a member of a group.

        Args:
            origin: the client.
            group: the group.
            member: its id there.
            metadata: what it joined with, a subscription if it is a consumer.
        """
        topics = ""
        with suppress(DecodeError):
            topics = ", ".join(subscribed_topics(metadata))
        self.note("joined", origin, group=group, detail=topics, member=member)

    def note_assignment(
        self, origin: Origin, group: str, member: str, places: Iterable[TopicPartition]
    ) -> None:
        """Note which partitions a member of a group was assigned."""
        detail = ", ".join(f"{topic}[{number}]" for topic, number in places) or "nothing"
        self.note("was assigned", origin, group=group, detail=detail, member=member)

    def note_committed_offsets(
        self, origin: Origin, group: str, topic: str, rows: Mapping[int, OffsetRow | None]
    ) -> None:
        """Note where a client was told that its group goes on reading, by partition."""
        for partition, row in rows.items():
            offset = -1 if row is None else row.offset
            place = TopicPartition(_short(topic), partition)
            self.note("found", origin, place, (offset, offset), group)
            self.positions.expect(origin.client_id, place, _short(group), offset, origin.process)

    def note_offsets_set(
        self,
        origin: Origin,
        group: str,
        offsets: Mapping[TopicPartition, int],
        committed: Callable[[str, TopicPartition], int | None],
        how: str,
    ) -> None:
        """Note that a group's offsets are about to be set by somebody who is none of its members.

        Args:
            origin: by whom.
            group: the group.
            offsets: by partition.
            committed: gives the offset that a group has committed already.
            how: what sets them.
        """
        for place, offset in offsets.items():
            old = committed(group, place)
            if (old or 0) < offset:
                passed = old or 0, offset - 1
                detail = f"{how} set the offset to {offset}"
                self.note("skipped", origin, place, passed, group, detail)
            elif old is not None and offset < old:
                self.note("committed", origin, place, (offset, offset), group, how, before=old)

    def note_lookup(self, origin: Origin, place: TopicPartition, which: str, offset: int) -> None:
        """Note that a client was told the ``earliest`` or ``latest`` offset of a partition."""
        self.note("looked up", origin, place, (offset, offset), detail=which)

    def note_missing_topic(self, origin: Origin, topic: str, *, created: bool) -> None:
        """Note, once for each client, that it has asked for a topic that was not there."""
        # Where the process is not found yet, whoever calls itself the same is one.
        client = origin.client_id, origin.process, _short(topic)
        if client not in self._asked:
            if len(self._asked) >= MOST_REMEMBERED:
                self._asked.clear()
            detail, place = "created" if created else "", TopicPartition(topic, -1)
            self.note("asked for", origin, place, detail=detail)
            now_ms = self._clock.now_ms()
            self._asked[client] = Activity(
                "asked for", now_ms, origin, client[2], -1, -1, -1, "", detail
            )

    def missing_topics(self) -> list[Activity]:
        """Return who has asked for topics that were not there."""
        return list(self._asked.values())

    def rare(self) -> list[Activity]:
        """Return all but what is frequent; who asked for missing topics is not crowded out."""
        others = (each for each in self.newest if each.verb not in (*FREQUENT, "asked for"))
        return sorted((*others, *self._asked.values()), key=lambda each: each.at_ms)

    def noting_fetch(
        self,
        origin: Origin,
        targets: Sequence[FetchTarget],
        on_answer: OnAnswer,
        *,
        committed: bool,
    ) -> OnAnswer:
        """Note where a fetch begins; return what tells its answer on, and notes what it found."""
        for place, offset in self.positions.begin(
            *(origin.connection_id, origin.client_id, targets, self._clock.now_ms()),
            committed=committed,
            process=origin.process,
        ):
            self.note("fetches", origin, place, (offset, offset))
        return partial(self._note_fetch, origin, on_answer, committed)

    def _note_fetch(
        self,
        origin: Origin,
        on_answer: OnAnswer,
        committed: bool,
        targets: Sequence[FetchTarget],
    ) -> None:
        now_ms = self._clock.now_ms()
        self.positions.end(origin.connection_id, origin.client_id, targets, now_ms)
        for target in targets:
            if target.log is None:
                continue
            if target.batches:
                if not self.waiting:
                    self.wake()
                place, first = target.log.topic_partition, target.fetch_offset
                group = self.positions.group_of(origin.connection_id, origin.client_id, place)
                sees_all = not committed and target.log.producers.transactions is not None
                self.waiting.append(
                    Activity(
                        *("fetched", now_ms, origin, *place, first, target.last_offset, group),
                        READ_UNCOMMITTED if sees_all else "",
                    )
                )
            elif target.error is ErrorCode.OFFSET_OUT_OF_RANGE:
                place, offset = target.log.topic_partition, target.fetch_offset
                self.note("out of range", origin, place, (offset, offset))
        on_answer(targets)

    def connection_closed(self, connection_id: int) -> None:
        """Forget where a connection's clients stood."""
        self.positions.close(connection_id, self._clock.now_ms())

    def noting_commit(
        self,
        commit: OffsetCommit,
        origin: Origin,
        committed: Callable[[str, TopicPartition], int | None],
        on_done: WhenCommitted,
    ) -> WhenCommitted:
        """Return what tells the outcome of a commit on, and notes what is committed.

        Args:
            commit: what is to be committed.
            origin: by whom.
            committed: gives the offset that a group has committed already.
            on_done: is told the outcome.
        """
        places = [TopicPartition(wanted.topic, wanted.partition) for wanted in commit.offsets]
        before = [committed(commit.group_id, place) for place in places]

        def done(errors: list[ErrorCode]) -> None:
            for wanted, place, old, error in zip(
                commit.offsets, places, before, errors, strict=True
            ):
                verb, detail = "committed", ""
                if error is not ErrorCode.NONE:
                    verb, detail = "commit refused", error.name
                self.note(
                    verb,
                    origin,
                    place,
                    (wanted.offset, wanted.offset),
                    commit.group_id,
                    detail,
                    commit.member_id,
                    -1 if old is None else old,
                )
            on_done(errors)

        return done
