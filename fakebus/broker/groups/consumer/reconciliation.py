"""Moves a member towards its share of the target assignment, one heartbeat at a time.

First it gives up what it is not to have, and stays in its epoch until it has said so; then it goes
to the epoch of the target and gets what no other member owns any more. So no partition ever has two
owners. The steps are those of Kafka's ``CurrentAssignmentBuilder``.
"""

from __future__ import annotations

from collections.abc import Collection

from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.member import ConsumerMember, Epochs, MemberState
from fakebus.types import TopicIdPartition

Owned = Collection[TopicIdPartition] | None
"""What a member says that it owns; ``None`` if it says nothing of it."""


def reconcile(
    group: ConsumerGroup, member: ConsumerMember, owned: Owned, *, subscription_changed: bool
) -> None:
    """Take a member's next step, if it can take one.

    Args:
        group: the group.
        member: its member.
        owned: what the member says that it owns.
        subscription_changed: whether it has just come to read other topics.
    """
    waits = member.state is MemberState.UNREVOKED and _has(owned, member.revoking)
    if not waits and not group.is_reconciled(member):
        _step(group, member, owned)
    elif subscription_changed:
        _drop_unread(group, member, owned)


def _has(owned: Owned, places: Epochs) -> bool:
    """Return whether a member owns any of these partitions, as far as it has said."""
    return owned is None or any(place in places for place in owned)


def _step(group: ConsumerGroup, member: ConsumerMember, owned: Owned) -> None:
    read, before = group.topic_ids_of(member), member.assigned
    target = {
        place
        for place in group.targets.get(member.member_id, ())
        # What it has ceased to read may still be in a target that was made before.
        if place.topic_id in read
    }
    kept = {place: epoch for place, epoch in before.items() if place in target}
    lost = {place: epoch for place, epoch in before.items() if place not in target}
    if lost and _has(owned, lost):
        member.state = MemberState.UNREVOKED
        member.advance(member.epoch)
        group.hold(member, kept, lost)
        return
    missing = target - kept.keys()
    free = {place for place in missing if group.is_free_for(member, place)}
    member.state = MemberState.STABLE if free == missing else MemberState.UNRELEASED
    member.advance(group.assignment_epoch)
    group.hold(member, kept | dict.fromkeys(free, group.assignment_epoch), {})


def _drop_unread(group: ConsumerGroup, member: ConsumerMember, owned: Owned) -> None:
    """Take from a member at once what it does not read any more; the target follows later."""
    read = group.topic_ids_of(member)
    kept = {place: epoch for place, epoch in member.assigned.items() if place.topic_id in read}
    lost = {place: epoch for place, epoch in member.assigned.items() if place.topic_id not in read}
    if not lost:
        return
    revoking = {**member.revoking, **lost}
    member.advance(member.epoch)
    if _has(owned, revoking):
        member.state = MemberState.UNREVOKED
        group.hold(member, kept, revoking)
    else:
        group.hold(member, kept, member.revoking)
