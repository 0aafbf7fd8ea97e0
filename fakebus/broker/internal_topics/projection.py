"""Internal topics as projections of what the coordinators keep in their own tables.

Commits are not written twice for it: as long as nobody reads an internal topic, nothing is written
to it. The first client that does so finds the records of all that there is, and from then on those
of each change, a moment after it is stored. What is in the log by then is compared with what is to
be there, so that a restart or a rollback leads to the differences, tombstones among them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from fakebus.broker.groups.coordinator import GroupCoordinator
from fakebus.broker.internal_topics.coordinator_records import (
    Records,
    group_records,
    name_in,
    offset_records,
    transaction_records,
)
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.tail import LogCursor
from fakebus.broker.topic_names import CONSUMER_OFFSETS, TRANSACTION_STATE, partition_of
from fakebus.broker.topics import Topic, Topics
from fakebus.broker.transactions.coordinator import TransactionCoordinator
from fakebus.clock import Clock
from fakebus.errors import BrokerError, FakebusError, StorageError
from fakebus.records.batch import parse_header
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord

logger = logging.getLogger("fakebus.broker.internal_topics")

_RECORDS_OF_A_BATCH = 500


class Projection:
    """Projection of what a coordinator keeps into the log of an internal topic.

    Args:
        topic: its name.
        topics: where it is, as soon as it is needed.
        clock: gives the time of records.
        names: gives all groups, or transactional ids, that there are.
        records_of: gives the records that are to stand for one of them, by those that do.
    """

    def __init__(
        self,
        topic: str,
        topics: Topics,
        clock: Clock,
        names: Callable[[], Iterable[str]],
        records_of: Callable[[str, Records], Records],
    ) -> None:
        self._name = topic
        self._topics = topics
        self._clock = clock
        self._names = names
        self._records_of = records_of
        self._topic: Topic | None = None
        """The topic that is filled; ``None`` as long as nobody reads it."""
        self._epochs: list[int] = []
        """Those of its partitions when they were read: a rollback begins others."""
        self._written: dict[str, Records] = {}
        self._changed: dict[str, None] = {}
        self._filling = asyncio.Lock()

    @property
    def is_filled(self) -> bool:
        """Whether the log has what it is to have, or is about to."""
        topic = self._topic
        return (
            topic is not None
            and topic is self._topics.get(self._name)
            and self._epochs == [log.leader_epoch for log in topic.partitions]
        )

    def change(self, name: str) -> None:
        """Note that what is kept of a group, or a transactional id, has changed."""
        if self._topic is None:
            return
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._write)
        self._changed[name] = None

    async def fill(self) -> None:
        """Write what the log lacks, unless that was done before; there may be no such topic."""
        async with self._filling:
            topic = self._topics.get(self._name)
            if topic is None or self.is_filled:
                return
            epochs = [log.leader_epoch for log in topic.partitions]
            written: dict[str, Records] = {}
            for log in topic.partitions:
                await _read(log, written)
            self._topic, self._epochs, self._written = topic, epochs, written
            self._changed = dict.fromkeys((*written, *self._names()))
            self._write()

    def _write(self) -> None:
        changed, self._changed = self._changed, {}
        if not self.is_filled:
            # The next one who reads it finds out what is there.
            self._topic = None
            return
        assert self._topic is not None  # noqa: S101 - it is filled
        by_log: dict[int, list[NewRecord]] = {}
        now_ms = self._clock.now_ms()
        for name in changed:
            before = self._written.pop(name, {})
            after = self._records_of(name, before)
            differences: Mapping[bytes, bytes | None]
            differences = {
                **{key: None for key in before if key not in after},
                **{key: value for key, value in after.items() if before.get(key) != value},
            }
            if after:
                self._written[name] = after
            records = by_log.setdefault(partition_of(name, len(self._topic.partitions)), [])
            records += (NewRecord(key, value, [], now_ms) for key, value in differences.items())
        try:
            for number, records in by_log.items():
                for at in range(0, len(records), _RECORDS_OF_A_BATCH):
                    self._append(self._topic.partitions[number], records[at:][:_RECORDS_OF_A_BATCH])
        except (BrokerError, StorageError) as error:
            self._fail(error)

    def _append(self, log: PartitionLog, records: list[NewRecord]) -> None:
        data = build_batch(records)
        log.append(data, parse_header(data)).when_settled(self._settled)

    def _settled(self, outcome: object) -> None:
        if isinstance(outcome, BrokerError):
            self._fail(outcome)

    def _fail(self, error: FakebusError) -> None:
        logger.error("%s lacks records until it is read anew: %s", self._name, error)
        self._topic = None


async def _read(log: PartitionLog, written: dict[str, Records]) -> None:
    """Add the newest value of each key of a log."""
    cursor = LogCursor(log)
    while records := await cursor.records():
        for record in records:
            if record.key is None:
                continue
            known = written.setdefault(name_in(record.key), {})
            known.pop(record.key, None)
            if record.value is not None:
                known[record.key] = record.value


class InternalTopics:
    """Internal topics that clients may read.

    Args:
        topics: where they are.
        clock: gives the time of records.
        groups: keeps groups and their offsets.
        transactions: keeps transactional ids.
        spawn: lets a coroutine run beside the caller.
    """

    def __init__(
        self,
        topics: Topics,
        clock: Clock,
        groups: GroupCoordinator,
        transactions: TransactionCoordinator,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._spawn = spawn

        def of_group(name: str, before: Records) -> Records:
            group = groups.get(name)
            records = {} if group is None else group_records(group, before)
            return offset_records(name, groups.offsets(name).values()) | records

        def of_transactional_id(name: str, _: Records) -> Records:
            state = transactions.get(name)
            return {} if state is None else transaction_records(state)

        def ids() -> Iterable[str]:
            return [state.transactional_id for state in transactions]

        offsets = Projection(CONSUMER_OFFSETS, topics, clock, groups.names, of_group)
        states = Projection(TRANSACTION_STATE, topics, clock, ids, of_transactional_id)
        self._projections = {CONSUMER_OFFSETS: offsets, TRANSACTION_STATE: states}
        groups.tell_changes(offsets.change)
        transactions.changed = states.change

    async def fill(self, topic: str) -> None:
        """Let a topic have its records from now on, if it is an internal one."""
        projection = self._projections.get(topic)
        if projection is not None and not projection.is_filled:
            await projection.fill()

    def begin_to_fill(self, topic: str) -> None:
        """Let an internal topic have its records in a moment, and wake those who wait for them."""
        projection = self._projections.get(topic)
        if projection is not None and not projection.is_filled:
            self._spawn(projection.fill())
