"""Listing partitions in pages (KIP-966).

Source: DescribeTopicPartitionsRequestHandler of Kafka 4.3.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from fakebus.broker.topic_names import topic_name_problem
from fakebus.broker.topics import Topic, Topics
from fakebus.errors import BrokerError, ErrorCode


class PartitionCursor(NamedTuple):
    """Cursor into a listing: where a page begins, or the next one would."""

    topic: str
    partition: int


class ListedTopic(NamedTuple):
    """A topic of a page, and which of its partitions belong to the page."""

    name: str
    topic: Topic | None
    """``None`` when there is no such topic."""
    partitions: range
    error_code: ErrorCode = ErrorCode.NONE


class PartitionPage(NamedTuple):
    """Topics with at most as many partitions as were asked for, and how to go on."""

    topics: list[ListedTopic]
    next_cursor: PartitionCursor | None


def list_partitions(
    topics: Topics, names: Collection[str], limit: int, cursor: PartitionCursor | None
) -> PartitionPage:
    """Return one page of partitions, ordered by topic name.

    Args:
        topics: the topics that exist.
        names: the wanted topics; all for none.
        limit: how many partitions a page has at most; less than 1 counts as 1.
        cursor: where the page begins; at the first topic when left out.

    Raises:
        BrokerError: INVALID_REQUEST: the cursor's topic is not a wanted one, or its
            partition is negative.
    """
    wanted = sorted({*names} or {topic.name for topic in topics})
    if cursor is not None:
        wanted = [name for name in wanted if name >= cursor.topic]
        if cursor.partition < 0 or (names and cursor.topic not in names):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                f"the cursor {cursor.topic}-{cursor.partition} is in none of the wanted topics",
            )
    remaining = max(1, limit)
    listed: list[ListedTopic] = []
    for name in wanted:
        begin = cursor.partition if cursor is not None and cursor.topic == name else 0
        if remaining == 0:
            return PartitionPage(
                topics=listed, next_cursor=PartitionCursor(topic=name, partition=begin)
            )
        topic = topics.get(name)
        if topic is None:
            listed.append(_unknown(name))
            continue
        end = min(len(topic.partitions), begin + remaining)
        listed.append(ListedTopic(name=name, topic=topic, partitions=range(begin, end)))
        remaining -= max(0, end - begin)
        if end < len(topic.partitions):
            return PartitionPage(
                topics=listed, next_cursor=PartitionCursor(topic=name, partition=end)
            )
    return PartitionPage(topics=listed, next_cursor=None)


def _unknown(name: str) -> ListedTopic:
    error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if topic_name_problem(name) is not None:
        error_code = ErrorCode.INVALID_TOPIC_EXCEPTION
    return ListedTopic(name=name, topic=None, partitions=range(0), error_code=error_code)
