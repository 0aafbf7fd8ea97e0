"""Groups as administrators see them."""

from __future__ import annotations

from dataclasses import dataclass

from fakebus.broker.groups.classic_group import ClassicGroup
from fakebus.broker.groups.member import GroupMember
from fakebus.broker.groups.states import GroupState

CLASSIC_TYPE = "classic"
"""The type of the groups whose members assign partitions among themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDescription:
    """A member of a group."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    """What it joined with for the group's protocol; empty unless the group is stable."""
    assignment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescription:
    """A group and its members."""

    group_id: str
    group_type: str
    state: str
    protocol_type: str
    protocol_name: str
    generation_id: int
    members: tuple[MemberDescription, ...]


def describe_group(group: ClassicGroup) -> GroupDescription:
    """Return a group as it is now.

    As in Kafka, the protocol and the members' metadata are shown for stable groups only:
    during a rebalance they may be about to change.
    """
    protocol_name = group.protocol_name if group.state is GroupState.STABLE else None
    return GroupDescription(
        group_id=group.group_id,
        group_type=CLASSIC_TYPE,
        state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_name=protocol_name or "",
        generation_id=group.generation_id,
        members=tuple(_describe_member(member, protocol_name) for member in group.members.values()),
    )


def _describe_member(member: GroupMember, protocol_name: str | None) -> MemberDescription:
    return MemberDescription(
        member_id=member.member_id,
        group_instance_id=member.group_instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        metadata=member.metadata(protocol_name),
        assignment=member.assignment,
    )
