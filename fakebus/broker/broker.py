"""The broker as a plain asyncio library: no sockets, no SQL, no wire types.

Everything that writes or reads records comes through here: the wire, fixture files, tests.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from fakebus.broker.activity import LIBRARY, Activities, Origin
from fakebus.broker.appending import (
    AppendResult,
    check_batch,
    check_records,
    check_shape,
    refused,
    stamp,
)
from fakebus.broker.broker_notes import BrokerNotes
from fakebus.broker.config_admin import ConfigAdmin
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.delayed_fetch import DelayedFetch, OnAnswer, WaitingRoom
from fakebus.broker.faults import Faults
from fakebus.broker.fetch_sessions import FetchSessions
from fakebus.broker.fetching import FetchTarget, IsolationLevel
from fakebus.broker.groups.coordinator import GroupCoordinator
from fakebus.broker.groups.offset_requests import WhenCommitted
from fakebus.broker.groups.requests import OffsetCommit
from fakebus.broker.housekeeping import Housekeeping
from fakebus.broker.identity import load_cluster_id
from fakebus.broker.nodes import Nodes
from fakebus.broker.offset_lookup import TimestampOffset, find_offset
from fakebus.broker.ownership import ServiceOf, check_owner, client_service
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.producer_ids import ProducerIds
from fakebus.broker.record_thread import RecordThread, takes_long
from fakebus.broker.security.security import Security
from fakebus.broker.tail_cache import TailCache
from fakebus.broker.topics import Topics
from fakebus.broker.transactions.coordinator import TransactionCoordinator
from fakebus.broker.transactions.rollback import TransactionsParticipant
from fakebus.broker.transactions.writing import TransactionalWrite
from fakebus.broker.values import Values
from fakebus.broker.write_check import WriteCheck
from fakebus.clock import Clock, SystemClock
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import LENGTH_OVERHEAD, BatchHeader
from fakebus.storage.interface import Storage
from fakebus.types import Buffer, TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.internal_topics.projection import InternalTopics
    from fakebus.broker.saved_snapshots import SavedSnapshots
    from fakebus.broker.share_delivery.deliveries import ShareDeliveries
    from fakebus.broker.snapshots import Participant, Snapshots
    from fakebus.broker.topic_admin import TopicAdmin

logger = logging.getLogger("fakebus.broker")

MAX_PENDING_BYTES = 12 * 1024 * 1024
"""Batches that wait for their commit, three groups; beyond this, producers stand in line."""
_SMALL_BYTES = 32 * 1024
"""Who produces no more than this need not stand in line behind others who produce much."""

RecordValidator = Callable[[str, TopicConfig, Buffer], None]
"""Accepts a batch for a topic, or raises a BrokerError."""


class Broker:
    """Kafka cluster in process.

    Args:
        storage: where topics, batches and offsets are kept; the broker does not close it.
        config: the broker's configs; Kafka's defaults when left out.
        clock: where time comes from; the machine's clock when left out.
        nodes: how many brokers the cluster seems to have.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        config: BrokerConfig | None = None,
        clock: Clock | None = None,
        nodes: int = 1,
    ) -> None:
        self._storage = storage
        self.config = config = config if config is not None else BrokerConfig()
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.cluster_id = ""
        self.activity = Activities(self.clock, enabled=config.get_bool("fakebus.lineage.enable"))
        self.topics = Topics(storage, self.config, TailCache())
        self.write_check = WriteCheck(storage, self.clock)
        self.nodes = Nodes(self.config, nodes, self.topics, partial(self.values, "replicas "))
        self.fetch_sessions = FetchSessions(
            self.clock, self.config.get_int("max.incremental.fetch.session.cache.slots")
        )
        self.group_coordinator = GroupCoordinator(
            config=self.config, clock=self.clock, storage=storage, topics=self.topics
        )
        self.faults = Faults(self.group_coordinator.rebalance, self.clock, storage.writes)
        notes = BrokerNotes(self.activity)
        self.topics.note = notes.of_topic
        self.group_coordinator.history.note = notes.of_group
        self.faults.on_fired = notes.of_fault
        self.config_admin = ConfigAdmin(
            topics=self.topics, config=self.config, storage=storage, node_ids=self.nodes.ids
        )
        self.producer_ids = ProducerIds(storage)
        self.transactions = TransactionCoordinator(
            config=self.config,
            clock=self.clock,
            storage=storage,
            topics=self.topics,
            groups=self.group_coordinator,
            producer_ids=self.producer_ids,
            activity=self.activity,
        )
        self.record_thread = RecordThread()
        self.security = Security(self.config, self.values, self.clock)
        transactions = TransactionsParticipant(self.transactions)
        self.participants: list[Participant] = [self.security, transactions]
        """Who has state that belongs to the snapshots that are taken from now on."""
        self.record_validator: RecordValidator | None = None
        """Asked about batches for topics whose configs want their schemas validated."""
        self.service_of: ServiceOf = client_service
        """Tells which service a client is."""
        self.requests = defaultdict[int, int](int)
        """How many Kafka's clients have made since the start, by the key of the API."""
        self.waiting_room = WaitingRoom(self.clock)
        self._housekeeping = Housekeeping(
            self.nodes, self.config, self.clock, self._expire_snapshots, self.transactions.expire
        )

    # What most buses do not need while they rest is loaded when it is asked for.

    @cached_property
    def topic_admin(self) -> TopicAdmin:
        """What creates, grows and deletes topics."""
        from fakebus.broker.topic_admin import TopicAdmin

        return TopicAdmin(topics=self.topics, config=self.config, nodes=self.nodes)

    @cached_property
    def shares(self) -> ShareDeliveries:
        """What is delivered to share groups."""
        from fakebus.broker.share_delivery.deliveries import ShareDeliveries

        return ShareDeliveries(
            self.config, self.clock, self.topics, self.group_coordinator, self.activity
        )

    @cached_property
    def snapshots(self) -> Snapshots:
        """Where everything stands, and the way back."""
        from fakebus.broker.snapshots import Snapshots

        return Snapshots(
            topics=self.topics,
            groups=self.group_coordinator,
            configs=self.config_admin,
            fetch_sessions=self.fetch_sessions,
            storage=self._storage,
            participants=self.participants,
            clock=self.clock,
        )

    @cached_property
    def saved_snapshots(self) -> SavedSnapshots:
        """The snapshots that have names and outlive the process."""
        from fakebus.broker.saved_snapshots import SavedSnapshots

        return SavedSnapshots(self.snapshots, self._storage, self.config, self.clock)

    @cached_property
    def internal_topics(self) -> InternalTopics:
        """What fills the topics in which Kafka keeps groups and transactional ids."""
        from fakebus.broker.internal_topics.projection import InternalTopics

        return InternalTopics(
            self.topics,
            self.clock,
            self.group_coordinator,
            self.transactions,
            self.waiting_room.spawn,
        )

    async def start(self) -> None:
        """Load what storage holds; after that the broker can be used.

        Raises:
            StorageError: the stored state cannot be read.
        """
        self.cluster_id = await load_cluster_id(self._storage)
        await self.topics.load()
        self.config_admin.load()
        self.security.load()
        await self.group_coordinator.load()
        saved, changes = await self._storage.load_snapshots()
        if saved or changes:
            self.saved_snapshots.load(saved, changes)
        self._housekeeping.start()

    async def close(self) -> None:
        """Stop all timers and tasks; what was acknowledged is in storage."""
        await self._housekeeping.close()
        await self.waiting_room.close()
        await self.record_thread.close()
        self.group_coordinator.close()

    def atomic(self) -> AbstractContextManager[None]:
        """Make the writes that begin inside the block one transaction; it must not await."""
        return self._storage.atomic()

    def values(self, prefix: str) -> Values:
        """Return the named values that begin with a prefix, which belongs to the caller."""
        return Values(self._storage, prefix)

    async def settle(self) -> None:
        """Return when everything that was begun before is stored.

        Raises:
            StorageError: it could not be stored.
        """
        await self._storage.flush()

    async def run_housekeeping(self) -> None:
        """Do now, and not when it is due, what the broker does by itself: retention and so on."""
        await self._housekeeping.run()

    async def finish_restoring(self) -> None:
        """Go back to a snapshot if the last process has not come to the end of it.

        Raises:
            StorageError: something could not be stored.
        """
        if "saved_snapshots" in vars(self):
            await self.saved_snapshots.finish_restoring()

    async def _expire_snapshots(self) -> None:
        if "saved_snapshots" in vars(self):
            await self.saved_snapshots.expire()

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether so little waits to be stored that a request of a size may be begun just now."""
        pending = self._storage.writes.pending_bytes
        is_small = size_bytes <= _SMALL_BYTES
        return pending <= MAX_PENDING_BYTES or (is_small and pending <= 2 * MAX_PENDING_BYTES)

    def when_there_is_room(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once, when so much is stored that there is room for more."""
        self._storage.writes.when_pending_at_most(MAX_PENDING_BYTES, resume)

    async def wait_for_room(self, size_bytes: int) -> None:
        """Return when a request, or a part of one, of a size may be begun."""
        if not self.has_room_for(size_bytes):
            ready = asyncio.Event()
            self.when_there_is_room(ready.set)
            await ready.wait()

    async def ensure_internal_topic(self, name: str) -> None:
        """Create an internal topic when it is first needed, whoever asks, as Kafka does."""
        if self.topics.get(name) is None:
            await self.topic_admin.create_internal(name)

    def partition_log(self, topic_partition: TopicPartition) -> PartitionLog:
        """Return the log of a partition.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION.
        """
        log = self.topics.logs.get(topic_partition)
        if log is None:
            raise BrokerError(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no partition {topic_partition}"
            )
        return log

    def produce(
        self,
        topic_partition: TopicPartition,
        data: bytearray | memoryview | None,
        *,
        allow_zstd: bool = True,
        header: BatchHeader | BrokerError | None = None,
        origin: Origin = LIBRARY,
        transaction: TransactionalWrite | None = None,
    ) -> AppendResult:
        """Append one record batch; the result is settled when it is committed to storage.

        Offsets are assigned before this returns, in the order of the calls.

        Args:
            topic_partition: where to.
            data: a RecordBatch v2 as producers send it; the broker owns and changes it.
            allow_zstd: whether the client's version of the protocol knows zstd.
            header: what :func:`check_shape` has said of the batch, if it was asked already.
            origin: whose batch it is.
            transaction: whose transaction it belongs to, if it says that it does to one.

        Raises:
            UnknownPeerError: not known yet whether the client may; see ``ownership.when_known``.
            RefusedBatchError: the log does not take the batch; nothing was changed.
            BrokerError: the batch is refused before; nothing was changed.
        """
        log = self.topics.logs.get(topic_partition) or self.partition_log(topic_partition)
        if header is None:
            header = check_shape(data, allow_zstd=allow_zstd)
        if isinstance(header, BrokerError):
            raise header
        assert data is not None  # noqa: S101 - check_shape refuses None
        size = header.batch_length + LENGTH_OVERHEAD
        log.bytes_in += size
        batch = data if len(data) == size else data[:size]
        if log.is_internal:
            raise BrokerError(
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                f"clients must not write to the internal topic {topic_partition.topic}",
            )
        if log.config.producers:
            looks, producers = self.activity.on_peer is not None, log.config.producers
            check_owner(topic_partition.topic, producers, self.service_of, origin, looks=looks)
        now_ms = self.clock.now_ms()
        try:
            looks = check_batch(batch, header, log.config, now_ms)
            name = "" if transaction is None else transaction.admit(self.transactions, log, header)
            if looks or log in self.record_thread.queues:
                result = self._append_in_turn(log, batch, header, now_ms, looks)
            else:
                result = log.append(*stamp(batch, header, log.config, now_ms))
        except BrokerError as error:
            logger.debug("a batch for %s is refused: %s", topic_partition, error)
            raise refused(error, log.log_start_offset) from error
        if self.activity.enabled:
            if not self.activity.waiting:
                self.activity.wake()
            self.activity.waiting.append((now_ms, origin, topic_partition, result, name))
        return result

    def _append_in_turn(
        self,
        log: PartitionLog,
        batch: bytearray | memoryview,
        header: BatchHeader,
        now_ms: int,
        looks: bool,
    ) -> AppendResult:
        """Append a batch whose records have to be looked at, or that waits for such ones."""
        thread = self.record_thread
        if not looks:
            return thread.append(log, partial(stamp, batch, header, log.config, now_ms))
        look = partial(self._look, log.topic_partition, log.config, batch, header, now_ms)
        if log in thread.queues or takes_long(batch, header):
            return thread.append(log, look)
        return log.append(*look())

    def _look(
        self,
        place: TopicPartition,
        config: TopicConfig,
        batch: bytearray | memoryview,
        header: BatchHeader,
        now_ms: int,
    ) -> tuple[bytearray | memoryview, BatchHeader, int]:
        """Look at a batch's records and return what is appended; perhaps beside the loop."""
        check_records(batch, header, config, now_ms, place)
        if (config.validate_keys or config.validate_values) and self.record_validator is not None:
            self.record_validator(place.topic, config, batch)
        return stamp(batch, header, config, now_ms)

    def begin_fetch(
        self,
        targets: Sequence[FetchTarget],
        on_answer: OnAnswer,
        *,
        max_wait_ms: int = 0,
        min_bytes: int = 1,
        max_bytes: int = 2**31 - 1,
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
        origin: Origin = LIBRARY,
    ) -> DelayedFetch:
        """Read stored batches from several partitions.

        Waits until at least ``min_bytes`` can be returned or ``max_wait_ms`` has passed;
        any error of a log is returned at once. Partitions without a log do not count: as in
        Kafka, the wait is for the others.

        Args:
            targets: what each partition is asked for.
            on_answer: told when the targets hold what was found; maybe in this call.
            max_wait_ms: how long to wait.
            min_bytes: what to wait for.
            max_bytes: what to return at most, unless a single batch is larger.
            isolation: what may be seen.
            origin: whose fetch it is.
        """
        if self.activity.enabled:
            committed = isolation is IsolationLevel.READ_COMMITTED
            on_answer = self.activity.noting_fetch(origin, targets, on_answer, committed=committed)
        return DelayedFetch(
            self.waiting_room,
            targets,
            max_wait_ms=max_wait_ms,
            min_bytes=min_bytes,
            max_bytes=max_bytes,
            isolation=isolation,
            on_answer=on_answer,
        )

    async def fetch(self, targets: Sequence[FetchTarget], **options: Any) -> Sequence[FetchTarget]:
        """Return the targets with what :meth:`begin_fetch` finds, whose options these are."""
        answer: asyncio.Future[Sequence[FetchTarget]] = asyncio.get_running_loop().create_future()
        fetch = self.begin_fetch(
            targets,
            lambda found: None if answer.done() else answer.set_result(found),
            **options,
        )
        try:
            return await answer
        finally:
            fetch.abandon()

    def commit_offsets(
        self, commit: OffsetCommit, then: WhenCommitted, origin: Origin = LIBRARY
    ) -> None:
        """Keep offsets for a group; see :meth:`GroupCoordinator.commit_offsets`.

        Args:
            commit: what is to be kept.
            then: told the outcome for each partition, maybe in this call.
            origin: whose commit it is.
        """
        if self.activity.enabled:
            committed = self.group_coordinator.committed_offset
            then = self.activity.noting_commit(commit, origin, committed, then)
        self.group_coordinator.commit_offsets(commit, then)

    async def find_offset(
        self, log: PartitionLog, timestamp: int, isolation: IsolationLevel
    ) -> TimestampOffset:
        """Return the offset that a timestamp (or -1 to -6) stands for in a log."""
        return await find_offset(log, self._storage, timestamp, isolation, self.record_thread)
