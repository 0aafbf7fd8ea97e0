"""Who is let into a consumer group, and what is wrong with the heartbeats of those who are not."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.member import AWAY_EPOCH, ConsumerMember
from fakebus.broker.groups.coordinated import fenced_member, unknown_member
from fakebus.broker.groups.requests import ConsumerHeartbeat
from fakebus.errors import BrokerError, ErrorCode

JOINS, LEAVES = 0, -1
"""Member epochs of clients that come and go."""
_LONGEST_TOPIC_NAME = 249


def check_request(request: ConsumerHeartbeat, assignors: Sequence[str]) -> None:
    """Accept what may be asked of any group.

    Raises:
        BrokerError: INVALID_REQUEST or UNSUPPORTED_ASSIGNOR.
    """
    epoch = request.member_epoch
    needs_member_id = request.brings_member_id or epoch > JOINS or epoch == LEAVES
    for name, text, is_needed in (
        ("MemberId", request.member_id, needs_member_id),
        ("GroupId", request.group_id, True),
        ("InstanceId", request.instance_id, request.instance_id is not None),
        ("RackId", request.rack_id, request.rack_id is not None),
    ):
        if is_needed and not (text and text.strip()):
            raise BrokerError(ErrorCode.INVALID_REQUEST, f"{name} can't be empty.")
    if epoch == JOINS:
        _check_join(request)
    elif epoch == AWAY_EPOCH and request.instance_id is None:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "InstanceId can't be null.")
    elif epoch < AWAY_EPOCH:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "MemberEpoch is invalid.")
    if request.assignor is not None and request.assignor not in assignors:
        raise BrokerError(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.assignor} is not supported. "
            f"Supported assignors: {', '.join(assignors)}.",
        )


def _check_join(request: ConsumerHeartbeat) -> None:
    problem = ""
    if request.rebalance_timeout_ms == -1:
        problem = "RebalanceTimeoutMs must be provided in first request."
    elif request.owned is None or request.owned:
        problem = "TopicPartitions must be empty when (re-)joining."
    elif request.topics is None and request.regex is None:
        problem = (
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null "
            "when (re-)joining."
        )
    if problem:
        raise BrokerError(ErrorCode.INVALID_REQUEST, problem)


def find_member(group: ConsumerGroup, request: ConsumerHeartbeat) -> ConsumerMember | None:
    """Return the member whom a client is, or whose place it takes; ``None`` for a new one.

    Raises:
        BrokerError: it is not let in.
    """
    joins = request.member_epoch == JOINS
    if request.instance_id is None:
        member = group.members.get(request.member_id)
        if member is None and not joins:
            raise unknown_member(group.group_id, request.member_id)
    else:
        known = group.static_members.get(request.instance_id)
        member = None if known is None else group.members[known]
        in_use = member is not None and member.classic is None and member.epoch != AWAY_EPOCH
        if joins and member is not None and in_use:
            raise BrokerError(
                ErrorCode.UNRELEASED_INSTANCE_ID,
                f"Static member {request.member_id} with instance id {request.instance_id} "
                "cannot join the group because the instance id is owned by "
                f"{member.member_id} member.",
            )
        if not joins:
            member = static_member(group, request)
        elif known is None:
            # Who is a member already becomes a static one.
            member = group.members.get(request.member_id)
    if member is not None and not joins:
        _check_epoch(member, request)
    return member


def static_member(group: ConsumerGroup, request: ConsumerHeartbeat) -> ConsumerMember:
    """Return the static member that a client says to be.

    Raises:
        BrokerError: UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID if another one is it now.
    """
    known = group.static_members.get(request.instance_id or "")
    if known is None:
        raise BrokerError(
            ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {request.instance_id} is unknown."
        )
    if known != request.member_id:
        raise BrokerError(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {request.member_id} with instance id {request.instance_id} "
            f"was fenced by member {known}.",
        )
    return group.members[known]


def check_regex(group: ConsumerGroup, request: ConsumerHeartbeat) -> None:
    """Accept a regular expression of RE2.

    Raises:
        BrokerError: INVALID_REGULAR_EXPRESSION.
    """
    regex = request.regex
    if not regex or any(member.regex == regex for member in group.members.values()):
        return
    # Few buses need what it loads.
    from fakebus.schemas.json_schema.patterns import is_linear

    if not is_linear(regex, _LONGEST_TOPIC_NAME):
        raise BrokerError(
            ErrorCode.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex `{regex}` is not a valid regular expression.",
        )


def _check_epoch(member: ConsumerMember, request: ConsumerHeartbeat) -> None:
    # The answer with the newer epoch may have been lost.
    repeats = (
        request.member_epoch == member.previous_epoch
        and request.owned is not None
        and request.owned <= member.assigned.keys()
    )
    if request.member_epoch > member.epoch or not (repeats or request.member_epoch == member.epoch):
        raise fenced_member("consumer", request.member_epoch, member)
