"""What ShareFetch and ShareAcknowledge have in common: members, partitions, acknowledgements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar
from uuid import UUID

from fakebus.broker.groups.share.group import LONGEST_MEMBER_ID
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.share_delivery.partition import AcknowledgedRange, Acknowledgement
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext
from fakebus.protocol.messages import (
    LeaderIdAndEpoch,
    ShareAcknowledgeRequest,
    ShareFetchRequest,
)
from fakebus.types import TopicIdPartition

_Row = TypeVar("_Row")


class Acknowledged(NamedTuple):
    """Outcome of the acknowledgements of a partition."""

    error: ErrorCode
    message: str | None
    leader: LeaderIdAndEpoch | None
    """Where the partition is led, if not here."""


class ShareRequest(NamedTuple):
    """Member that a request comes from, and what it acknowledges."""

    group_id: str
    member_id: str
    ranges: Mapping[TopicIdPartition, list[AcknowledgedRange]]
    renews: bool

    @classmethod
    def of(
        cls, request: ShareFetchRequest | ShareAcknowledgeRequest, context: RequestContext
    ) -> ShareRequest:
        """Return what a request of either kind says."""
        ranges = {
            TopicIdPartition(topic.topic_id, partition.partition_index): [
                AcknowledgedRange(batch.first_offset, batch.last_offset, batch.acknowledge_types)
                for batch in partition.acknowledgement_batches
            ]
            for topic in request.topics
            for partition in topic.partitions
            if partition.acknowledgement_batches
        }
        member_id = request.member_id or ""
        return cls(request.group_id or "", member_id, ranges, request.is_renew_ack)


def check_member(request: ShareFetchRequest | ShareAcknowledgeRequest) -> None:
    """Accept a request that says who sends it.

    Raises:
        BrokerError: INVALID_REQUEST.
    """
    if request.group_id is None or not request.member_id:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "a share consumer has a group and a member id")
    if len(request.member_id) > LONGEST_MEMBER_ID:
        raise BrokerError(
            ErrorCode.INVALID_REQUEST,
            f"a share consumer's member id has at most {LONGEST_MEMBER_ID} characters",
        )


def find(
    place: TopicIdPartition, context: RequestContext
) -> tuple[ErrorCode, PartitionLog | None, LeaderIdAndEpoch | None]:
    """Return a partition's log; or why it is not read here, and who leads it if another does."""
    topic = context.broker.topics.by_id(place.topic_id)
    if topic is None:
        return ErrorCode.UNKNOWN_TOPIC_ID, None, None
    if not context.allows(Operation.READ, ResourceType.TOPIC, topic.name):
        return ErrorCode.TOPIC_AUTHORIZATION_FAILED, None, None
    log = topic.partition(place.partition)
    if log is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None, None
    if not context.leads(log):
        leader = context.broker.nodes.leader(log)
        there = LeaderIdAndEpoch(leader_id=leader, leader_epoch=log.leader_epoch)
        return ErrorCode.NOT_LEADER_OR_FOLLOWER, None, there
    return ErrorCode.NONE, log, None


async def acknowledge(
    wanted: ShareRequest, context: RequestContext
) -> dict[TopicIdPartition, Acknowledged]:
    """Take in what a member acknowledges, and return what becomes of it when it is stored."""
    shares, outcomes, writes = context.broker.shares, {}, {}
    for place, ranges in wanted.ranges.items():
        error, log, leader = find(place, context)
        outcomes[place] = Acknowledged(error, None, leader)
        if log is None:
            continue
        try:
            _check(ranges, renews=wanted.renews)
            delivery = await shares.open(wanted.group_id, place, log)
            writes[place] = shares.acknowledge(delivery, wanted.member_id, ranges, context.origin)
        except BrokerError as refusal:
            outcomes[place] = Acknowledged(refusal.error_code, refusal.message, None)
    for place, stored in writes.items():
        try:
            await stored
        except StorageError as failure:
            error = ErrorCode.COORDINATOR_NOT_AVAILABLE
            outcomes[place] = Acknowledged(error, str(failure), None)
    return outcomes


def _check(ranges: Iterable[AcknowledgedRange], *, renews: bool) -> None:
    """Accept ranges that follow on each other and say something of each of their offsets.

    Raises:
        BrokerError: INVALID_REQUEST.
    """
    most = Acknowledgement.RENEW if renews else Acknowledgement.REJECT
    end = 0
    for first, last, types in ranges:
        if (
            not end <= first <= last
            or len(types) not in (1, last - first + 1)
            or not all(Acknowledgement.GAP <= each <= most for each in types)
        ):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                f"offsets {first} to {last} are not acknowledged in order, one by one or all "
                f"alike, by a number from {Acknowledgement.GAP:d} to {most:d}",
            )
        end = last + 1


def by_topic(rows: Mapping[TopicIdPartition, _Row]) -> dict[UUID, list[_Row]]:
    """Return the rows of an answer by their topics."""
    found: dict[UUID, list[_Row]] = {}
    for place, row in rows.items():
        found.setdefault(place.topic_id, []).append(row)
    return found
