"""LeaveGroup: members go by themselves or are sent away by an administrator."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.broker.groups.classic_group import ClassicGroup
from fakebus.broker.groups.exchange import UNKNOWN_MEMBER_ID, LeavingMember
from fakebus.broker.groups.rebalance import Rebalancer
from fakebus.errors import ErrorCode


def leave(
    group: ClassicGroup, leaving: Sequence[LeavingMember], rebalancer: Rebalancer
) -> list[ErrorCode]:
    """Remove members, then rebalance once.

    Args:
        group: the group.
        leaving: who goes.
        rebalancer: drives the group.

    Returns:
        One error for each member.
    """
    errors = [_leave(group, member, rebalancer) for member in leaving]
    gone = [m.member_id for m, e in zip(leaving, errors, strict=True) if e is ErrorCode.NONE]
    if gone:
        rebalancer.members_changed(group, f"{', '.join(gone)} left")
    return errors


def _leave(group: ClassicGroup, leaving: LeavingMember, rebalancer: Rebalancer) -> ErrorCode:
    if leaving.member_id in group.pending_members:
        group.forget_pending(leaving.member_id)
        return ErrorCode.NONE
    member_id = leaving.member_id
    if member_id == UNKNOWN_MEMBER_ID:
        # An administrator knows the instance id only (KIP-345).
        member_id = group.static_members.get(leaving.group_instance_id or "", UNKNOWN_MEMBER_ID)
    error = group.check_member(member_id, leaving.group_instance_id)
    if error is ErrorCode.NONE:
        rebalancer.discard_member(group, group.members[member_id])
    return error
