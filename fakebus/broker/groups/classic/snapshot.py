"""A group as bytes, so that its members survive a restart of the broker.

Kept are the members, their assignments and the generation, as Kafka keeps them in
``__consumer_offsets``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from fakebus.broker.groups.classic.group import ClassicGroup, GroupState
from fakebus.broker.groups.classic.member import GroupMember
from fakebus.broker.groups.group import CLASSIC
from fakebus.broker.groups.requests import GroupProtocol
from fakebus.broker.groups.sessions import Session
from fakebus.broker.groups.stored import pack, unpacked

_STORED_STATES = (GroupState.EMPTY, GroupState.COMPLETING_REBALANCE, GroupState.STABLE)
"""Who waits in the join phase is not stored: the clients will ask again."""

NewSession = Callable[[ClassicGroup, str], Session]
"""Makes the session of a member, by member id."""


def encode_group(group: ClassicGroup, assignments: Mapping[str, bytes] | None = None) -> bytes:
    """Return a group's snapshot.

    Args:
        group: the group.
        assignments: by member id; when given, the snapshot shows the group as it will be
            once they are in force: stable.
    """
    state = group.state if assignments is None else GroupState.STABLE
    return pack(
        CLASSIC,
        {
            "state": state.value,
            "state_timestamp_ms": group.state_timestamp_ms,
            "generation_id": group.generation_id,
            "protocol_type": group.protocol_type,
            "protocol_name": group.protocol_name,
            "leader_id": group.leader_id,
            "members": [
                _encode_member(
                    member,
                    member.assignment
                    if assignments is None
                    else assignments.get(member.member_id, b""),
                )
                for member in group.members.values()
            ],
        },
    )


def _encode_member(member: GroupMember, assignment: bytes) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "group_instance_id": member.group_instance_id,
        "client_id": member.client_id,
        "client_host": member.client_host,
        "session_timeout_ms": member.session_timeout_ms,
        "rebalance_timeout_ms": member.rebalance_timeout_ms,
        "protocols": [
            [protocol.name, base64.b64encode(protocol.metadata).decode()]
            for protocol in member.protocols
        ],
        "assignment": base64.b64encode(assignment).decode(),
    }


def decode_group(
    group_id: str, snapshot: bytes | None, now_ms: int, new_session: NewSession
) -> ClassicGroup:
    """Return the group that a snapshot shows; without one, a group that only has offsets.

    Args:
        group_id: the group's name.
        snapshot: what :func:`encode_group` returned.
        now_ms: the time, in milliseconds since the epoch.
        new_session: makes the members' sessions, which are not running yet.

    Raises:
        StorageError: the snapshot cannot be read.
    """
    group = ClassicGroup(group_id, now_ms)
    if snapshot is None:
        return group
    with unpacked(group_id, snapshot) as fields:
        if GroupState(fields["state"]) not in _STORED_STATES:
            raise ValueError(f"its state is {fields['state']}")
        _fill_in(group, fields, new_session)
    return group


def _fill_in(group: ClassicGroup, fields: dict[str, Any], new_session: NewSession) -> None:
    for member_fields in fields["members"]:
        member = _decode_member(group, member_fields, new_session)
        group.members[member.member_id] = member
        if member.group_instance_id is not None:
            group.static_members[member.group_instance_id] = member.member_id
    group.state = GroupState(fields["state"])
    group.state_timestamp_ms = int(fields["state_timestamp_ms"])
    group.generation_id = int(fields["generation_id"])
    group.protocol_type = fields["protocol_type"]
    group.protocol_name = fields["protocol_name"]
    group.leader_id = fields["leader_id"]
    group.update_subscribed_topics()


def _decode_member(
    group: ClassicGroup, fields: dict[str, Any], new_session: NewSession
) -> GroupMember:
    return GroupMember(
        member_id=fields["member_id"],
        group_instance_id=fields["group_instance_id"],
        client_id=fields["client_id"],
        client_host=fields["client_host"],
        session_timeout_ms=int(fields["session_timeout_ms"]),
        rebalance_timeout_ms=int(fields["rebalance_timeout_ms"]),
        protocols=tuple(
            GroupProtocol(name, base64.b64decode(metadata))
            for name, metadata in fields["protocols"]
        ),
        assignment=base64.b64decode(fields["assignment"]),
        session=new_session(group, fields["member_id"]),
    )
