"""Assignors that the coordinator runs: who is to get which partitions.

Both are functions of subscriptions and sizes of topics. ``range`` gives each member a range of
every topic, so that topics of one size are shared out alike. ``uniform`` gives all members as many
partitions as their subscriptions allow, and leaves with a member what it has.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from fakebus.types import TopicIdPartition

Share = frozenset[TopicIdPartition]


class Subscriber(NamedTuple):
    """Member as an assignor sees it."""

    member_id: str
    instance_id: str | None
    topic_ids: frozenset[UUID]
    """Topics that it reads and that exist."""
    share: Share
    """What it was to have so far."""


Assignor = Callable[[Iterable[Subscriber], Mapping[UUID, int]], dict[str, Share]]
"""Takes the members and the number of partitions of each topic; gives shares by member id."""


def assign_range(members: Iterable[Subscriber], sizes: Mapping[UUID, int]) -> dict[str, Share]:
    """Give each member a range of every topic, and the first ones what is left over.

    Static members come first, in the order of their names, which stay when member ids change.
    """
    ordered = sorted(
        members,
        key=lambda each: (each.instance_id is None, each.instance_id or "", each.member_id),
    )
    shares: dict[str, set[TopicIdPartition]] = {each.member_id: set() for each in ordered}
    for topic_id, size in sizes.items():
        readers = [each.member_id for each in ordered if topic_id in each.topic_ids]
        start = 0
        for number, member_id in enumerate(readers):
            end = start + size // len(readers) + (number < size % len(readers))
            shares[member_id].update(TopicIdPartition(topic_id, i) for i in range(start, end))
            start = end
    return {member_id: frozenset(share) for member_id, share in shares.items()}


def assign_uniform(members: Iterable[Subscriber], sizes: Mapping[UUID, int]) -> dict[str, Share]:
    """Share out all partitions evenly, and move as few of them as that takes."""
    assignment = _Assignment(tuple(members), sizes)
    for topic_id in assignment.topic_ids:
        assignment.hand_out(topic_id)
    # A topic that was evened out may be uneven again after the next one.
    while sum([assignment.even_out(topic_id) for topic_id in assignment.topic_ids]):
        pass
    return {member_id: frozenset(share) for member_id, share in assignment.shares.items()}


class _Assignment:
    """Assignment in the making: what each member keeps of its share, and then more or less."""

    def __init__(self, members: tuple[Subscriber, ...], sizes: Mapping[UUID, int]) -> None:
        self._sizes = sizes
        self._order = {each.member_id: number for number, each in enumerate(members)}
        self._readers: dict[UUID, list[str]] = {}
        for each in members:
            for topic_id in each.topic_ids:
                self._readers.setdefault(topic_id, []).append(each.member_id)
        self.shares = {
            each.member_id: {
                place
                for place in each.share
                if place.topic_id in each.topic_ids and place.partition < sizes[place.topic_id]
            }
            for each in members
        }
        # Topics that few members may read come first: there is the least choice.
        self.topic_ids = sorted(
            self._readers,
            key=lambda topic_id: (
                -sizes[topic_id] / len(self._readers[topic_id]),
                len(self._readers[topic_id]),
                topic_id,
            ),
        )

    def _load(self, member_id: str) -> tuple[int, int, str]:
        return len(self.shares[member_id]), self._order[member_id], member_id

    def hand_out(self, topic_id: UUID) -> None:
        """Give what nobody has of a topic to those who have least."""
        readers = self._readers[topic_id]
        taken = {
            place
            for reader in readers
            for place in self.shares[reader]
            if place.topic_id == topic_id
        }
        least = [self._load(reader) for reader in readers]
        heapq.heapify(least)
        for number in range(self._sizes[topic_id]):
            place = TopicIdPartition(topic_id, number)
            if place not in taken:
                member_id = least[0][2]
                self.shares[member_id].add(place)
                heapq.heapreplace(least, self._load(member_id))

    def even_out(self, topic_id: UUID) -> int:
        """Move partitions of a topic from who has most to who has least; return how many."""
        readers = self._readers[topic_id]
        loads = [len(self.shares[reader]) for reader in readers]
        if max(loads) - min(loads) <= 1:
            return 0
        own = {
            reader: sorted(place for place in self.shares[reader] if place.topic_id == topic_id)
            for reader in readers
        }
        least = [self._load(reader) for reader in readers]
        # Among equals the last one gives.
        most = [(-load, -order, reader) for load, order, reader in least if own[reader]]
        heapq.heapify(least)
        heapq.heapify(most)
        moved = 0
        while most:
            giver, taker = most[0][2], least[0][2]
            if (load := self._load(giver))[0] != -most[0][0]:
                heapq.heapreplace(most, (-load[0], -load[1], giver))
            elif (load := self._load(taker)) != least[0]:
                heapq.heapreplace(least, load)
            elif -most[0][0] - least[0][0] <= 1:
                break
            elif not own[giver]:
                heapq.heappop(most)
            else:
                place = own[giver].pop()
                self.shares[giver].remove(place)
                self.shares[taker].add(place)
                # What was given stays: nobody gets the same partition back in one run.
                moved += 1
        return moved


ASSIGNORS: Mapping[str, Assignor] = {"uniform": assign_uniform, "range": assign_range}
