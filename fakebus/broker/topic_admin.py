"""Creating, growing and deleting topics, with the checks that Kafka's controller makes.

Every call may ask for several topics; each gets its own result, and one that is refused
does not stop the others. All checks and the change itself happen without an ``await``
between them, so that of two clients creating the same topic one is told that it exists.

Source: ControllerApis and ReplicationControlManager of Kafka 4.3.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from fakebus.broker.auto_created import auto_created
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.nodes import Nodes
from fakebus.broker.refusals import refusal
from fakebus.broker.replica_placement import check_replicas, place
from fakebus.broker.topic_names import CLUSTER_METADATA, is_internal, topic_name_problem
from fakebus.broker.topic_requests import (
    DEFAULT,
    CreatedTopic,
    DeletedTopic,
    NewPartitions,
    NewTopic,
    TopicResult,
    TopicToDelete,
)
from fakebus.broker.topics import Topic, Topics
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ConfigError, ErrorCode, FakebusError, StorageError
from fakebus.types import ZERO_UUID, TopicPartition
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker")

_DELETED_AT_ONCE = 10
"""Topics whose deletions share a commit."""

MAX_NEW_PARTITIONS = 10_000
"""How many partitions one request may create, as in Kafka."""
_DUPLICATE_NAME = "the request names the topic more than once"


@dataclass(slots=True)
class _Planned:
    """Results in the order of the request, and the writes that some of them wait for."""

    results: list[CreatedTopic] = field(default_factory=list)
    stored: dict[int, asyncio.Future[None]] = field(default_factory=dict)


Charge = Callable[[int], None]
"""Counts partitions that are created or deleted, or raises a BrokerError if they are too many."""


def _free(partitions: int) -> None:
    """Count nothing: there is no quota."""


class TopicAdmin:
    """Creates, grows and deletes topics as clients ask.

    Args:
        topics: the topics that exist.
        config: the broker's configs: defaults, and what is allowed.
        nodes: the brokers that replicas can be placed on.
    """

    def __init__(self, *, topics: Topics, config: BrokerConfig, nodes: Nodes) -> None:
        self._topics = topics
        self._config = config
        self._nodes = nodes

    async def create_topics(
        self,
        wanted: Sequence[NewTopic],
        *,
        validate_only: bool = False,
        charge: Charge = _free,
    ) -> list[CreatedTopic]:
        """Create topics; they can be used when this returns.

        Args:
            wanted: the topics. A name that occurs twice is refused once.
            validate_only: check everything and create nothing.
            charge: told how many partitions each topic has that nothing else speaks against.
        """
        times = Counter(topic.name for topic in wanted)
        too_many = self._too_many(wanted)
        # As in Kafka, names are compared with those that were there before the request.
        colliding = {name: self._topics.colliding(name) for name in times}
        planned = _Planned()
        async for new_topic in in_turns(wanted):
            if times[new_topic.name] > 1:
                continue
            try:
                if too_many is not None:
                    raise BrokerError(ErrorCode.POLICY_VIOLATION, too_many)
                result, stored = self._create_one(
                    new_topic, colliding[new_topic.name], validate_only, charge
                )
            except (BrokerError, StorageError) as error:
                result, stored = _not_created(new_topic.name, error), None
            if stored is not None:
                planned.stored[len(planned.results)] = stored
            planned.results.append(result)
        for name, count in times.items():
            if count > 1:
                duplicate = BrokerError(ErrorCode.INVALID_REQUEST, _DUPLICATE_NAME)
                planned.results.append(_not_created(name, duplicate))
        for index, stored in planned.stored.items():
            try:
                await stored
            except StorageError as error:
                planned.results[index] = _not_created(planned.results[index].name, error)
        return planned.results

    def _too_many(self, wanted: Iterable[NewTopic]) -> str | None:
        default = self._config.get_int("num.partitions")
        total = sum(
            len(topic.assignments)
            or (default if topic.partitions == DEFAULT else max(0, topic.partitions))
            for topic in wanted
        )
        if total <= MAX_NEW_PARTITIONS:
            return None
        return (
            f"the request asks for {counted(total, 'partition')}; {MAX_NEW_PARTITIONS} are allowed"
        )

    def _create_one(
        self, wanted: NewTopic, colliding: str | None, validate_only: bool, charge: Charge
    ) -> tuple[CreatedTopic, asyncio.Future[Any] | None]:
        self._check_name(wanted.name, colliding)
        config = self._checked_config(wanted.configs)
        partitions, replicas = place(wanted, self._config, self._nodes.ids)
        charge(partitions)
        topic_id = uuid4()
        stored: asyncio.Future[Any] | None = None
        if not validate_only:
            is_placed = wanted.assignments or wanted.replication_factor != DEFAULT
            with self._topics.storage.atomic():
                topic, stored = self._topics.begin_create(wanted.name, partitions, config.overrides)
                if is_placed and not self._nodes.single:
                    placed = self._nodes.place_new(topic, replicas, dict(wanted.assignments))
                    stored = asyncio.gather(stored, placed)
            topic_id = topic.topic_id
        created = CreatedTopic(
            name=wanted.name,
            topic_id=topic_id,
            partitions=partitions,
            replication_factor=replicas,
            config=config,
        )
        return created, stored

    def _check_name(self, name: str, colliding: str | None) -> None:
        if name == CLUSTER_METADATA:
            raise BrokerError(ErrorCode.INVALID_REQUEST, f"{name} is internal to the broker")
        problem = topic_name_problem(name)
        if problem is not None:
            raise BrokerError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
        if self._topics.get(name) is not None:
            # In Kafka's words: by them Confluent's command line heeds --if-not-exists.
            raise BrokerError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        if colliding is not None:
            raise BrokerError(
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                f"the topic name {name} collides with the existing {colliding}: "
                "'.' and '_' count as the same",
            )

    def _checked_config(self, configs: Iterable[tuple[str, str | None]]) -> TopicConfig:
        overrides: dict[str, str] = {}
        for name, value in configs:
            if value is None:
                raise BrokerError(ErrorCode.INVALID_CONFIG, f"the topic config {name} is null")
            overrides[name] = value
        try:
            return TopicConfig(overrides, self._config)
        except ConfigError as error:
            raise BrokerError(ErrorCode.INVALID_CONFIG, str(error)) from None

    async def delete_topics(
        self, wanted: Sequence[TopicToDelete], charge: Charge = _free
    ) -> list[DeletedTopic]:
        """Delete topics with their records.

        Args:
            wanted: the topics, each by name or by id.
            charge: told how many partitions each has.

        Raises:
            BrokerError: TOPIC_DELETION_DISABLED when delete.topic.enable is off.
        """
        if not self._config.get_bool("delete.topic.enable"):
            raise BrokerError(
                ErrorCode.TOPIC_DELETION_DISABLED, "delete.topic.enable is false on this broker"
            )
        names = Counter(topic.name for topic in wanted if topic.topic_id == ZERO_UUID)
        ids = Counter(topic.topic_id for topic in wanted if topic.name is None)
        results: dict[TopicToDelete, DeletedTopic] = {}
        found: dict[TopicToDelete, Topic] = {}
        for reference in wanted:
            topic = self._to_delete(reference, names, ids)
            if isinstance(topic, DeletedTopic):
                results[reference] = topic
            else:
                found[reference] = topic
        times = Counter(topic.topic_id for topic in found.values())
        deletable: dict[TopicToDelete, Topic] = {}
        for reference, topic in found.items():
            results[reference] = DeletedTopic(name=topic.name, topic_id=topic.topic_id)
            if times[topic.topic_id] == 1:
                try:
                    charge(len(topic.partitions))
                    deletable[reference] = topic
                except BrokerError as error:
                    results[reference] = _not_deleted(topic, error)
            elif reference.name is None:
                del results[reference]  # answered once, where it is named
            else:
                results[reference] = _refused(
                    reference, "the request gives the topic's id as well", topic
                )
        results |= await self._delete(deletable)
        # What is named twice is answered once; each that names nothing is a fault of its own.
        nothing = TopicToDelete()
        once = [one for one in wanted if one == nothing]
        once += (one for one in dict.fromkeys(wanted) if one != nothing)
        return [results[one] for one in once if one in results]

    async def _delete(
        self, topics: Mapping[TopicToDelete, Topic]
    ) -> dict[TopicToDelete, DeletedTopic]:
        """Delete topics; return those that could not be."""
        failed, wanted = {}, list(topics)
        for begin in range(0, len(wanted), _DELETED_AT_ONCE):
            # The first step of each, in which offsets go with it, is in one turn of the loop.
            part = wanted[begin : begin + _DELETED_AT_ONCE]
            deletions = [asyncio.ensure_future(self._topics.delete(topics[each])) for each in part]
            for each, deletion in zip(part, deletions, strict=True):
                try:
                    await deletion
                except StorageError as error:
                    failed[each] = _not_deleted(topics[each], error)
        return failed

    def _to_delete(
        self, wanted: TopicToDelete, names: Counter[str | None], ids: Counter[UUID]
    ) -> Topic | DeletedTopic:
        by_id = wanted.topic_id != ZERO_UUID
        if wanted.name is not None and by_id:
            return _refused(wanted, "give the topic's name or its id, not both")
        if wanted.name is None and not by_id:
            return _refused(wanted, "give the topic's name or its id")
        if (ids[wanted.topic_id] if by_id else names[wanted.name]) > 1:
            return _refused(wanted, _DUPLICATE_NAME)
        if by_id:
            topic, unknown = self._topics.by_id(wanted.topic_id), ErrorCode.UNKNOWN_TOPIC_ID
        else:
            topic = self._topics.get(wanted.name or "")
            unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if topic is None:
            return DeletedTopic(
                name=wanted.name,
                topic_id=wanted.topic_id,
                error_code=unknown,
                error_message=unknown.text,
            )
        return topic

    async def create_partitions(
        self,
        wanted: Sequence[NewPartitions],
        *,
        validate_only: bool = False,
        charge: Charge = _free,
    ) -> list[TopicResult]:
        """Add partitions to topics.

        Args:
            wanted: the topics and how many partitions they are to have altogether.
            validate_only: check everything and change nothing.
            charge: told how many each topic gets that nothing else speaks against.
        """
        times = Counter(topic.name for topic in wanted)
        results = [
            TopicResult(
                name=name, error_code=ErrorCode.INVALID_REQUEST, error_message=_DUPLICATE_NAME
            )
            for name, count in times.items()
            if count > 1
        ]
        async for new_partitions in in_turns(wanted):
            if times[new_partitions.name] > 1:
                continue
            try:
                topic = self._growable(new_partitions)
                charge(new_partitions.count - len(topic.partitions))
                if not validate_only:
                    added = new_partitions.assignments or ()
                    placing = partial(self._nodes.place_added, topic, added) if added else None
                    await self._topics.add_partitions(topic, new_partitions.count, placing)
                results.append(TopicResult(name=new_partitions.name))
            except (BrokerError, StorageError) as error:
                name = new_partitions.name
                code, message = refusal(f"the growth of topic {name}", error)
                results.append(TopicResult(name=name, error_code=code, error_message=message))
        return results

    def _growable(self, wanted: NewPartitions) -> Topic:
        topic = self._topics.get(wanted.name)
        if topic is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        current = len(topic.partitions)
        if wanted.count <= current:
            raise BrokerError(
                ErrorCode.INVALID_PARTITIONS,
                f"the topic {wanted.name} has {counted(current, 'partition')} already; "
                f"{wanted.count} would be no increase",
            )
        additional = wanted.count - current
        if additional > MAX_NEW_PARTITIONS:
            raise BrokerError(
                ErrorCode.POLICY_VIOLATION,
                f"the request asks for {additional} more; {MAX_NEW_PARTITIONS} are allowed",
            )
        if wanted.assignments is not None:
            if len(wanted.assignments) != additional:
                raise BrokerError(
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    "replicas are assigned for "
                    f"{counted(len(wanted.assignments), 'partition')}, and {additional} are wanted",
                )
            factor = len(self._nodes.replicas(topic, 0))
            for broker_ids in wanted.assignments:
                check_replicas(broker_ids, factor, self._nodes.ids)
        return topic

    async def delete_records(self, topic_partition: TopicPartition, before_offset: int) -> int:
        """Delete a partition's records from its start and return the low watermark.

        Args:
            topic_partition: the partition.
            before_offset: the first offset that stays; -1 stands for the high watermark.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE,
                INVALID_TOPIC_EXCEPTION when the topic is internal, or POLICY_VIOLATION when its
                cleanup.policy is to keep the newest record of each key.
            StorageError: it could not be stored.
        """
        topic = self._topics.get(topic_partition.topic)
        log = None if topic is None else topic.partition(topic_partition.partition)
        if topic is None or log is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if is_internal(topic_partition.topic):
            raise BrokerError(
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                f"the records of {topic_partition} stay: the topic is internal",
            )
        if topic.config.compact and not topic.config.delete:
            raise BrokerError(
                ErrorCode.POLICY_VIOLATION,
                f"the records of {topic_partition} stay: its cleanup.policy is compact",
            )
        first = log.log_start_offset
        low_watermark = await log.delete_records(before_offset)
        if first < low_watermark:
            offsets, why = (first, low_watermark - 1), "a client has asked for it"
            self._topics.note("records deleted", topic_partition, offsets, detail=why)
        logger.info(
            "the records of %s before offset %d are deleted, as a client has asked",
            topic_partition,
            low_watermark,
        )
        return low_watermark

    async def auto_create(self, name: str, *, allowed: bool) -> Topic:
        """Return a topic that a client has asked for, created if need be and allowed.

        Args:
            name: the topic's name.
            allowed: whether the client's request allows it.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION when it is not allowed or
                auto.create.topics.enable is off, INVALID_TOPIC_EXCEPTION or POLICY_VIOLATION.
            StorageError: the topic could not be stored.
        """
        if existing := self._topics.get(name):
            return existing
        topic, stored = self.begin_auto_create(name, allowed=allowed)
        await stored
        return topic

    def begin_auto_create(self, name: str, *, allowed: bool) -> tuple[Topic, asyncio.Future[None]]:
        """Create a topic as :meth:`auto_create` does; return it, and a future of its storing."""
        if problem := topic_name_problem(name):
            raise BrokerError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
        if not allowed or not self._config.get_bool("auto.create.topics.enable"):
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name}")
        self._check_name(name, self._topics.colliding(name))
        partitions, configs = auto_created(name, self._config, len(self._nodes.ids))
        if problem := self._too_many([NewTopic(name=name, partitions=partitions)]):
            raise BrokerError(ErrorCode.POLICY_VIOLATION, problem)
        return self._topics.begin_create(name, partitions, configs)

    async def create_internal(self, name: str) -> Topic:
        """Create an internal topic, whatever auto.create.topics.enable says.

        Args:
            name: ``__consumer_offsets``, ``__transaction_state`` or ``__share_group_state``.

        Raises:
            StorageError: the topic could not be stored.
        """
        partitions, configs = auto_created(name, self._config, len(self._nodes.ids))
        return await self._topics.create(name, partitions, configs)


def _not_created(name: str, error: FakebusError) -> CreatedTopic:
    code, message = refusal(f"the creation of topic {name}", error)
    return CreatedTopic(name=name, error_code=code, error_message=message)


def _not_deleted(topic: Topic, error: FakebusError) -> DeletedTopic:
    code, message = refusal(f"the deletion of topic {topic.name}", error)
    return DeletedTopic(
        name=topic.name, topic_id=topic.topic_id, error_code=code, error_message=message
    )


def _refused(wanted: TopicToDelete, message: str, topic: Topic | None = None) -> DeletedTopic:
    return DeletedTopic(
        name=wanted.name,
        topic_id=wanted.topic_id if topic is None or wanted.name is None else topic.topic_id,
        error_code=ErrorCode.INVALID_REQUEST,
        error_message=message,
    )
