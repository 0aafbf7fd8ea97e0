"""Follower of all topics: it keeps what records say of themselves, so that they can be found by it.

It looks at records when nobody else wants the event loop, and says how many it has not looked at
yet. Whoever asks a question first has it catch up, for as long as the question may take. Records
that say nothing leave no trace but the position of their partition.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from uuid import UUID

from fakebus.broker.chores import FailureLog
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.tail import LogCursor
from fakebus.broker.topics import Topic, Topics
from fakebus.broker.turns import in_turns
from fakebus.lineage.header_rules import IdentityReader, IdentityRule, digest_of
from fakebus.real_time import monotonic
from fakebus.records.record import Record
from fakebus.storage.interface import StoredBatch
from fakebus.storage.lineage_interface import IdentityRow, LineageStore

_LOOK_EVERY_S = 0.25
"""How long what comes in is gathered: to wake for every record would cost each of them."""
_LOOK_AGAIN_S = 60.0
_BUSY_SHARE = 0.1
"""From this share of the loop's thread on that others use, there is no time for the past."""
_BUSY_REST = 60
_IDLE_REST = 1
"""How long it rests, in times that the last slice has taken."""
_LONGEST_REST_S = 1.0
_ROWS_AT_ONCE = 500
_FAR_BEHIND = 5000


_RULES = "", 0
"""No topic is called so: what is kept as its position tells which rules the others belong to."""


DeclaredRules = Callable[[], Awaitable[Sequence[IdentityRule]]]


class Seen(NamedTuple):
    """Progress of a follower of all topics."""

    unseen: Mapping[tuple[str, int], int]
    """From where on nothing is kept yet of what records say, by partition."""
    behind: int
    """How many offsets have not been looked at yet."""
    is_kept: bool
    """Whether what was found in the others is kept: it counts then, also if it is nothing."""

    @property
    def is_all(self) -> bool:
        """Whether everything has been looked at, and is kept."""
        return self.is_kept and not self.behind


