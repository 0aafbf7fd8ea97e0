"""The topics that exist, in memory and in storage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.partition_log import BeforeChange, PartitionLog
from fakebus.broker.tail_cache import TailCache
from fakebus.broker.topic_names import is_internal, metric_name
from fakebus.storage.interface import LogState, Storage, TopicRow, Undo
from fakebus.types import TopicIdPartition, TopicPartition
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker")


@dataclass(slots=True, eq=False)
class Topic:
    """A topic and its partitions' logs, by partition index."""

    name: str
    topic_id: UUID
    partitions: list[PartitionLog]
    config: TopicConfig

    @property
    def is_internal(self) -> bool:
        """Whether clients are told to leave the topic alone."""
        return is_internal(self.name)

    def partition(self, index: int) -> PartitionLog | None:
        """Return a partition's log, or ``None`` when the index is out of range."""
        return self.partitions[index] if 0 <= index < len(self.partitions) else None


class Note(Protocol):
    """Listener that notes what becomes of topics."""

    def __call__(
        self,
        verb: str,
        /,
        place: TopicPartition,
        offsets: tuple[int, int] = (-1, -1),
        *,
        detail: str = "",
    ) -> None:
        """Note it."""


def _note_nothing(
    verb: str, /, place: TopicPartition, offsets: tuple[int, int] = (-1, -1), *, detail: str = ""
) -> None:
    """Note nothing: nobody wants to know."""


