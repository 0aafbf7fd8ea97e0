from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.partition_listing import PartitionCursor, PartitionPage, list_partitions
from fakebus.errors import BrokerError, ErrorCode


@pytest.fixture
async def topics(broker: Broker) -> Broker:
    for name in "cab":
        await broker.topics.create(name, 3, {})
    return broker


def shown(page: PartitionPage) -> tuple[list[tuple[str, list[int]]], tuple[str, int] | None]:
    cursor = page.next_cursor
    return (
        [(topic.name, list(topic.partitions)) for topic in page.topics],
        None if cursor is None else (cursor.topic, cursor.partition),
    )


@pytest.mark.parametrize(
    ("names", "limit", "cursor", "expected"),
    [
        ((), 9, None, ([("a", [0, 1, 2]), ("b", [0, 1, 2]), ("c", [0, 1, 2])], None)),
        (("b", "a"), 4, None, ([("a", [0, 1, 2]), ("b", [0])], ("b", 1))),
        (("b", "a"), 3, None, ([("a", [0, 1, 2])], ("b", 0))),
        (("a", "a"), 2, None, ([("a", [0, 1])], ("a", 2))),
        (("a",), 0, None, ([("a", [0])], ("a", 1))),
        (("a", "b"), 2, ("a", 2), ([("a", [2]), ("b", [0])], ("b", 1))),
        (("a",), 2, ("a", 7), ([("a", [])], None)),
        ((), 9, ("b", 2), ([("b", [2]), ("c", [0, 1, 2])], None)),
        ((), 9, ("bb", 2), ([("c", [0, 1, 2])], None)),
        (("a", "bb", "b"), 6, None, ([("a", [0, 1, 2]), ("b", [0, 1, 2])], ("bb", 0))),
        (("A", "a"), 1, None, ([("A", []), ("a", [0])], ("a", 1))),
    ],
)
async def test_pages_go_through_the_topics_by_name(
    topics: Broker,
    names: tuple[str, ...],
    limit: int,
    cursor: tuple[str, int] | None,
    expected: object,
) -> None:
    begin = None if cursor is None else PartitionCursor(topic=cursor[0], partition=cursor[1])
    assert shown(list_partitions(topics.topics, names, limit, begin)) == expected


async def test_pages_put_together_hold_every_partition_once(topics: Broker) -> None:
    cursor, found = None, []
    while True:
        page = list_partitions(topics.topics, (), 2, cursor)
        found += [(topic.name, index) for topic in page.topics for index in topic.partitions]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [(name, index) for name in "abc" for index in range(3)]


async def test_topics_that_do_not_exist_are_listed_with_an_error_in_their_place(
    topics: Broker,
) -> None:
    page = list_partitions(topics.topics, ("a", "nope", "bad name"), 9, None)
    assert [(topic.name, topic.error_code) for topic in page.topics] == [
        ("a", ErrorCode.NONE),
        ("bad name", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


@pytest.mark.parametrize(("topic", "partition"), [("zzz", 0), ("b", 0), ("a", -1)])
async def test_a_cursor_outside_of_the_wanted_topics_is_refused(
    topics: Broker, topic: str, partition: int
) -> None:
    with pytest.raises(BrokerError) as caught:
        list_partitions(topics.topics, ("a",), 9, PartitionCursor(topic=topic, partition=partition))
    assert caught.value.error_code is ErrorCode.INVALID_REQUEST
