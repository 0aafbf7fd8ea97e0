"""The nodes of the cluster: which of them run, and which leads which partition.

All of them are in one process and share all logs. What tells them apart is what clients of several
brokers have to get right: every partition and every group has one node that answers for it, which
changes when that node stops.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID
from zlib import crc32

from fakebus.broker.identity import Node, node_of
from fakebus.broker.topic_names import CONSUMER_OFFSETS, TRANSACTION_STATE, partition_of
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.broker.configs.broker_config import BrokerConfig
    from fakebus.broker.partition_log import PartitionLog
    from fakebus.broker.topics import Topic, Topics
    from fakebus.broker.values import Values

logger = logging.getLogger("fakebus.broker")

KEPT_IN = {"GROUP": CONSUMER_OFFSETS, "TRANSACTION": TRANSACTION_STATE}
"""The topics in whose partitions Kafka keeps groups and transactions; their leaders coordinate."""
NOBODY = -1
"""The leader of a partition whose replicas have all stopped."""
_REPLICATION_FACTOR = "default.replication.factor"


class Nodes(Sequence[Node]):
    """Nodes of the cluster, in the order of their numbers.

    Args:
        config: the broker's, which numbers the first node.
        count: how many there are.
        topics: whose partitions they lead.
        placed: keeps the replicas of topics that were placed otherwise than by default.
    """

    def __init__(
        self, config: BrokerConfig, count: int, topics: Topics, placed: Callable[[], Values]
    ) -> None:
        first = node_of(config)
        racks = config.get_list("broker.rack") if count > 1 else ()
        self._all = (
            (first,)
            if count == 1
            else tuple(
                Node(first.node_id + index, racks[index % len(racks)] if racks else None)
                for index in range(count)
            )
        )
        self.ids = tuple(node.node_id for node in self._all)
        self.single = count == 1
        """Whether one node leads everything, always."""
        self.addresses: dict[int, str] = {}
        """Where clients are told to find each node, as front ends have bound them."""
        self.on_change: list[Callable[[int, bool], Awaitable[None]]] = []
        """Called with the number of a node that has stopped (``False``) or is to start."""
        self._config = config
        self.topics = topics
        """What there is to be led."""
        self._running = set(self.ids)
        self._unregistered: set[int] = set()
        self._leaders: dict[PartitionLog, int] = {}
        """The leaders that are not the first replica, by log."""
        self._placed = None if self.single else placed()
        self._replicas: dict[UUID, list[list[int]]] = {
            UUID(name): json.loads(text)
            for name, text in (self._placed.all() if self._placed else {}).items()
        }
        topics.on_deleting.append(self._topic_deleted)
        if not self.single and _REPLICATION_FACTOR not in config.static:
            # One replica would be gone with its broker, which is what several are for.
            config.set_static({_REPLICATION_FACTOR: str(min(3, count))})

    def __getitem__(self, index: int) -> Node:  # type: ignore[override]
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._all)

    @property
    def controller(self) -> int:
        """The lowest node that runs."""
        return min(self._running)

    def is_running(self, node_id: int) -> bool:
        """Return whether a node serves clients."""
        return node_id in self._running

    def is_registered(self, node_id: int) -> bool:
        """Return whether the cluster still counts on a node, which may have stopped."""
        return node_id in self.ids and node_id not in self._unregistered

    # -- partitions --

    def replicas(self, topic: Topic, partition: int) -> list[int]:
        """Return the nodes that a partition is on, the preferred leader first."""
        placed = self._replicas.get(topic.topic_id, ())
        if partition < len(placed):
            # There may have been more nodes when it was placed.
            there = [node_id for node_id in placed[partition] if node_id in self.ids]
            if there:
                return there
        if self.single:
            return list(self.ids)
        factor = len(placed[0]) if placed else self._config.get_int("default.replication.factor")
        return self._rotated(topic.name, partition)[: max(1, factor)]

    def _rotated(self, name: str, partition: int) -> list[int]:
        start = (crc32(name.encode()) + partition) % len(self.ids)
        return [*self.ids[start:], *self.ids[:start]]

    def in_sync(self, log: PartitionLog, replicas: Sequence[int]) -> list[int]:
        """Return those of a partition's replicas that run; none while nobody leads it."""
        is_led = self.leader(log) != NOBODY
        return [node_id for node_id in replicas if is_led and node_id in self._running]

    def eligible(self, log: PartitionLog) -> list[int]:
        """Return who may lead a partition that nobody leads: the last one that has (KIP-966)."""
        return [] if self.single or self.leader(log) != NOBODY else [self._last_leader(log)]

    def _last_leader(self, log: PartitionLog) -> int:
        topic, partition = log.topic_partition
        found = self.topics.get(topic)
        preferred = NOBODY if found is None else self.replicas(found, partition)[0]
        return self._leaders.get(log, preferred)

    def leader(self, log: PartitionLog) -> int:
        """Return the node that leads a partition, or :data:`NOBODY`."""
        if self.single:
            return self.ids[0]
        topic, partition = self.topics.get(log.topic_partition.topic), log.topic_partition[1]
        if topic is None:
            return NOBODY
        leader = self._leaders.get(log)
        if leader is None:
            # One that is new is led by the first that runs.
            replicas = self.replicas(topic, partition)
            leader = self._first_running(replicas, NOBODY)
        return leader if leader in self._running else NOBODY

    def has_enough(self, log: PartitionLog) -> bool:
        """Return whether so many replicas are in sync that all may acknowledge (acks=-1)."""
        topic = self.topics.get(log.topic_partition.topic)
        if topic is None:
            return True
        replicas = self.replicas(topic, log.topic_partition.partition)
        in_sync = [each for each in replicas if each in self._running]
        return len(in_sync) >= log.config.min_in_sync_replicas

    def place_new(
        self, topic: Topic, factor: int, assigned: Mapping[int, Sequence[int]]
    ) -> asyncio.Future[None]:
        """Place the partitions of a new topic; done when that is stored.

        Args:
            topic: the topic.
            factor: how many replicas each partition has.
            assigned: the nodes of each partition, where a client has chosen them.
        """
        count = range(len(topic.partitions))
        return self._put(
            topic,
            [list(assigned[p]) for p in count]
            if assigned
            else [self._rotated(topic.name, p)[:factor] for p in count],
        )

    def _put(self, topic: Topic, placed: list[list[int]]) -> asyncio.Future[None]:
        if self._placed is None:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        key, before = topic.topic_id, self._replicas.get(topic.topic_id)
        self._replicas[key] = placed

        def take_back() -> None:
            if before is None:
                self._replicas.pop(key, None)
            else:
                self._replicas[key] = before

        text = json.dumps(placed, separators=(",", ":"))
        return self._placed.set_all({str(key): text}, take_back)

    async def place(self, topic: Topic, replicas: Mapping[int, Sequence[int]]) -> None:
        """Place partitions on nodes; the leaders of those that leave theirs move.

        Args:
            topic: whose partitions they are.
            replicas: the nodes of each partition, the preferred leader first.

        Raises:
            StorageError: it could not be stored.
        """
        if self._placed is None:
            return
        placed = [
            list(replicas.get(index, self.replicas(topic, index)))
            for index in range(max(len(topic.partitions), *(index + 1 for index in replicas)))
        ]
        before = {log: self.leader(log) for log in topic.partitions}
        await self._put(topic, placed)
        moved = []
        for index, log in enumerate(topic.partitions):
            if before[log] not in placed[index]:
                moved.append((log, self._first_running(placed[index], placed[index][0])))
            else:
                self._leaders[log] = before[log]
        await self._move(moved)

    def place_added(self, topic: Topic, added: Sequence[Sequence[int]]) -> asyncio.Future[None]:
        """Place the partitions that a topic just got, its last ones; done when that is stored."""
        first = len(topic.partitions) - len(added)
        for log, (leader, *others) in zip(topic.partitions[first:], added, strict=True):
            if leader not in self._running:
                self._leaders[log] = self._first_running(others, leader)
        placed = [self.replicas(topic, index) for index in range(first)]
        return self._put(topic, [*placed, *map(list, added)])

    def _topic_deleted(self, topic: Topic) -> Callable[[bool], Awaitable[None]]:
        if self._placed is not None and topic.topic_id in self._replicas:
            # With the topic, whose deletion tells whether it could be stored.
            gone = self._placed.set(str(topic.topic_id), None)
            gone.add_done_callback(lambda done: done.cancelled() or done.exception())
        return partial(self._forget, topic)

    async def _forget(self, topic: Topic, is_deleted: bool) -> None:
        if is_deleted:
            self._replicas.pop(topic.topic_id, None)
            for log in topic.partitions:
                self._leaders.pop(log, None)

    async def elect(self, topic: Topic, partition: int, *, unclean: bool = False) -> None:
        """Make the preferred replica of a partition its leader, or any if ``unclean``.

        Raises:
            BrokerError: ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE or
                ELIGIBLE_LEADERS_NOT_AVAILABLE.
            StorageError: it could not be stored.
        """
        log, replicas = topic.partitions[partition], self.replicas(topic, partition)
        leader = self.leader(log)
        if self.single or leader == replicas[0] or (unclean and leader != NOBODY):
            raise BrokerError(ErrorCode.ELECTION_NOT_NEEDED)
        if unclean:
            elected = self._first_running(replicas, NOBODY)
            if elected == NOBODY:
                raise BrokerError(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)
        else:
            elected = replicas[0]
            if elected not in self.in_sync(log, replicas):
                raise BrokerError(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)
        await self._move([(log, elected)])

    async def elect_unclean(self) -> None:
        """Let any replica lead that runs where nobody does and the topic's configs permit it.

        Raises:
            StorageError: it could not be stored.
        """
        if len(self._running) == len(self.ids):
            return
        async for topic in in_turns(self.topics):
            is_there = self.topics.by_id(topic.topic_id) is topic
            if topic.config.unclean_leader_election and is_there:
                elected = [
                    (log, self._first_running(self.replicas(topic, index), NOBODY))
                    for index, log in enumerate(topic.partitions)
                    if self.leader(log) == NOBODY
                ]
                await self._move([each for each in elected if each[1] != NOBODY])

    # -- groups and transactions --

    def coordinator(self, topic_name: str, key: str) -> int:
        """Return the node that coordinates a group or a transactional id, or :data:`NOBODY`.

        It leads the partition of an internal topic that Kafka would keep them in.
        """
        if self.single:
            return self.ids[0]
        topic = self.topics.get(topic_name)
        if topic is None:
            return NOBODY
        return self.leader(topic.partitions[partition_of(key, len(topic.partitions))])

    # -- coming and going --

    async def stop(self, node_id: int) -> None:
        """Stop a node: its clients are dropped, and others lead what it has led.

        Raises:
            BrokerError: BROKER_ID_NOT_REGISTERED; INVALID_REQUEST, it is the last one that runs.
            StorageError: the new leaders could not be stored.
        """
        self._check(node_id)
        if node_id not in self._running:
            return
        if len(self._running) == 1:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                f"broker {node_id} is the last one that runs; stop the bus instead",
            )
        led = [
            (log, topic, index)
            for topic in self.topics
            for index, log in enumerate(topic.partitions)
            if self.leader(log) == node_id
        ]
        self._running.discard(node_id)
        moved = [
            (log, self._first_running(self.replicas(topic, index), node_id))
            for log, topic, index in led
        ]
        try:
            await self._move(moved)
        except StorageError:
            self._running.add(node_id)
            raise
        logger.info("broker %d stops; %s", node_id, self._led_by_others(moved))
        await self._tell(node_id, running=False)

    async def start(self, node_id: int) -> None:
        """Start a node again; it leads what it has led last, or may have led by its configs.

        Others wait for their last leader, unless unclean.leader.election.enable is set.

        Raises:
            BrokerError: BROKER_ID_NOT_REGISTERED.
            ConfigError: another process has taken its port.
            StorageError: the new leaders could not be stored.
        """
        self._check(node_id)
        if node_id in self._running:
            return
        await self._tell(node_id, running=True)
        orphans = []
        for topic in self.topics:
            unclean = topic.config.unclean_leader_election
            for index, log in enumerate(topic.partitions):
                leader, replicas = self.leader(log), self.replicas(topic, index)
                if leader != NOBODY:
                    # It goes on when a better one comes.
                    self._leaders.setdefault(log, leader)
                elif self._last_leader(log) == node_id or (unclean and node_id in replicas):
                    orphans.append(log)
        self._running.add(node_id)
        try:
            await self._move([(log, node_id) for log in orphans])
        except StorageError:
            self._running.discard(node_id)
            await self._tell(node_id, running=False)
            raise
        self._unregistered.discard(node_id)
        led = counted(len(orphans), "partition")
        logger.info("broker %d starts; it leads %s that nobody could", node_id, led)

    def unregister(self, node_id: int) -> None:
        """Let the cluster forget a node that has stopped, until it is started again.

        Raises:
            BrokerError: BROKER_ID_NOT_REGISTERED; INVALID_REQUEST, it runs.
        """
        if not self.is_registered(node_id):
            raise BrokerError(
                ErrorCode.BROKER_ID_NOT_REGISTERED, f"the broker {node_id} is not registered"
            )
        if self.is_running(node_id):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                f"the broker {node_id} runs; stop it before, as fakebus brokers stop does",
            )
        self._unregistered.add(node_id)

    async def reset(self) -> None:
        """Start all nodes, and let the preferred replicas lead."""
        for node_id in self.ids:
            await self.start(node_id)
        preferred = [
            (log, self.replicas(topic, index)[0])
            for topic in (self.topics if self._leaders else ())
            for index, log in enumerate(topic.partitions)
            if log in self._leaders
        ]
        await self._move([(log, node) for log, node in preferred if self.leader(log) != node])

    def _check(self, node_id: int) -> None:
        if node_id not in self.ids:
            raise BrokerError(
                ErrorCode.BROKER_ID_NOT_REGISTERED,
                f"there is no broker {node_id}; there are {', '.join(map(str, self.ids))}",
            )

    async def _tell(self, node_id: int, *, running: bool) -> None:
        for listener in self.on_change:
            await listener(node_id, running)

    def _first_running(self, replicas: Sequence[int], otherwise: int) -> int:
        return next((each for each in replicas if each in self._running), otherwise)

    async def _move(self, leaders: Sequence[tuple[PartitionLog, int]]) -> None:
        """Let nodes lead partitions from now on, each in an epoch of its own."""
        before = {log: self._leaders.get(log) for log, _ in leaders}
        self._leaders |= leaders
        # A partition that nobody leads keeps its epoch until somebody does.
        begun = [log.begin_epoch() for log, leader in leaders if leader in self._running]
        try:
            await asyncio.gather(*begun)
        except StorageError:
            for log, leader in before.items():
                if leader is None:
                    self._leaders.pop(log, None)
                else:
                    self._leaders[log] = leader
            raise

    def _led_by_others(self, moved: Sequence[tuple[PartitionLog, int]]) -> str:
        orphans = sum(leader not in self._running for _, leader in moved)
        others = counted(len(moved) - orphans, "partition")
        return f"others lead {others} of it, and nobody {orphans}" if moved else "it led nothing"
