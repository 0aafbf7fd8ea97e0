"""What a cluster knows of a consumer group: members, assignments, committed offsets, lag."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from fakebus.client.connection import REQUEST_TIMEOUT_S, ClientError, Connection, NotFoundError
from fakebus.client.offsets import LogRange, log_ranges
from fakebus.real_time import monotonic
from fakebus.types import TopicPartition
from fakebus.wording import nearest

if TYPE_CHECKING:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        ConsumerGroupDescription,
        ConsumerGroupListing,
    )

EMPTY = "empty"
_LOOK_AGAIN_S = 0.05
REBALANCING = ("preparing_rebalancing", "completing_rebalancing", "assigning", "reconciling")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """Consumer of a group."""

    member_id: str
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]
    """What the group has assigned to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPartition:
    """Progress of a group in one partition."""

    topic_partition: TopicPartition
    committed: int | None
    """The next offset to be read; ``None`` if nothing was committed."""
    log: LogRange | None
    """``None`` if the topic is gone."""
    member: GroupMember | None
    """Who reads the partition."""
    finished: int = 0
    """Records behind the committed offset that a share group is done with."""

    @property
    def lag(self) -> int | None:
        """How many offsets are still to be read; ``None`` if nothing was committed."""
        if self.committed is None or self.log is None:
            return None
        return max(self.log.end - max(self.committed, self.log.start) - self.finished, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDetails:
    """Group at one moment."""

    name: str
    state: str
    """In lower case: stable, empty, preparing_rebalancing and so on."""
    kind: str
    """``classic`` or ``consumer``; of a bus also ``share`` or ``streams``."""
    assignor: str
    members: tuple[GroupMember, ...]
    partitions: tuple[GroupPartition, ...]
    """Those that are assigned or have a committed offset, in order."""

    def told(self) -> dict[str, Any]:
        """Return it as ``fakebus groups NAME --json`` prints it."""
        return {
            "group": self.name,
            "state": self.state,
            "type": self.kind,
            "assignor": self.assignor,
            "members": [asdict(member) for member in self.members],
            "partitions": [
                {
                    **each.topic_partition._asdict(),
                    "committed": each.committed,
                    "end": each.log.end if each.log else None,
                    "lag": each.lag,
                    "member_id": each.member.member_id if each.member else None,
                }
                for each in self.partitions
            ],
        }


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


def other_groups(connection: Connection, known: Collection[str]) -> list[str]:
    """Return the names of groups that are neither classic nor consumer groups.

    Args:
        connection: the cluster.
        known: the names of the groups that are.
    """
    with warnings.catch_warnings():
        # What the client library offers instead leaves such groups out.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = connection.admin.list_groups(timeout=REQUEST_TIMEOUT_S)
    return sorted({str(group.id) for group in found} - set(known))


def unknown_group(connection: Connection, name: str) -> NotFoundError:
    """Return the error for a group that does not exist; it names the nearest ones."""
    names = [group.group_id for group in list_groups(connection)]
    if name in other_groups(connection, names):
        return NotFoundError(
            f"group {name!r} is a share or streams group, which the client library cannot "
            "describe, and this cluster is no fakebus that serves HTTP; Kafka's own tools can: "
            f"kafka-groups.sh --list, kafka-share-groups.sh or kafka-streams-groups.sh --describe "
            f"--group {quote(name)}"
        )
    return NotFoundError(f"there is no group {name!r}; {nearest(name, names)}")


def describe_members(connection: Connection, name: str) -> ConsumerGroupDescription | None:
    """Return state and members of a group, or ``None`` if there is no such group."""
    from confluent_kafka import ConsumerGroupState, KafkaError

    # A cluster that has had no groups before needs a moment.
    starting = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR)
    deadline = monotonic() + REQUEST_TIMEOUT_S
    while True:
        futures = connection.admin.describe_consumer_groups(
            [name], request_timeout=REQUEST_TIMEOUT_S
        )
        try:
            description = connection.result(futures[name], f"group {name!r}")
        except ClientError as error:
            # Kafka 4 says so; before, a group that is not there was told to be dead.
            # A group without a name may have offsets, and cannot be described.
            if error.code in (KafkaError.GROUP_ID_NOT_FOUND, KafkaError.INVALID_GROUP_ID):
                return None
            if error.code not in starting or monotonic() > deadline:
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
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


def set_offsets(connection: Connection, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit offsets for a group without members; creates the group if there is none.

    Raises:
        ClientError: the cluster refuses, or the client library has no room for an offset or takes
            no such group.
    """
    from confluent_kafka import ConsumerGroupTopicPartitions
    from confluent_kafka import TopicPartition as ClientPartition

    if not offsets:
        return
    problem = f"the offsets of {group!r} are not moved"
    try:
        asked = [ClientPartition(*partition, offset) for partition, offset in offsets.items()]
        futures = connection.admin.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, asked)], request_timeout=REQUEST_TIMEOUT_S
        )
    except (ValueError, OverflowError) as error:
        raise ClientError(f"{problem}: {error}") from None
    answer = connection.result(futures[group], problem)
    for found in answer.topic_partitions or ():
        if found.error is not None:
            raise ClientError(
                f"{found.topic}-{found.partition}: {found.error.str()}", found.error.code()
            )


def delete_group(connection: Connection, name: str) -> None:
    """Delete a group and what it has committed.

    Raises:
        ClientError: there is no such group, or it has members.
    """
    from confluent_kafka import KafkaError

    futures = connection.admin.delete_consumer_groups([name], request_timeout=REQUEST_TIMEOUT_S)
    try:
        connection.result(futures[name], f"group {name!r} is not deleted")
    except ClientError as error:
        if error.code == KafkaError.GROUP_ID_NOT_FOUND:
            raise unknown_group(connection, name) from None
        if error.code == KafkaError.NON_EMPTY_GROUP:
            raise group_in_use(name, "it can be deleted") from None
        raise


def group_in_use(name: str, then: str) -> ClientError:
    """Return the error for a group that has members.

    Args:
        name: the group.
        then: what is possible when they have gone.
    """
    return ClientError(
        f"group {name!r} has running consumers; stop them, and {then} "
        f"(see  fakebus groups {quote(name)})"
    )
