"""A consumer group as bytes, so that it survives a restart of the broker with all its promises."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.member import ClassicSide, ConsumerMember, Epochs, MemberState
from fakebus.broker.groups.group import CONSUMER
from fakebus.broker.groups.requests import GroupProtocol
from fakebus.broker.groups.sessions import Session
from fakebus.broker.groups.stored import pack, unpacked
from fakebus.types import TopicIdPartition, by_topic_id

_GROUP_FIELDS = "epoch assignment_epoch assigned_at_ms topics_digest state_since_ms".split()
_MEMBER_FIELDS = (
    "member_id instance_id rack_id client_id client_host session_timeout_ms rebalance_timeout_ms "
    "regex assignor epoch previous_epoch"
).split()

NewSession = Callable[[ConsumerGroup, str], Session]
"""Makes the session of a member, by member id."""


def encode_group(group: ConsumerGroup) -> bytes:
    """Return a group's snapshot."""
    fields: dict[str, Any] = {name: getattr(group, name) for name in _GROUP_FIELDS}
    fields["members"] = [
        {name: getattr(member, name) for name in _MEMBER_FIELDS}
        | {
            "topics": sorted(member.topics),
            "state": member.state.value,
            "classic": None if member.classic is None else _encode_classic(member.classic),
            "assigned": _encode_epochs(member.assigned),
            "revoking": _encode_epochs(member.revoking),
            "target": _encode_places(group.targets.get(member.member_id, ())),
        }
        for member in group.members.values()
    ]
    return pack(CONSUMER, fields)


def decode_group(
    group: ConsumerGroup, snapshot: bytes | None, new_session: NewSession
) -> ConsumerGroup:
    """Fill a new group with what a snapshot shows, and return it.

    Args:
        group: the group, empty.
        snapshot: what :func:`encode_group` returned.
        new_session: makes the members' sessions, which are not running yet.

    Raises:
        StorageError: the snapshot cannot be read.
    """
    with unpacked(group.group_id, snapshot or b"null") as fields:
        for name in _GROUP_FIELDS:
            setattr(group, name, fields[name])
        for each in fields["members"]:
            member = ConsumerMember(
                **{name: each[name] for name in _MEMBER_FIELDS},
                session=new_session(group, each["member_id"]),
                topics=frozenset(each["topics"]),
                state=MemberState(each["state"]),
                classic=_decode_classic(each["classic"]),
            )
            group.add(member)
            group.hold(member, _decode_epochs(each["assigned"]), _decode_epochs(each["revoking"]))
            group.targets[member.member_id] = frozenset(_decode_places(each["target"]))
    # Topics may have changed without the group having heard of it.
    group.topics_changed = True
    return group


def _encode_classic(classic: ClassicSide) -> dict[str, Any]:
    protocols = [[name, b64encode(data).decode()] for name, data in classic.protocols]
    return {"session_timeout_ms": classic.session_timeout_ms, "protocols": protocols}


def _decode_classic(fields: dict[str, Any] | None) -> ClassicSide | None:
    if fields is None:
        return None
    protocols = (GroupProtocol(name, b64decode(data)) for name, data in fields["protocols"])
    return ClassicSide(int(fields["session_timeout_ms"]), tuple(protocols))


def _encode_places(places: Iterable[TopicIdPartition]) -> dict[str, list[int]]:
    return {str(topic_id): partitions for topic_id, partitions in by_topic_id(places).items()}


def _decode_places(fields: dict[str, list[int]]) -> Iterable[TopicIdPartition]:
    return (
        TopicIdPartition(UUID(topic_id), partition)
        for topic_id, partitions in fields.items()
        for partition in partitions
    )


def _encode_epochs(epochs: Epochs) -> dict[str, dict[str, list[int]]]:
    return {
        str(epoch): _encode_places(place for place, since in epochs.items() if since == epoch)
        for epoch in sorted(set(epochs.values()))
    }


def _decode_epochs(fields: dict[str, dict[str, list[int]]]) -> Epochs:
    return {
        place: int(epoch) for epoch, places in fields.items() for place in _decode_places(places)
    }
