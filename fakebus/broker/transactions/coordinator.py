"""Coordinator of transactional ids: who may write, what belongs together, and its end.

The end of a transaction is one transaction of storage: the markers in all logs, the committed
offsets and the new state are there together or not at all. So there is nothing to be finished
after a crash but what was open, and that its producer ends, or its timeout.

Source: KIP-98, KIP-360, KIP-447, KIP-890; Kafka's TransactionCoordinator.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby

from fakebus.broker.activity import LIBRARY, Activities, Origin
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.coordinator import GroupCoordinator
from fakebus.broker.groups.journal import tell_nobody
from fakebus.broker.producer_ids import ProducerIds
from fakebus.broker.refusals import refused_transaction
from fakebus.broker.topic_names import CONSUMER_OFFSETS, partition_of
from fakebus.broker.topics import Topics
from fakebus.broker.transactions.markers import append_markers
from fakebus.broker.transactions.noting import CommittedOffset, committed_offsets, note_end
from fakebus.broker.transactions.outcomes import Ended, Stored
from fakebus.broker.transactions.state import (
    NO_EPOCH,
    GroupOffsets,
    ProducerIdAndEpoch,
    TransactionState,
    TransactionStatus,
    decode,
    encode,
    unmapped,
)
from fakebus.clock import Clock
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.interface import OffsetRow, Storage
from fakebus.types import TopicPartition

logger = logging.getLogger("fakebus.broker.transactions")

_PREFIX = "transaction."
"""What the keys begin with that states are stored under."""
_DONE = {
    TransactionStatus.COMPLETE_COMMIT: True,
    TransactionStatus.COMPLETE_ABORT: False,
}


class TransactionCoordinator:
    """All transactional ids of the broker.

    Args:
        config: the broker's configs.
        clock: where time comes from.
        storage: where states are kept.
        topics: whose logs get markers.
        groups: who gets committed offsets.
        producer_ids: the ids that are handed out.
        activity: where the ends of transactions are noted.

    Raises:
        StorageError: a stored state cannot be read.
    """

    def __init__(
        self,
        *,
        config: BrokerConfig,
        clock: Clock,
        storage: Storage,
        topics: Topics,
        groups: GroupCoordinator,
        producer_ids: ProducerIds,
        activity: Activities,
    ) -> None:
        self._config = config
        self.clock = clock
        self._storage = storage
        self.topics = topics
        self.groups = groups
        self._producer_ids = producer_ids
        self._activity = activity
        self.changed: Callable[[str], object] = tell_nobody
        """Told which transactional id is about to change."""
        self._states: dict[str, TransactionState] = {}
        self._ongoing: set[str] = set()
        self.origins: dict[str, Origin] = {}
        """Who was given each transactional id last, as far as that is known since the start."""
        # By transactional id and group, of those that are open.
        self._members: dict[str, dict[str, str]] = {}
        # What is being committed, which cannot be fetched yet.
        self._landing: dict[str, GroupOffsets] = {}
        # Whose end is being stored.
        self._ending: set[str] = set()
        for key in storage.meta_keys(_PREFIX):
            name = key.removeprefix(_PREFIX)
            self._put(name, decode(name, storage.get_meta(key) or ""))
            for group_id in self._states[name].offsets:
                groups.found_group(group_id)

    def __iter__(self) -> Iterator[TransactionState]:
        return iter(tuple(self._states.values()))

    def get(self, transactional_id: str) -> TransactionState | None:
        """Return the state of a transactional id, ``None`` if it is not known."""
        return self._states.get(transactional_id)

    @property
    def ongoing(self) -> list[TransactionState]:
        """The states of those that have a transaction open."""
        return [self._states[name] for name in sorted(self._ongoing)]

    def pending_offsets(self, group_id: str) -> set[TopicPartition]:
        """Return the partitions whose offsets in a group an open transaction may change."""
        open_ones = [self._states[name].offsets for name in self._ongoing]
        return {
            partition
            for offsets in (*open_ones, *self._landing.values())
            for partition in offsets.get(group_id, ())
        }

    def offsets_partition(self, group_id: str) -> TopicPartition:
        """Return the partition of __consumer_offsets that stands for a group."""
        topic = self.topics.get(CONSUMER_OFFSETS)
        count = (
            self._config.get_int("offsets.topic.num.partitions")
            if topic is None
            else len(topic.partitions)
        )
        return TopicPartition(CONSUMER_OFFSETS, partition_of(group_id, count))

    # -- storing --

    def _put(self, transactional_id: str, state: TransactionState | None) -> None:
        self.changed(transactional_id)
        self._ongoing.discard(transactional_id)
        if state is None:
            self._states.pop(transactional_id, None)
            return
        self._states[transactional_id] = state
        if state.is_ongoing:
            self._ongoing.add(transactional_id)

    def save(self, transactional_id: str, state: TransactionState | None) -> Stored:
        """Keep a state, or forget it; settled when that is stored."""
        before = self._states.get(transactional_id)
        self._put(transactional_id, state)
        text = None if state is None else encode(state)
        undo = partial(self._put, transactional_id, before)
        stored = Stored()
        self._storage.write_meta(_PREFIX + transactional_id, text, stored.settle, undo)
        return stored

    # -- producers --

    async def init_producer_id(
        self, transactional_id: str, timeout_ms: int, expected: ProducerIdAndEpoch | None
    ) -> ProducerIdAndEpoch:
        """Give a transactional producer its id and its next epoch, which fences older ones.

        Args:
            transactional_id: the producer's name.
            timeout_ms: how long a transaction of it may take.
            expected: what the producer has, if it goes on after an error (KIP-360).

        Raises:
            BrokerError: INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT, PRODUCER_FENCED, or
                CONCURRENT_TRANSACTIONS: an open transaction was aborted, or is being ended.
            StorageError: it could not be stored.
        """
        if not transactional_id:
            raise BrokerError(ErrorCode.INVALID_REQUEST, "a transactional id must not be empty")
        if not 0 < timeout_ms <= self._config.get_int("transaction.max.timeout.ms"):
            wrong = f"transactions cannot take {timeout_ms} ms: see transaction.max.timeout.ms"
            raise refused_transaction(
                transactional_id, ErrorCode.INVALID_TRANSACTION_TIMEOUT, wrong
            )
        state = self._states.get(transactional_id)
        fresh = -1
        if state is None or (state.is_exhausted and not state.is_ongoing):
            fresh = await self._producer_ids.allocate()
            state = self._states.get(transactional_id)
        now_ms = self.clock.now_ms()
        if state is None:
            state = TransactionState(
                transactional_id=transactional_id,
                producer_id=fresh,
                timeout_ms=timeout_ms,
                offsets={},
                updated_ms=now_ms,
            )
        if transactional_id in self._ending:
            raise state.being_ended()
        if expected is not None and not state.may_go_on(expected):
            raise state.fenced(expected.epoch)
        if state.is_ongoing:
            await self._fence(state, "its producer was initialized anew")
            raise state.being_ended()
        if state.is_exhausted and (expected is None or expected.epoch == state.producer_epoch):
            known = expected is not None
            state = state.rotated(fresh, timeout_ms, now_ms, known=known)
        else:
            state = state.initialized(timeout_ms, expected, now_ms)
        await self.save(transactional_id, state)
        return ProducerIdAndEpoch(state.producer_id, state.producer_epoch)

    # -- what belongs to a transaction --

    def _check(self, transactional_id: str, producer: ProducerIdAndEpoch) -> TransactionState:
        """Return the state if the producer may change it now.

        Raises:
            BrokerError: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED or
                CONCURRENT_TRANSACTIONS.
        """
        if not transactional_id:
            raise BrokerError(ErrorCode.INVALID_REQUEST, "a transactional id must not be empty")
        state = self._states.get(transactional_id)
        if state is None or state.producer_id != producer.producer_id:
            raise unmapped(transactional_id, producer)
        if state.producer_epoch != producer.epoch:
            raise state.fenced(producer.epoch)
        if transactional_id in self._ending:
            raise state.being_ended()
        return state

    def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Iterable[TopicPartition],
        *,
        bumps_epoch: bool = False,
    ) -> Stored | None:
        """Make partitions part of a transaction, which the first ones begin.

        Args:
            transactional_id: the producer's name.
            producer: what it signs with.
            partitions: the partitions, which exist.
            bumps_epoch: whether the client knows KIP-890.

        Returns:
            What is settled when it is stored; ``None`` if there was nothing to add.

        Raises:
            BrokerError: see :meth:`_check`.
        """
        state = self._check(transactional_id, producer)
        if state.is_ongoing and state.partitions.issuperset(partitions):
            return None
        now_ms = self.clock.now_ms()
        changed = state.with_partitions(partitions, now_ms, bumps_epoch=bumps_epoch)
        return self.save(transactional_id, changed)

    def verify_partition(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partition: TopicPartition,
        missing: ErrorCode = ErrorCode.TRANSACTION_ABORTABLE,
    ) -> None:
        """Accept that a partition is part of the producer's transaction.

        Raises:
            BrokerError: ``missing`` if it is not; see also :meth:`_check`.
        """
        state = self._check(transactional_id, producer)
        if partition not in state.partitions:
            wrong = f"{partition} was not added to the transaction of {transactional_id}"
            raise refused_transaction(transactional_id, missing, wrong)

    def add_offsets(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        group_id: str,
        rows: Iterable[OffsetRow],
        member_id: str = "",
    ) -> Stored:
        """Keep offsets that become a group's when the transaction commits.

        Raises:
            BrokerError: see :meth:`_check`.
        """
        state = self._check(transactional_id, producer)
        self._members.setdefault(transactional_id, {})[group_id] = member_id
        return self.save(transactional_id, state.with_offsets(group_id, rows))

    # -- the end --

    async def end(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        *,
        commit: bool,
        bumps_epoch: bool,
    ) -> ProducerIdAndEpoch:
        """Commit or abort a transaction, and return what its producer signs with from now on.

        Args:
            transactional_id: the producer's name.
            producer: what it signs with.
            commit: or else it is aborted.
            bumps_epoch: whether the client takes a new epoch from the answer (KIP-890).

        Raises:
            BrokerError: INVALID_TXN_STATE, there is nothing to end, or it was ended the other
                way; see also :meth:`_check`.
            StorageError: it could not be stored.
        """
        state, fresh = self._states.get(transactional_id), -1
        if bumps_epoch and state is not None and state.is_exhausted:
            fresh = await self._producer_ids.allocate()
        return await self.begin_end(
            transactional_id, producer, commit=commit, bumps_epoch=bumps_epoch, fresh=fresh
        )

    def begin_end(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        *,
        commit: bool,
        bumps_epoch: bool,
        fresh: int = -1,
    ) -> Ended:
        """Enqueue the end of a transaction; see :meth:`end`, which costs a task.

        A producer whose id has no epochs left gets a ``fresh`` one, which nobody has had.
        """
        state = self._states.get(transactional_id)
        if state is not None and bumps_epoch and state.is_retry(producer):
            if transactional_id in self._ending:
                raise state.being_ended()
            if state.status in _DONE:
                return self._ended_before(state, commit=commit)
        state = self._check(transactional_id, producer)
        if not state.is_ongoing and (commit or not bumps_epoch):
            if bumps_epoch or state.status not in _DONE:
                raise state.nothing_to_end(commit=commit)
            return self._ended_before(state, commit=commit)
        marker_epoch = state.producer_epoch + bumps_epoch
        spent = bumps_epoch and state.is_exhausted
        following = (fresh, 0) if spent else (state.producer_id, marker_epoch)
        return self._finish(
            state,
            ProducerIdAndEpoch(*following),
            marker_epoch,
            state.producer_epoch if bumps_epoch else state.last_producer_epoch,
            reason=None if commit else "its producer has aborted it",
            bumps_epoch=bumps_epoch,
        )

    def _ended_before(self, state: TransactionState, *, commit: bool) -> Ended:
        if _DONE[state.status] is not commit:
            raise state.nothing_to_end(commit=commit)
        ended = Ended()
        ended.settle(ProducerIdAndEpoch(state.producer_id, state.producer_epoch))
        return ended

    def _fence(self, state: TransactionState, reason: str) -> Ended:
        """Abort a transaction, with an epoch that its producer gets if it asks first (KIP-588)."""
        logger.info("the transaction of %s is aborted: %s", state.transactional_id, reason)
        epoch = state.producer_epoch + 1
        following = ProducerIdAndEpoch(state.producer_id, epoch)
        # The last epoch of all fences only.
        before = NO_EPOCH if state.is_exhausted else state.producer_epoch
        return self._finish(state, following, epoch, before, reason=reason, bumps_epoch=True)

    def _finish(
        self,
        state: TransactionState,
        following: ProducerIdAndEpoch,
        marker_epoch: int,
        last_epoch: int,
        *,
        reason: str | None,
        bumps_epoch: bool,
    ) -> Ended:
        """End a transaction; for a ``reason``, that is to abort it."""
        name, commit = state.transactional_id, reason is None
        marked_by = ProducerIdAndEpoch(state.producer_id, marker_epoch)
        now_ms = self.clock.now_ms()
        ended = state.ended(following, last_epoch, now_ms, commit=commit, bumps_epoch=bumps_epoch)
        with self._storage.atomic():
            logs = self.topics.logs
            append_markers(logs, state.partitions, marked_by, commit=commit, now_ms=now_ms)
            members, offsets = self._members.pop(name, {}), list[CommittedOffset]()
            if commit and state.offsets:
                committed = self.groups.committed_offset
                offsets += committed_offsets(state.offsets, members, logs, committed)
            kept = [
                self.groups.store_offsets(group, [each.row for each in rows])
                for group, rows in groupby(offsets, lambda each: each.group)
            ]
            stored = self.save(name, ended)
        self._ending.add(name)
        self._landing[name] = state.offsets
        outcome = Ended()

        def landed(failure: BaseException | None) -> None:
            self._ending.discard(name)
            del self._landing[name]
            if failure is None and state.is_ongoing:
                note_end(
                    self._activity, self.origins.get(name, LIBRARY), name, reason or "", offsets
                )
            outcome.settle(following if failure is None else failure)

        # All is stored together or not at all; offsets can be fetched a little later.
        if kept:
            asyncio.gather(*kept).add_done_callback(lambda done: landed(done.exception()))
        else:
            stored.when_settled(landed)
        return outcome

    # -- by the clock --

    async def expire(self) -> None:
        """Abort transactions that took too long, and forget ids that nobody uses any more.

        Raises:
            StorageError: it could not be stored.
        """
        now_ms = self.clock.now_ms()
        for name in sorted(self._ongoing):
            # While others were aborted, it may have been ended, and another one begun.
            state = self._states.get(name)
            if state is None or not state.is_ongoing or name in self._ending:
                continue
            if now_ms > state.start_ms + state.timeout_ms:
                await self._fence(state, f"it took longer than {state.timeout_ms} ms")
        unused_since = now_ms - self._config.get_int("transactional.id.expiration.ms")
        for name in tuple(self._states):
            state = self._states.get(name)
            if state is not None and state.updated_ms <= unused_since and not state.is_ongoing:
                logger.info("transactional id %s expired", name)
                self.origins.pop(name, None)
                await self.save(name, None)
