"""Assignors: everything is shared out, evenly, and without need nothing moves."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fakebus.broker.groups.consumer.assignors import (
    Share,
    Subscriber,
    assign_range,
    assign_uniform,
)

IDS = [UUID(int=number) for number in range(1, 5)]
SIZES = st.dictionaries(st.sampled_from(IDS), st.integers(1, 9), min_size=1)
READERS = st.lists(st.frozensets(st.sampled_from(IDS)), min_size=1, max_size=6)


def subscribers(
    reads: list[frozenset[UUID]], sizes: dict[UUID, int], shares: dict[str, Share] | None = None
) -> list[Subscriber]:
    found = []
    for number, topics in enumerate(reads):
        share = (shares or {}).get(f"m{number}", frozenset())
        found.append(Subscriber(f"m{number}", None, topics & sizes.keys(), share))
    return found


def numbers(share: Share, topic_id: UUID = IDS[0]) -> list[int]:
    return sorted(place.partition for place in share if place.topic_id == topic_id)


@given(READERS, SIZES)
def test_each_partition_that_is_read_has_one_owner_who_reads_it(
    reads: list[frozenset[UUID]], sizes: dict[UUID, int]
) -> None:
    members = subscribers(reads, sizes)
    wanted = {
        (topic, n) for each in members for topic in each.topic_ids for n in range(sizes[topic])
    }
    for assign in (assign_range, assign_uniform):
        shares = assign(members, sizes)
        given_out = [place for share in shares.values() for place in share]
        assert len(given_out) == len(set(given_out))
        assert set(given_out) == wanted
        for each in members:
            assert {place.topic_id for place in shares[each.member_id]} <= each.topic_ids


@given(st.integers(1, 6), SIZES, st.data())
def test_uniform_is_even_among_equals_and_moves_no_more_than_it_must(
    count: int, sizes: dict[UUID, int], data: st.DataObject
) -> None:
    everything = frozenset(IDS)
    before = assign_uniform(subscribers([everything] * count, sizes), sizes)
    assert assign_uniform(subscribers([everything] * count, sizes, before), sizes) == before
    loads = [len(share) for share in before.values()]
    assert max(loads) - min(loads) <= 1
    now = data.draw(st.integers(1, 6))
    after = assign_uniform(subscribers([everything] * now, sizes, before), sizes)
    total, stayers = sum(sizes.values()), min(now, count)
    kept = sum(len(after[f"m{n}"] & before[f"m{n}"]) for n in range(stayers))
    # Each keeps what it has, up to what it may have at most.
    most = [len(after[f"m{n}"]) for n in range(stayers)]
    assert kept >= sum(min(len(before[f"m{n}"]), most[n]) for n in range(stayers)) - total % now


@given(READERS, SIZES)
def test_uniform_ends_when_no_move_would_make_it_evener(
    reads: list[frozenset[UUID]], sizes: dict[UUID, int]
) -> None:
    members = subscribers(reads, sizes)
    shares = assign_uniform(members, sizes)
    for giver in members:
        for taker in members:
            could = [p for p in shares[giver.member_id] if p.topic_id in taker.topic_ids]
            if could:
                assert len(shares[giver.member_id]) - len(shares[taker.member_id]) <= 1


def test_range_gives_the_first_members_one_more_and_static_ones_come_first() -> None:
    topics = frozenset(IDS[:1])
    members = [
        Subscriber("a", None, topics, frozenset()),
        Subscriber("z", "i", topics, frozenset()),
        Subscriber("b", None, topics, frozenset()),
    ]
    shares = assign_range(members, {IDS[0]: 5})
    assert [numbers(shares[name]) for name in "zab"] == [[0, 1], [2, 3], [4]]
