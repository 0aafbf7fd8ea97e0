"""Assignor of share groups: which members read which partitions.

A partition may have many readers. With more members than partitions each partition gets about the
same number of them, otherwise each member about the same number of partitions; and what members
have they keep as far as that allows. The rules are those of Kafka's ``SimpleAssignor``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from uuid import UUID

from fakebus.types import TopicIdPartition

Shares = dict[str, set[TopicIdPartition]]


def assign(
    subscriptions: Mapping[str, frozenset[UUID]],
    sizes: Mapping[UUID, int],
    before: Mapping[str, frozenset[TopicIdPartition]],
) -> dict[str, frozenset[TopicIdPartition]]:
    """Return what each member is to read.

    Args:
        subscriptions: the topics of each member that exist, by member id.
        sizes: the number of partitions of each topic.
        before: what each member was to read so far.
    """
    shares: Shares = {member_id: set() for member_id in subscriptions}
    if len(set(subscriptions.values())) == 1:
        places = [
            TopicIdPartition(topic, i) for topic in sorted(sizes) for i in range(sizes[topic])
        ]
        _assign(places, list(subscriptions), shares, before)
    else:
        for topic in sorted(sizes):
            readers = [member for member, topics in subscriptions.items() if topic in topics]
            places = [TopicIdPartition(topic, i) for i in range(sizes[topic])]
            _assign(places, readers, shares, before)
    return {member_id: frozenset(share) for member_id, share in shares.items()}


def _assign(
    places: Sequence[TopicIdPartition],
    members: Sequence[str],
    shares: Shares,
    before: Mapping[str, frozenset[TopicIdPartition]],
) -> None:
    """Share partitions out among members that may all read all of them."""
    if not places or not members:
        return
    readers_each = ceil(len(members) / len(places))
    exact = readers_each * len(places) / len(members)
    wanted = {
        member: ceil(exact * (number + 1)) - ceil(exact * number)
        for number, member in enumerate(members)
    }
    left = dict.fromkeys(places, readers_each)
    for member in members:
        for place in sorted(before.get(member, ())):
            if wanted[member] and left.get(place):
                shares[member].add(place)
                wanted[member] -= 1
                left[place] -= 1
    for member in members:
        # Where most readers are missing comes first, so that none goes without.
        while wanted[member] and (
            free := [place for place in places if left[place] and place not in shares[member]]
        ):
            place = max(free, key=left.__getitem__)
            shares[member].add(place)
            wanted[member] -= 1
            left[place] -= 1
