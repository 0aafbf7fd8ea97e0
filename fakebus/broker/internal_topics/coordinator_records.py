"""Records by which Kafka keeps groups, offsets and transactional ids, for tools that read them.

Keys are a type and a message, values a version and a message. Versions are those that Kafka 4
writes, of which Burrow, kminion and Kafka's own formatters know all.

Source: Kafka's GroupCoordinatorRecordHelpers, CoordinatorRecordType and TransactionLog.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from fakebus.broker.groups.classic.group import ClassicGroup, GroupState
from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.member import ConsumerMember, MemberState
from fakebus.broker.groups.group import Group
from fakebus.broker.transactions.state import TransactionState, TransactionStatus
from fakebus.protocol import messages
from fakebus.protocol.compiler import message_encoder
from fakebus.protocol.schema import schemas_without_api
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicIdPartition, by_topic_id

Records = dict[bytes, bytes]
"""Values by key."""
_HEAD = struct.Struct(">h")
_NAME = struct.Struct(">hh")
_STATES = (MemberState.STABLE, MemberState.UNREVOKED, MemberState.UNRELEASED)
_STATUSES = tuple(TransactionStatus)


def _encoded(message: Any) -> bytes:
    """Return a message in its newest version, behind the number of that version."""
    schema = schemas_without_api()[type(message).__name__]
    version = schema.versions.max
    return _HEAD.pack(version) + b"".join(message_encoder(schema, version)(message))


def name_in(key: bytes) -> str:
    """Return the group or the transactional id that a key is about."""
    _, length = _NAME.unpack_from(key)
    return key[_NAME.size : _NAME.size + length].decode("utf-8", "surrogatepass")


def offset_records(group_id: str, rows: Iterable[OffsetRow]) -> Records:
    """Return the records of committed offsets."""
    return {
        _encoded(
            messages.OffsetCommitKey(group=group_id, topic=row.topic, partition=row.partition)
        ): _encoded(
            messages.OffsetCommitValue(
                offset=row.offset,
                leader_epoch=row.leader_epoch,
                metadata=row.metadata,
                commit_timestamp=row.commit_timestamp_ms,
            )
        )
        for row in rows
    }


def group_records(group: Group, before: Records) -> Records:
    """Return the records of a group and its members; none of a type that is kept elsewhere.

    Args:
        group: the group.
        before: what stands for it until now.
    """
    if isinstance(group, ConsumerGroup):
        return _consumer_records(group)
    return _classic_record(group, before) if isinstance(group, ClassicGroup) else {}


def _classic_record(group: ClassicGroup, before: Records) -> Records:
    if group.protocol_type is None:
        # Only offsets were committed: Kafka does not keep such a group either.
        return {}
    key = _encoded(messages.GroupMetadataKey(group=group.group_id))
    if group.state not in (GroupState.STABLE, GroupState.EMPTY):
        # A generation counts as soon as its members have their assignments.
        return {key: before[key]} if key in before else {}
    members = [
        messages.MemberMetadata(
            member_id=member.member_id,
            group_instance_id=member.group_instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            rebalance_timeout=member.rebalance_timeout_ms,
            session_timeout=member.session_timeout_ms,
            subscription=member.metadata(group.protocol_name),
            assignment=member.assignment,
        )
        for member in group.members.values()
    ]
    value = messages.GroupMetadataValue(
        protocol_type=group.protocol_type,
        generation=group.generation_id,
        protocol=group.protocol_name,
        leader=group.leader_id,
        current_state_timestamp=group.state_timestamp_ms,
        members=members,
    )
    return {key: _encoded(value)}


def _consumer_records(group: ConsumerGroup) -> Records:
    name = group.group_id
    epoch = messages.ConsumerGroupMetadataValue(epoch=group.epoch)
    target_epoch = messages.ConsumerGroupTargetAssignmentMetadataValue(
        assignment_epoch=group.assignment_epoch
    )
    found = {
        _encoded(key(group_id=name)): _encoded(value)
        for key, value in (
            (messages.ConsumerGroupMetadataKey, epoch),
            (messages.ConsumerGroupTargetAssignmentMetadataKey, target_epoch),
        )
    }
    for member_id, member in group.members.items():
        target = messages.ConsumerGroupTargetAssignmentMemberValue(
            topic_partitions=[
                messages.ConsumerGroupTargetAssignmentMemberValueTopicPartition(
                    topic_id=topic_id, partitions=partitions
                )
                for topic_id, partitions in by_topic_id(group.targets.get(member_id, ())).items()
            ]
        )
        found |= {
            _encoded(key(group_id=name, member_id=member_id)): _encoded(value)
            for key, value in (
                (messages.ConsumerGroupMemberMetadataKey, _member_metadata(member)),
                (messages.ConsumerGroupTargetAssignmentMemberKey, target),
                (messages.ConsumerGroupCurrentMemberAssignmentKey, _current_assignment(member)),
            )
        }
    return found


def _member_metadata(member: ConsumerMember) -> messages.ConsumerGroupMemberMetadataValue:
    classic = member.classic and messages.ClassicMemberMetadata(
        session_timeout_ms=member.classic.session_timeout_ms,
        supported_protocols=[
            messages.ClassicProtocol(name=name, metadata=data)
            for name, data in member.classic.protocols
        ],
    )
    return messages.ConsumerGroupMemberMetadataValue(
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topics),
        subscribed_topic_regex=member.regex,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        server_assignor=member.assignor,
        classic_member_metadata=classic,
    )


def _current_assignment(
    member: ConsumerMember,
) -> messages.ConsumerGroupCurrentMemberAssignmentValue:
    return messages.ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=member.epoch,
        previous_member_epoch=member.previous_epoch,
        state=_STATES.index(member.state),
        assigned_partitions=_places(member.assigned),
        partitions_pending_revocation=_places(member.revoking),
    )


def _places(
    places: Mapping[TopicIdPartition, int],
) -> list[messages.ConsumerGroupCurrentMemberAssignmentValueTopicPartitions]:
    return [
        messages.ConsumerGroupCurrentMemberAssignmentValueTopicPartitions(
            topic_id=topic_id, partitions=partitions
        )
        for topic_id, partitions in by_topic_id(places).items()
    ]


def transaction_records(state: TransactionState) -> Records:
    """Return the record of a transactional id."""
    partitions: dict[str, list[int]] = {}
    for topic, partition in sorted(state.partitions):
        partitions.setdefault(topic, []).append(partition)
    value = messages.TransactionLogValue(
        producer_id=state.producer_id,
        previous_producer_id=state.last_producer_id,
        producer_epoch=state.producer_epoch,
        transaction_timeout_ms=state.timeout_ms,
        transaction_status=_STATUSES.index(state.status),
        transaction_partitions=None
        if state.status is TransactionStatus.EMPTY
        else [
            messages.PartitionsSchema(topic=topic, partition_ids=ids)
            for topic, ids in partitions.items()
        ],
        transaction_last_update_timestamp_ms=state.updated_ms,
        transaction_start_timestamp_ms=state.start_ms,
        client_transaction_version=2 if state.bumps_epoch else 0,
    )
    key = messages.TransactionLogKey(transactional_id=state.transactional_id)
    return {_encoded(key): _encoded(value)}
