"""What consumers put into JoinGroup and SyncGroup: subscriptions and assignments.

The coordinator passes these bytes on and reads no more of them than the topics. They are an int16
version and a message of that version, as Kafka's ``ConsumerProtocol`` writes them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fakebus.protocol.compiler import message_decoder, message_encoder
from fakebus.protocol.errors import DecodeError
from fakebus.protocol.schema import schemas_without_api
from fakebus.types import Buffer, TopicPartition

if TYPE_CHECKING:
    from fakebus.protocol.messages import ConsumerProtocolAssignment, ConsumerProtocolSubscription

CONSUMER_PROTOCOL_TYPE = "consumer"
"""The ``protocol_type`` of the groups whose members speak this protocol."""

_VERSION = struct.Struct(">h")


def subscribed_topics(data: Buffer) -> list[str]:
    """Return the topics of a subscription of any version, by what all of them begin with.

    Kafka's coordinator reads no more of it either (``ClassicGroup.computeSubscribedTopics``), so
    that nothing a newer client adds can keep the topics from being known.

    Raises:
        DecodeError: the bytes are no subscription.
    """
    topics: list[str] = _decode("ConsumerProtocolSubscription", data, newest=0).topics
    return topics


def decode_subscription(data: Buffer) -> ConsumerProtocolSubscription:
    """Return what a consumer joins with; a newer version is read as our newest.

    Raises:
        DecodeError: the bytes are no subscription.
    """
    subscription: ConsumerProtocolSubscription = _decode("ConsumerProtocolSubscription", data)
    return subscription


def encode_assignment(places: Iterable[TopicPartition], version: int) -> bytes:
    """Return partitions as a group's leader sends them to a member.

    Args:
        places: the partitions.
        version: the version of the subscription that the member has sent.
    """
    from fakebus.protocol.messages import (
        ConsumerProtocolAssignment,
        ConsumerProtocolTopicPartition,
    )

    by_topic: dict[str, list[int]] = {}
    for topic, partition in places:
        by_topic.setdefault(topic, []).append(partition)
    schema = schemas_without_api()["ConsumerProtocolAssignment"]
    version = min(version, schema.versions.max)
    rows = [ConsumerProtocolTopicPartition(topic=t, partitions=p) for t, p in by_topic.items()]
    parts = message_encoder(schema, version)(ConsumerProtocolAssignment(assigned_partitions=rows))
    return _VERSION.pack(version) + b"".join(parts)


def version_of(data: Buffer) -> int:
    """Return the version of a subscription or an assignment that can be read."""
    version: int = _VERSION.unpack_from(data)[0]
    return version


def decode_assignment(data: Buffer) -> ConsumerProtocolAssignment:
    """Return what a group's leader sent as a member's assignment.

    A version newer than ours is read as our newest: fields are only ever added at the end.

    Raises:
        DecodeError: the bytes are no assignment; empty ones, which members get that have
            none, are not either.
    """
    assignment: ConsumerProtocolAssignment = _decode("ConsumerProtocolAssignment", data)
    return assignment


def assigned_partitions(data: Buffer) -> list[TopicPartition]:
    """Return the partitions of an assignment; none if the bytes are none, or empty."""
    try:
        assignment = decode_assignment(data)
    except DecodeError:
        return []
    return [
        TopicPartition(topic.topic, partition)
        for topic in assignment.assigned_partitions
        for partition in topic.partitions
    ]


def _decode(name: str, data: Buffer, newest: int | None = None) -> Any:
    schema = schemas_without_api()[name]
    try:
        (version,) = _VERSION.unpack_from(data)
    except struct.error:
        raise DecodeError(0, f"{len(data)} bytes are too few for a {name}") from None
    if version < schema.versions.min:
        raise DecodeError(0, f"{name} has no version {version}")
    decode = message_decoder(
        schema, min(version, schema.versions.max if newest is None else newest)
    )
    return decode(memoryview(data), _VERSION.size)
