"""What a cluster knows of a consumer group: members, assignments, committed offsets, lag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fakebus.cli.client import REQUEST_TIMEOUT_S, ClientError, Connection, nearest
from fakebus.cli.offsets import LogRange, log_ranges
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        ConsumerGroupDescription,
        ConsumerGroupListing,
    )

EMPTY = "empty"
REBALANCING = ("preparing_rebalancing", "completing_rebalancing", "assigning", "reconciling")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """One consumer of a group."""

    member_id: str
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]
    """What the group has assigned to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPartition:
    """How far a group is in one partition."""

    topic_partition: TopicPartition
    committed: int | None
    """The next offset to be read; ``None`` if nothing was committed."""
    log: LogRange | None
    """``None`` if the topic is gone."""
    member: GroupMember | None
    """Who reads the partition."""

    @property
    def lag(self) -> int | None:
        """How many offsets are still to be read; ``None`` if nothing was committed."""
        if self.committed is None or self.log is None:
            return None
        return max(self.log.end - max(self.committed, self.log.start), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDetails:
    """A group at one moment."""

    name: str
    state: str
    """In lower case: stable, empty, preparing_rebalancing and so on."""
    kind: str
    """``classic`` or ``consumer``."""
    assignor: str
    members: tuple[GroupMember, ...]
    partitions: tuple[GroupPartition, ...]
    """Those that are assigned or have a committed offset, in order."""


def list_groups(connection: Connection) -> list[ConsumerGroupListing]:
    """Return all consumer groups by name; ClientError if the cluster does not tell."""
    future = connection.admin.list_consumer_groups(request_timeout=REQUEST_TIMEOUT_S)
    listed = connection.result(future, "the groups cannot be listed")
    if listed.errors:
        raise ClientError(f"the groups cannot be listed: {listed.errors[0]}")
    found: list[ConsumerGroupListing] = sorted(
        listed.valid or [], key=lambda group: str(group.group_id)
    )
    return found


def unknown_group(connection: Connection, name: str) -> ClientError:
    """Return the error for a group that does not exist; it names the nearest ones."""
    names = [group.group_id for group in list_groups(connection)]
    return ClientError(f"there is no group {name!r}; {nearest(name, names)}")


def describe_members(connection: Connection, name: str) -> ConsumerGroupDescription | None:
    """Return state and members of a group, or ``None`` if there is no such group."""
    from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException

    futures = connection.admin.describe_consumer_groups([name], request_timeout=REQUEST_TIMEOUT_S)
    future = futures[name]
    try:
        description = future.result(REQUEST_TIMEOUT_S + 1)
    except KafkaException as error:
        # Kafka 4 says so; before, a group that is not there was told to be dead.
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return None
        connection.result(future, f"group {name!r}")
        raise
    return None if description.state is ConsumerGroupState.DEAD else description


def committed_offsets(connection: Connection, name: str) -> dict[TopicPartition, int]:
    """Return every offset that a group has committed."""
    from confluent_kafka import ConsumerGroupTopicPartitions

    futures = connection.admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(name)], request_timeout=REQUEST_TIMEOUT_S
    )
    answer = connection.result(futures[name], f"the offsets of group {name!r}")
    return {
        TopicPartition(found.topic, found.partition): found.offset
        for found in answer.topic_partitions or ()
        if found.offset >= 0
    }


def group_details(connection: Connection, name: str) -> GroupDetails | None:
    """Return all about a group, or ``None`` if there is no such group.

    Raises:
        ClientError: the cluster does not tell.
    """
    description = describe_members(connection, name)
    if description is None:
        return None
    members = tuple(
        GroupMember(
            member_id=member.member_id,
            client_id=member.client_id,
            host=member.host,
            partitions=tuple(
                TopicPartition(found.topic, found.partition)
                for found in member.assignment.topic_partitions
            ),
        )
        for member in description.members
    )
    return GroupDetails(
        name=name,
        state=description.state.name.lower(),
        kind=description.type.name.lower(),
        assignor=description.partition_assignor or "",
        members=members,
        partitions=_partitions(connection, members, committed_offsets(connection, name)),
    )


def _partitions(
    connection: Connection,
    members: tuple[GroupMember, ...],
    committed: Mapping[TopicPartition, int],
) -> tuple[GroupPartition, ...]:
    owners = {partition: member for member in members for partition in member.partitions}
    wanted = sorted({*owners, *committed})
    topics = connection.metadata.topics
    there = [
        partition
        for partition in wanted
        if partition.topic in topics and partition.partition in topics[partition.topic].partitions
    ]
    logs = log_ranges(connection, there)
    return tuple(
        GroupPartition(
            topic_partition=partition,
            committed=committed.get(partition),
            log=logs.get(partition),
            member=owners.get(partition),
        )
        for partition in wanted
    )
