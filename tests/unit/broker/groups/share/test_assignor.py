"""Who reads which partitions of a share group."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from fakebus.broker.groups.share.assignor import assign

T, U = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("members", "partitions", "loads", "readers"),
    [
        (1, 3, [3], [1, 1, 1]),
        (2, 3, [1, 2], [1, 1, 1]),
        (3, 2, [1, 1, 2], [2, 2]),
        (5, 1, [1, 1, 1, 1, 1], [5]),
        (4, 4, [1, 1, 1, 1], [1, 1, 1, 1]),
    ],
)
def test_members_and_partitions_are_loaded_alike(
    members: int, partitions: int, loads: list[int], readers: list[int]
) -> None:
    shares = assign({f"m{n}": frozenset({T}) for n in range(members)}, {T: partitions}, {})

    assert sorted(map(len, shares.values())) == loads
    assert (
        sorted(Counter(place for share in shares.values() for place in share).values()) == readers
    )


def test_members_keep_what_they_have_when_another_one_comes() -> None:
    before = assign({"a": frozenset({T}), "b": frozenset({T})}, {T: 4}, {})

    after = assign(dict.fromkeys("abc", frozenset({T})), {T: 4}, before)

    assert all(after[name] & before[name] for name in "ab")
    assert {len(share) for share in after.values()} == {1, 2}


def test_each_topic_is_shared_out_among_its_own_readers() -> None:
    shares = assign({"a": frozenset({T}), "b": frozenset({T, U})}, {T: 2, U: 3}, {})

    assert {place.topic_id for place in shares["a"]} == {T}
    assert sum(place.topic_id == U for place in shares["b"]) == 3