class Identities:
    """Follower of all topics.

    Args:
        topics: the broker's topics.
        store: keeps what is found, and up to where.
        rules: tells what users add to what is looked for.
        most: how many identities are kept; the oldest go first.
    """

    name = "identities"

    def __init__(
        self, topics: Topics, store: LineageStore, rules: DeclaredRules, most: int
    ) -> None:
        self.reader = IdentityReader()
        self._rules = rules
        self._topics = topics
        self._store = store
        self._most = most
        self._cursors: dict[PartitionLog, LogCursor] = {}
        self._upto: dict[tuple[str, int], int] = {}
        """Up to where each partition has been looked at."""
        self._moved: dict[tuple[str, int], int] = {}
        self._kept: dict[tuple[str, int], int] = {}
        """The same, of what the store was given."""
        self._rows: list[IdentityRow] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._urgent = asyncio.Event()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on where it stood when the bus was stopped."""
        self._upto = await self._store.identity_positions()
        self._kept = dict(self._upto)
        self._topics.on_deleted.append(self._topic_deleted)
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Stop; what was looked at is kept."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        await asyncio.wait((task,))
        self._topics.on_deleted.remove(self._topic_deleted)
        self._save()
        _settle(self._waiting)

    async def seen(self) -> Seen:
        """Return how far it is; of ten thousand partitions others get their turns in between."""
        unseen: dict[tuple[str, int], int] = {}
        behind = 0
        async for log in in_turns(self._logs()):
            if log.deleted:
                continue
            place, end = log.topic_partition, log.high_watermark
            unseen[place] = self._kept.get(place, 0)
            # Of thousands most are empty, or have nothing new.
            if end and self._upto.get(place) != end:
                behind += max(0, end - self._place_in(log))
        return Seen(unseen, behind, not self._rows and not self._moved)

    def wake(self) -> None:
        """Look whether there is something new, in a moment."""
        self._woken.set()

    async def catch_up(self, timeout_s: float, far_s: float | None = None) -> Seen | None:
        """Look at what is there now, before anything else, and return how far it is then.

        Args:
            timeout_s: how long that may take; it returns ``None`` when it takes longer.
            far_s: the same where so much is left that it cannot be all soon.
        """
        seen = await self.seen()
        if self._task is None or (seen.is_all and await self._new_rules() is None):
            return seen
        if far_s is not None and seen.behind > _FAR_BEHIND:
            timeout_s = far_s
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._urgent.set()
        self._woken.set()
        try:
            async with asyncio.timeout(timeout_s):
                await done
        except TimeoutError:
            return None
        finally:
            if done in self._waiting:
                self._waiting.remove(done)
            if not self._waiting:
                self._urgent.clear()
        return await self.seen()

    def mark(self) -> None:
        """Return nothing: what is known of records follows from them."""

    async def roll_back(self, mark: None, new_ids: Mapping[UUID, UUID]) -> None:
        """Forget what was known of records that have been taken back."""
        async for log in in_turns(log for topic in self._topics for log in topic.partitions):
            if not log.deleted and self._upto.get(log.topic_partition, 0) > log.high_watermark:
                self._forget(log.topic_partition, offset=log.high_watermark)

    def _logs(self) -> Iterator[PartitionLog]:
        return (log for topic in self._topics if not topic.is_internal for log in topic.partitions)

    def _place_in(self, log: PartitionLog) -> int:
        """Return where to go on in a log."""
        cursor = self._cursors.get(log)
        if cursor is not None:
            cursor.settle()
            return cursor.position
        upto = self._upto.get(log.topic_partition, 0)
        return min(max(upto, log.log_start_offset), log.high_watermark)

    def _topic_deleted(self, topic: Topic) -> None:
        for log in topic.partitions:
            self._cursors.pop(log, None)
            self._forget(log.topic_partition, offset=0)
            del self._upto[log.topic_partition], self._kept[log.topic_partition]

    def _forget(self, *places: tuple[str, int], offset: int) -> None:
        # What has been found and not been kept yet comes first, or it would come back.
        self._save()
        positions = dict.fromkeys(places, offset)
        self._upto |= positions
        self._kept |= positions
        self._store.forget_identities_from(positions)

    async def _follow(self) -> None:
        failures = FailureLog("looking at records")
        while True:
            waiting = tuple(self._waiting)
            failures.begin_run()
            with failures.catch("all topics"):
                await self._pass()
            _settle(waiting)
            await self._wait_for_more()
            # Much that came at once is not looked at while its readers are sent it.
            await self._rest(_LOOK_EVERY_S)

    async def _wait_for_more(self) -> None:
        # What is stored without a note, as after a restart, is looked for now and then.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN_S):
                await self._woken.wait()

    async def _pass(self) -> None:
        """Look at what is there now."""
        self._woken.clear()
        rules = await self._new_rules()
        if rules is not None:
            self._take(rules)
        # A cursor that waits for its log would cost every append a call.
        async for log in in_turns(self._logs()):
            position = self._place_in(log)
            if position >= log.high_watermark:
                continue
            wanted = partial(self._may_tell, log.topic_partition.topic)
            cursor = self._cursors.setdefault(log, LogCursor(log, position, wanted=wanted))
            cursor.end = log.high_watermark
            began = monotonic()
            while cursor.has_more():
                before = cursor.position
                self._look(log, before, await cursor.records(), cursor.position)
                await self._rest(monotonic() - began)
                began = monotonic()
        self._save()

    async def _new_rules(self) -> Sequence[IdentityRule] | None:
        rules = await self._rules()
        return None if rules == self.reader.rules and _RULES in self._upto else rules

    def _take(self, rules: Sequence[IdentityRule]) -> None:
        """Look for other things, in what was looked at before as well."""
        self.reader, digest = IdentityReader(rules), digest_of(rules)
        if self._upto.get(_RULES) == digest:
            return
        self._cursors.clear()
        self._forget(*(log.topic_partition for log in self._logs()), offset=0)
        self._upto[_RULES] = self._moved[_RULES] = digest

    def _may_tell(self, topic: str, batch: StoredBatch) -> bool:
        return self.reader.may_find(topic, batch.data)

    def _look(
        self, log: PartitionLog, first: int, records: Sequence[Record], position: int
    ) -> None:
        place = log.topic_partition
        if first < self._upto.get(place, 0):
            # The log was taken back to here.
            self._forget(place, offset=first)
        for record in records:
            for kind, value, rule in self.reader.read(place.topic, record):
                self._rows.append(IdentityRow(kind, value, *place, record.offset, rule))
        self._upto[place] = self._moved[place] = position
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._save()

    def _save(self) -> None:
        rows, moved = self._rows, self._moved
        if rows or moved:
            self._rows, self._moved = [], {}
            self._store.add_identities(rows, moved)
            self._kept |= moved
        if rows:
            self._store.trim_identities(self._most)

    async def _rest(self, took_s: float) -> None:
        """Give way to others, for longer if they have much to do."""
        if self._urgent.is_set():
            await asyncio.sleep(0)
            return
        rest_s = max(took_s * _IDLE_REST, 0.001)
        began, used = monotonic(), time.thread_time()
        await self._sleep(rest_s)
        share = (time.thread_time() - used) / max(monotonic() - began, 1e-6)
        if share > _BUSY_SHARE:
            await self._sleep(min(took_s * _BUSY_REST, _LONGEST_REST_S))

    async def _sleep(self, rest_s: float) -> None:
        """Sleep, but not when somebody waits for an answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(rest_s):
                await self._urgent.wait()


def _settle(waiting: Iterable[asyncio.Future[None]]) -> None:
    for done in waiting:
        if not done.done():
            done.set_result(None)
