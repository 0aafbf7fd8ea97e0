"""What the APIs have in common that are about groups of one type."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Protocol

from fakebus.broker.broker import Broker
from fakebus.broker.groups.group import GroupDescription, MemberDescription
from fakebus.broker.groups.requests import HeartbeatResult
from fakebus.broker.groups.streams.topology import TaskId
from fakebus.broker.nodes import KEPT_IN
from fakebus.broker.security.resources import NOT_ASKED, ResourceType
from fakebus.broker.topic_names import SHARE_GROUP_STATE
from fakebus.broker.topics import Topic
from fakebus.broker.turns import in_turns
from fakebus.errors import ErrorCode, FakebusError
from fakebus.kafka.api import RequestContext
from fakebus.protocol.messages import TaskIds
from fakebus.types import TopicPartition


def watch(context: RequestContext) -> None:
    """Let groups hear of the end of a client's connection, if they want to."""
    connections = context.broker.group_coordinator.connections
    if connections.watch(connection := context.connection):
        # Another node may coordinate a group by then, where its members go on.
        is_here = partial(context.coordinates, KEPT_IN["GROUP"])
        connection.on_close.append(partial(connections.closed, connection, is_here))


def note_heartbeat(context: RequestContext, group_id: str, result: HeartbeatResult) -> None:
    """Note what a member has said that it reads, and what it was told to read, if it was let in."""
    broker, member = context.broker, result.member_id or ""
    if result.topics is not None:
        detail = ", ".join(sorted(result.topics))
        broker.activity.note("joined", context.origin, group=group_id, detail=detail, member=member)
    if result.assignment is not None:
        places = broker.topics.named(result.assignment)
        broker.activity.note_assignment(context.origin, group_id, member, places)


class Described(NamedTuple):
    """A group that a client has asked for, or why it is not told of it."""

    group_id: str
    group: GroupDescription | None
    error: ErrorCode = ErrorCode.NONE
    message: str | None = None
    operations: int = NOT_ASKED
    """What the client may do with it, if it has asked for that."""


class DescribeRequest(Protocol):
    """Request for groups of one type."""

    group_ids: list[str]
    include_authorized_operations: bool


async def describe_all(
    request: DescribeRequest, group_type: str, context: RequestContext
) -> AsyncIterator[Described]:
    """Yield groups of one type by their names; one that is named twice is told once.

    An empty name comes before all others, as in Kafka.
    """
    # A group may be some megabytes.
    async for name in in_turns(sorted(dict.fromkeys(request.group_ids), key=bool)):
        found = _describe(name, group_type, context)
        if found.group is not None and request.include_authorized_operations:
            found = found._replace(operations=context.operations(ResourceType.GROUP, name))
        yield found


def _describe(group_id: str, group_type: str, context: RequestContext) -> Described:
    if not group_id:
        return Described("", None, ErrorCode.INVALID_GROUP_ID)
    context.broker.group_coordinator.history.reached(group_id)
    group = context.broker.group_coordinator.describe(group_id)
    if group is None or group.group_type != group_type:
        problem = "not found" if group is None else f"is not a {group_type} group"
        message = f"Group {group_id} {problem}."
        return Described(group_id, None, ErrorCode.GROUP_ID_NOT_FOUND, message)
    if not all(context.sees(ResourceType.TOPIC, name) for name in sorted(_topics(group.members))):
        message = "its members read topics that the client may not describe"
        return Described(group_id, None, ErrorCode.TOPIC_AUTHORIZATION_FAILED, message)
    return Described(group_id, group)


def _topics(members: Iterable[MemberDescription]) -> set[str]:
    """Return the topics that an answer about members names."""
    found: set[str] = set()
    for member in members:
        if member.modern is not None:
            found |= member.modern.topics
            found.update(place.topic for place in (*member.modern.owned, *member.modern.target))
    return found


def partitions_by_topic(
    places: Iterable[TopicPartition], context: RequestContext
) -> Mapping[Topic, list[int]]:
    """Return partitions by topic, of those topics that are there."""
    found: dict[Topic, list[int]] = {}
    for name, partition in places:
        topic = context.broker.topics.get(name)
        if topic is not None:
            found.setdefault(topic, []).append(partition)
    return found


def task_ids(tasks: Iterable[TaskId]) -> list[TaskIds]:
    """Return tasks as they are on the wire, by subtopology."""
    found: dict[str, list[int]] = {}
    for name, partition in sorted(tasks):
        found.setdefault(name, []).append(partition)
    return [TaskIds(subtopology_id=name, partitions=numbers) for name, numbers in found.items()]


async def show_share_state(broker: Broker) -> None:
    """Let the internal topic of share groups be there, as in Kafka from their first partition on.

    Nothing is kept in it, so a group does without where it could not be stored.
    """
    with suppress(FakebusError):
        await broker.ensure_internal_topic(SHARE_GROUP_STATE)