class Topics:
    """All topics of the broker.

    Args:
        storage: where they are kept.
        config: the broker's configs, which topics fall back to.
        tail_cache: the memory budget that all logs share.
    """

    def __init__(self, storage: Storage, config: BrokerConfig, tail_cache: TailCache) -> None:
        self.storage = storage
        self._config = config
        self._tail_cache = tail_cache
        self.logs: dict[TopicPartition, PartitionLog] = {}
        """The logs of all partitions."""
        self._by_name: dict[str, Topic] = {}
        self._by_id: dict[UUID, Topic] = {}
        self._by_metric_name: dict[str, Topic] = {}
        self._configs: WeakValueDictionary[frozenset[tuple[str, str]], TopicConfig]
        self._configs = WeakValueDictionary()
        """Configs by what topics have of their own, which mostly is nothing."""
        self.before_change: list[BeforeChange] = []
        """Awaited before stored batches of a log are deleted or replaced."""
        self.on_deleted: list[Callable[[Topic], None]] = []
        """Called with every topic that was deleted, or could not be stored after all."""
        self.on_deleting: list[Callable[[Topic], Callable[[bool], Awaitable[None]]]] = []
        """Called when a topic is about to be deleted: what they enqueue is stored with it, and what
        they return is awaited afterwards, with whether it was."""
        self.on_changed: list[Callable[[Topic], None]] = []
        """Called with every topic that was created or got partitions."""
        self.note: Note = _note_nothing
        """Told what becomes of topics and of ranges of their records."""

    def get(self, name: str) -> Topic | None:
        """Return the topic of that name, or ``None``."""
        return self._by_name.get(name)

    def by_id(self, topic_id: UUID) -> Topic | None:
        """Return the topic with that id, or ``None``."""
        return self._by_id.get(topic_id)

    def named(self, places: Iterable[TopicIdPartition]) -> tuple[TopicPartition, ...]:
        """Return partitions by the names of their topics, without those of deleted ones."""
        known = ((self._by_id.get(place.topic_id), place.partition) for place in sorted(places))
        return tuple(TopicPartition(topic.name, number) for topic, number in known if topic)

    def colliding(self, name: str) -> str | None:
        """Return the topic whose name is the same for Kafka's metrics, or ``None``.

        They cannot tell "." and "_" apart.
        """
        topic = self._by_metric_name.get(metric_name(name))
        return None if topic is None else topic.name

    def __iter__(self) -> Iterator[Topic]:
        return iter(tuple(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    async def load(self) -> None:
        """Read all topics and the state of their logs from storage."""
        states = {state.log_id: state for state in await self.storage.load_logs()}
        for row in await self.storage.load_topics():
            config = self._shared_config(row.configs)
            logs = [
                self._open_log(row.name, index, states[log_id], config)
                for index, log_id in enumerate(row.log_ids)
            ]
            self._add(Topic(row.name, row.topic_id, logs, config))
        written = (log for log in self.logs.values() if log.log_end_offset > log.log_start_offset)
        await asyncio.gather(*(log.load_producers() for log in written))

    def _shared_config(self, configs: Mapping[str, str]) -> TopicConfig:
        """Return what topics with these configs of their own have in common."""
        key = frozenset(configs.items())
        config = self._configs.get(key)
        if config is None:
            config = self._configs[key] = TopicConfig(configs, self._config)
        return config

    def _open_log(
        self, name: str, index: int, state: LogState, config: TopicConfig
    ) -> PartitionLog:
        topic_partition = TopicPartition(name, index)
        return PartitionLog(
            topic_partition, state, config, self.storage, self._tail_cache, self.before_change
        )

    def _new_log(self, name: str, index: int, config: TopicConfig) -> PartitionLog:
        state = LogState(
            log_id=self.storage.next_log_id(),
            log_start_offset=0,
            log_end_offset=0,
            size_bytes=0,
            max_timestamp=-1,
        )
        return self._open_log(name, index, state, config)

    def _add(self, topic: Topic) -> None:
        self._by_name[topic.name] = topic
        self._by_id[topic.topic_id] = topic
        self._by_metric_name[metric_name(topic.name)] = topic
        self.logs.update((log.topic_partition, log) for log in topic.partitions)

    def save(self, topic: Topic, undo: Undo) -> asyncio.Future[None]:
        """Enqueue what a topic is now; ``undo`` is called if that cannot be stored."""
        return self.storage.save_topic(
            TopicRow(
                name=topic.name,
                topic_id=topic.topic_id,
                log_ids=tuple(log.log_id for log in topic.partitions),
                configs=dict(topic.config.overrides),
            ),
            undo,
        )

    def begin_create(
        self,
        name: str,
        partitions: int,
        configs: Mapping[str, str],
        states: Sequence[LogState] = (),
    ) -> tuple[Topic, asyncio.Future[None]]:
        """Create a topic whose name and configs are checked; it can be used at once.

        Args:
            name: its name.
            partitions: how many it has.
            configs: its own configs.
            states: the states of their logs if those were filled before.

        Returns:
            The topic, and a future that is done when the topic is stored.
        """
        config = self._shared_config(configs)
        logs = [self._open_log(name, index, each, config) for index, each in enumerate(states)]
        logs = logs or [self._new_log(name, index, config) for index in range(partitions)]
        topic = Topic(name, uuid4(), logs, config)
        self._add(topic)
        logger.debug("topic %s is created with %s", name, counted(partitions, "partition"))
        with self.storage.atomic():
            stored = self.save(topic, partial(self._remove, topic))
            for state in states:
                if state.log_start_offset > 0:
                    self.storage.delete_before(state.log_id, state.log_start_offset)
        stored.add_done_callback(partial(self._announce_unstored, topic))
        self.note(
            "topic created", TopicPartition(name, -1), detail=counted(partitions, "partition")
        )
        for changed in self.on_changed:
            changed(topic)
        return topic, stored

    def _announce_unstored(self, topic: Topic, stored: asyncio.Future[None]) -> None:
        if stored.cancelled() or stored.exception() is not None:
            self._announce_deleted(topic)

    def _announce_deleted(self, topic: Topic) -> None:
        for deleted in self.on_deleted:
            deleted(topic)

    async def create(self, name: str, partitions: int, configs: Mapping[str, str]) -> Topic:
        """Create a topic and return it when it is stored.

        Raises:
            StorageError: it could not be stored and does not exist.
        """
        topic, stored = self.begin_create(name, partitions, configs)
        await stored
        return topic

    def _remove(self, topic: Topic) -> None:
        del self._by_id[topic.topic_id]
        del self._by_name[topic.name]
        # Of two that collide, which internal topics and old files may bring, the later one counts.
        if self._by_metric_name[metric_name(topic.name)] is topic:
            del self._by_metric_name[metric_name(topic.name)]
        self._forget(topic.partitions)

    def _forget(self, logs: Sequence[PartitionLog]) -> None:
        for log in logs:
            del self.logs[log.topic_partition]
            log.mark_deleted()

    async def delete(self, topic: Topic) -> None:
        """Forget a topic and its records; waiting fetches are woken.

        Raises:
            StorageError: it could not be stored, and the topic is there again.
        """
        if self._by_id.get(topic.topic_id) is not topic:
            return
        for before in self.before_change:
            await before(
                [(log, log.log_start_offset, log.high_watermark) for log in topic.partitions]
            )
        if self._by_id.get(topic.topic_id) is not topic:
            # It was deleted meanwhile.
            return
        self._remove(topic)
        with self.storage.atomic():
            stored = self.storage.delete_topic(topic.topic_id, partial(self._put_back, topic))
            finishing = [deleting(topic) for deleting in self.on_deleting]
        try:
            await stored
        finally:
            for finish in finishing:
                await finish(topic.topic_id not in self._by_id)
        logger.info("topic %s is deleted with its records", topic.name)
        self.note("topic deleted", TopicPartition(topic.name, -1))
        self._announce_deleted(topic)

    def _put_back(self, topic: Topic) -> None:
        self._add(topic)
        for log in topic.partitions:
            log.mark_restored()

    async def add_partitions(
        self,
        topic: Topic,
        count: int,
        with_it: Callable[[], asyncio.Future[None]] | None = None,
    ) -> None:
        """Grow a topic to ``count`` partitions.

        Args:
            topic: the topic.
            count: how many partitions it is to have.
            with_it: enqueues what is stored with that, or not at all.

        Raises:
            StorageError: it could not be stored, and the topic is as it was.
        """
        before = len(topic.partitions)
        topic.partitions += [
            self._new_log(topic.name, index, topic.config) for index in range(before, count)
        ]
        self.logs.update((log.topic_partition, log) for log in topic.partitions[before:])
        with self.storage.atomic():
            stored: asyncio.Future[Any] = self.save(topic, partial(self._shrink, topic, before))
            if with_it is not None:
                stored = asyncio.gather(stored, with_it())
        for changed in self.on_changed:
            changed(topic)
        await stored
        logger.info("topic %s has %s now", topic.name, counted(count, "partition"))
        detail = counted(count, "partition")
        self.note("topic changed", TopicPartition(topic.name, -1), detail=detail)

    def _shrink(self, topic: Topic, count: int) -> None:
        self._forget(topic.partitions[count:])
        del topic.partitions[count:]

    async def set_configs(self, topic: Topic, configs: Mapping[str, str]) -> None:
        """Replace the topic's own configs, which are checked already.

        Raises:
            StorageError: it could not be stored, and they are what they were.
        """
        before = topic.config.overrides
        self._use_configs(topic, configs)
        await self.save(topic, partial(self._use_configs, topic, before))
        changed = sorted(
            name for name in {*before, *configs} if before.get(name) != configs.get(name)
        )
        if changed:
            self.note("topic changed", TopicPartition(topic.name, -1), detail=", ".join(changed))

    def refresh_configs(self) -> None:
        """Let all topics see changed broker configs."""
        self._configs.clear()
        for topic in self:
            self._use_configs(topic, topic.config.overrides)

    def _use_configs(self, topic: Topic, configs: Mapping[str, str]) -> None:
        topic.config = self._shared_config(configs)
        for log in topic.partitions:
            log.config = topic.config
