"""What consumers put into JoinGroup and SyncGroup: subscriptions and assignments.

The coordinator passes these bytes on and reads no more of them than the topics; tools that
describe a group read all. They are an int16 version and a message of that version, as Kafka's
``ConsumerProtocol`` writes them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from fakebus.protocol.compiler import message_decoder, message_encoder
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.protocol.schema import MessageSchema, consumer_protocol_schemas
from fakebus.types import Buffer, TopicPartition

if TYPE_CHECKING:
    from fakebus.protocol.messages import (
        ConsumerProtocolAssignment,
        ConsumerProtocolSubscription,
    )

CONSUMER_PROTOCOL_TYPE = "consumer"
"""The ``protocol_type`` of the groups whose members speak this protocol."""

_VERSION = struct.Struct(">h")


def decode_subscription(data: Buffer) -> ConsumerProtocolSubscription:
    """Return what a consumer sent as the metadata of a JoinGroup protocol.

    A version newer than ours is read as our newest: fields are only ever added at the end.

    Raises:
        DecodeError: the bytes are no subscription.
    """
    subscription: ConsumerProtocolSubscription = _decode("ConsumerProtocolSubscription", data)
    return subscription


def subscribed_topics(data: Buffer) -> list[str]:
    """Return the topics of a subscription of any version, by what all of them begin with.

    Kafka's coordinator reads no more of it either (``ClassicGroup.computeSubscribedTopics``), so
    that nothing a newer client adds can keep the topics from being known.

    Raises:
        DecodeError: the bytes are no subscription.
    """
    topics: list[str] = _decode("ConsumerProtocolSubscription", data, newest=0).topics
    return topics


def decode_assignment(data: Buffer) -> ConsumerProtocolAssignment:
    """Return what a group's leader sent as a member's assignment.

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


def encode_subscription(subscription: ConsumerProtocolSubscription, version: int = 3) -> bytes:
    """Return a subscription as consumers send it.

    Raises:
        EncodeError: there is no such version, or a value is missing or out of range.
    """
    return _encode("ConsumerProtocolSubscription", subscription, version)


def encode_assignment(assignment: ConsumerProtocolAssignment, version: int = 3) -> bytes:
    """Return an assignment as a group's leader sends it.

    Raises:
        EncodeError: there is no such version, or a value is missing or out of range.
    """
    return _encode("ConsumerProtocolAssignment", assignment, version)


def _schema(name: str) -> MessageSchema:
    return consumer_protocol_schemas()[name]


def _decode(name: str, data: Buffer, newest: int | None = None) -> Any:
    schema = _schema(name)
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


def _encode(name: str, message: object, version: int) -> bytes:
    schema = _schema(name)
    if version not in schema.versions:
        raise EncodeError(f"{name} has no version {version}")
    return b"".join([_VERSION.pack(version), *message_encoder(schema, version)(message)])
