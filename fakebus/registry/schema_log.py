"""The ``_schemas`` topic: where the registry is stored, and how it follows what is written.

The state is what a replay of partition 0 gives. A change is a batch of records; it holds when
the batch is committed and was applied, like one that somebody else writes through the Kafka
protocol. The highest ids are kept beside the log too, because a log forgets (compaction,
truncation, deletion) and an id must never stand for two schemas.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from fakebus.broker.activity import Origin
from fakebus.broker.broker import Broker
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.tail import BatchSlice, LogCursor, readable_end
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.records.batch import CONTROL_BIT
from fakebus.records.builder import build_batch
from fakebus.records.errors import RecordError
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord
from fakebus.registry.errors import schema_too_large, store_failed
from fakebus.registry.log_records import NewLogRecord, read_key
from fakebus.registry.state import State
from fakebus.types import Buffer, TopicPartition

logger = logging.getLogger("fakebus.registry")
ORIGIN = Origin(front_end="registry")

TOPIC = "_schemas"
_PARTITION = TopicPartition(TOPIC, 0)
_READ_BYTES = 16 * 1024 * 1024
_SLICE = 50
"""Batches that are applied without giving way to others; about 2 ms."""
_MAX_ID_PREFIX = "registry.max.id."

_Unread = tuple[int, Buffer]
"""The first offset that counts, and the batch that holds it."""


class SchemaLog:
    """Writes to the log and keeps the state up to date with it.

    Args:
        broker: whose log it is.
    """

    def __init__(self, broker: Broker) -> None:
        self._state = State()
        self._rebuilt: State | None = None
        """What a log says that was taken back: shown when it is read to its end, and no part."""
        self._backlog: deque[_Unread] = deque()
        """Batches that are read and not applied, which is put off until somebody asks."""
        self._working_off: asyncio.Task[None] | None = None
        self._broker = broker
        self._values = broker.values(_MAX_ID_PREFIX)
        self._cursor: LogCursor | None = None
        self._reading: asyncio.Task[bool] | None = None
        self._saved_max_ids: dict[str, int] = {}
        self._snapshot: State | None = None

    @property
    def state(self) -> State:
        """What the log says."""
        if self._backlog and self._rebuilt is None:
            self._work_off(len(self._backlog))
        return self._state

    async def start(self) -> None:
        """Read the log and follow it from then on."""
        for context, text in self._values.all().items():
            self._saved_max_ids[context] = int(text)
        self._state.raise_max_ids(self._saved_max_ids)
        topics = self._broker.topics
        topics.on_changed.append(self._topic_changed)
        topics.on_deleted.append(self._topic_deleted)
        topic = topics.get(TOPIC)
        if topic is not None:
            self._follow(topic.partitions[0])
            # Ten thousand schemas take half a second to apply, for which a start need not wait.
            await self._read_rest(later=True)
            if self._backlog:
                work = self._work_off_in_slices()
                self._working_off = asyncio.get_running_loop().create_task(work)

    async def close(self) -> None:
        """Stop following."""
        topics = self._broker.topics
        if self._topic_changed in topics.on_changed:
            topics.on_changed.remove(self._topic_changed)
            topics.on_deleted.remove(self._topic_deleted)
        if self._cursor is not None:
            self._cursor.close()
        for task in (self._reading, self._working_off):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))

    # Following

    def _follow(self, log: PartitionLog) -> None:
        if not log.config.compact:
            logger.warning(
                "the topic %s is not compacted: schemas are lost when its retention ends", TOPIC
            )
        self._cursor = LogCursor(log, on_change=self._log_changed, committed=True)

    def _topic_changed(self, topic: Topic) -> None:
        if topic.name == TOPIC and not self._follows(topic):
            self._leave()
            self._follow(topic.partitions[0])

    def _topic_deleted(self, topic: Topic) -> None:
        if topic.name == TOPIC and self._follows(topic):
            self._leave()

    def _follows(self, topic: Topic) -> bool:
        return self._cursor is not None and topic.partitions[0] is self._cursor.log

    def _leave(self) -> None:
        if self._cursor is not None:
            logger.info("the topic %s was deleted, and all schemas with it", TOPIC)
            self._cursor.close()
            self._cursor = None
            self._state, self._rebuilt = self._without_records(), None

    def _log_changed(self, cursor: LogCursor) -> None:
        # What was taken back may have changed anything; a log that starts later changes nothing.
        if cursor.settle():
            cursor.position = cursor.log.log_start_offset
            self._rebuilt = self._without_records()
        self._catch_up()

    def _without_records(self) -> State:
        # What was read before belongs to what was there before.
        self._work_off(len(self._backlog))
        old, fresh = self.state, State()
        for known in (old, self._rebuilt):
            if known is not None:
                fresh.keep_ids_of(known)
        fresh.revision = old.revision + 1
        return fresh

    def _catch_up(self) -> None:
        cursor = self._cursor
        if cursor is None or self._reading is not None:
            return
        while cursor.has_more():
            # All of a log that was cut off is read again, which others need not wait for.
            read = None if self._rebuilt is not None else cursor.read_cached(_READ_BYTES)
            if read is None:
                self._reading = asyncio.get_running_loop().create_task(self._read_in_background())
                return
            self._take(read)
            self._work_off(len(self._backlog))
        self._show_rebuilt()

    def _show_rebuilt(self) -> None:
        if self._rebuilt is not None:
            self._state, self._rebuilt = self._rebuilt, None

    async def _read_in_background(self) -> bool:
        try:
            await self._read_rest()
        except StorageError as error:
            logger.error("the topic %s cannot be read: %s", TOPIC, error)
            return False
        finally:
            self._reading = None
        self._show_rebuilt()
        return True

    async def _read_rest(self, *, later: bool = False) -> None:
        while self._cursor is not None and (read := await self._cursor.read(_READ_BYTES)):
            self._take(read)
            if not later:
                await self._work_off_in_slices()

    def _take(self, read: BatchSlice) -> None:
        for batch in read.batches:
            if not batch.attributes & CONTROL_BIT:
                self._backlog.append((max(batch.base_offset, read.first_offset), batch.data))

    async def _work_off_in_slices(self) -> None:
        while self._backlog:
            self._work_off(_SLICE)
            await asyncio.sleep(0)

    def _work_off(self, count: int) -> None:
        for _ in range(min(count, len(self._backlog))):
            self._apply_batch(*self._backlog.popleft())
        self._save_max_ids()

    def _apply_batch(self, from_offset: int, data: Buffer) -> None:
        try:
            for record in read_records(data):
                if record.offset >= from_offset and record.key is not None:
                    self._apply_record(record.offset, record.key, record.value, record.timestamp)
        except RecordError as error:
            logger.warning("skipped a batch of %s at offset %s: %s", TOPIC, from_offset, error)

    def _apply_record(
        self, offset: int, key: bytes, value: bytes | None, timestamp_ms: int
    ) -> None:
        try:
            state = self._state if self._rebuilt is None else self._rebuilt
            state.apply(read_key(key), value, timestamp_ms)
        except ValueError as error:
            logger.warning("skipped the record of %s at offset %s: %s", TOPIC, offset, error)

    def _save_max_ids(self) -> None:
        for context, schema_id in self._state.max_ids.items():
            if schema_id > self._saved_max_ids.get(context, 0):
                self._saved_max_ids[context] = schema_id
                stored = self._values.set(context, str(schema_id))
                stored.add_done_callback(_log_failure)

    # Writing

    async def write(self, records: Iterable[NewLogRecord]) -> None:
        """Append records in one batch; when this returns, the state knows them.

        Raises:
            RegistryError: 42209 or 50001.
        """
        cursor = await self._following()
        now_ms = self._broker.clock.now_ms()
        batch = build_batch([NewRecord(key, value, (), now_ms) for key, value in records])
        size = len(batch)
        try:
            info = await self._broker.produce(_PARTITION, batch, origin=ORIGIN)
        except BrokerError as error:
            if error.error_code is ErrorCode.MESSAGE_TOO_LARGE:
                limit = cursor.log.config.max_message_bytes
                raise schema_too_large(size, limit) from error
            raise store_failed(str(error)) from error
        await self.caught_up(info.last_offset + 1)

    async def caught_up(self, end: int | None = None) -> None:
        """Return when the state knows all records before an offset; all that there are now.

        Raises:
            RegistryError: 50001, they cannot be read.
        """
        cursor = self._cursor
        if cursor is None:
            return
        if end is None:
            end = readable_end(cursor.log)
        # What follows another log by now moves this cursor no more.
        while cursor is self._cursor and (
            # What was read again is shown when all of it is known.
            self._rebuilt is not None or (cursor.position < end and cursor.has_more())
        ):
            self._catch_up()
            if self._reading is not None and not await asyncio.shield(self._reading):
                raise store_failed(f"the topic {TOPIC} cannot be read")

    async def _following(self) -> LogCursor:
        if self._cursor is None:
            try:
                await self._broker.topics.create(TOPIC, 1, {"cleanup.policy": "compact"})
            except StorageError as error:
                raise store_failed(str(error)) from error
        cursor = self._cursor
        if cursor is None:
            raise store_failed(f"the topic {TOPIC} was deleted")
        return cursor

    # Marks

    def mark(self) -> State:
        """Return where everything stands; everything written before must be committed."""
        if self._snapshot is None or self._snapshot.revision != self.state.revision:
            self._snapshot = self.state.copy()
        return self._snapshot

    async def roll_back(self, mark: State | None) -> None:
        """Make the state what it was; the log was taken back by whoever takes back topics.

        Args:
            mark: the state, which need not be read then; ``None`` if only the log tells it.
        """
        while self._reading is not None:
            await asyncio.wait((self._reading,))
        if mark is None:
            await self.caught_up()
            return
        old, self._rebuilt = self.state, None
        if old.revision != mark.revision:
            self._state = mark.copy()
            self._state.keep_ids_of(old)
            self._state.revision = old.revision + 1
        if self._cursor is not None:
            self._cursor.settle()
            self._cursor.position = readable_end(self._cursor.log)


def _log_failure(stored: asyncio.Future[None]) -> None:
    if not stored.cancelled() and stored.exception() is not None:
        logger.error("the highest schema id could not be stored: %s", stored.exception())
