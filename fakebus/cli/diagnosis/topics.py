"""The second part of the way: whether a topic is there and holds what is looked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from shlex import quote

from fakebus.cli.diagnosis.finding import Finding, fine, note, problem
from fakebus.client.connection import Connection
from fakebus.client.offsets import LogRange, log_ranges, offsets_at, partitions_of, stable_ends
from fakebus.types import TopicPartition
from fakebus.wording import counted, nearest


def check_count(topics: Sequence[str]) -> Finding:
    """Return how many topics there are, internal ones left out."""
    count = sum(not name.startswith("__") for name in topics)
    if count:
        return fine(f"there {'is' if count == 1 else 'are'} {counted(count, 'topic')}")
    return note(
        "there are no topics",
        "make one:  fakebus topics --create NAME",
        "or seed the bus from fixture files:  fakebus up --fixtures DIR",
    )


def check_topic(
    connection: Connection,
    topic: str,
    transaction_of: Callable[[TopicPartition, int], str] = lambda *_: "",
) -> Iterator[Finding]:
    """Yield what is to be said of one topic.

    Args:
        connection: a cluster that can be reached.
        topic: the name as the user gave it.
        transaction_of: tells the transactional id that a record was written under; empty where
            that is not known.

    Raises:
        ClientError: the cluster does not answer.
    """
    if topic not in connection.metadata.topics:
        yield problem(
            f"there is no topic {topic!r}; {nearest(topic, connection.topic_names())}",
            "names count exactly: upper and lower case, dots, dashes and underscores differ",
            f"make it:  fakebus topics --create {topic}",
        )
        return
    ranges = log_ranges(connection, partitions_of(connection, [topic]))
    yield _records(topic, ranges)
    yield from _open_transactions(connection, topic, ranges, transaction_of)


def _records(topic: str, ranges: dict[TopicPartition, LogRange]) -> Finding:
    count = sum(log.records for log in ranges.values())
    ever = sum(log.end for log in ranges.values())
    if count:
        partitions = counted(len(ranges), "partition")
        return fine(f"topic {topic} has {counted(count, 'record')} in {partitions}")
    if ever:
        return problem(
            f"topic {topic} is empty: it had {counted(ever, 'record')}, and none is left",
            f"look at retention.ms and retention.bytes:  fakebus topics {topic}",
            "a record is deleted by its own timestamp: an old one is old on arrival",
        )
    return problem(
        f"topic {topic} is empty: nothing was ever written to it",
        f"write something:  fakebus produce {topic} --value hello",
        "is the producer told the same topic name and the same bootstrap address? Does it call "
        "flush() before it ends?",
    )


def _open_transactions(
    connection: Connection,
    topic: str,
    ranges: dict[TopicPartition, LogRange],
    transaction_of: Callable[[TopicPartition, int], str],
) -> Iterator[Finding]:
    stable = stable_ends(connection, ranges)
    held_back = sum(log.end - stable[partition] for partition, log in ranges.items())
    if held_back > 0:
        place = next(place for place, log in ranges.items() if log.end > stable[place])
        name = transaction_of(place, stable[place])
        which = f"the open transaction of {name}" if name else "an open transaction"
        more = [f"see whose it is, and who waits:  fakebus why {quote(name)}"] if name else []
        yield problem(
            f"topic {topic}: {which} holds back {counted(held_back, 'record')}"
            " from consumers with isolation.level=read_committed (the default of some clients)",
            "commit or abort the transaction in the producer; the broker aborts it after the "
            "producer's transaction.timeout.ms",
            "or read with isolation.level=read_uncommitted",
            *more,
        )


def check_clock(connection: Connection, topic: str) -> Iterator[Finding]:
    """Yield a note if a topic has records from the future.

    Args:
        connection: a cluster that can be reached.
        topic: a topic that is there.
    """
    # A record found by a timestamp an hour ahead is at least that young.
    ahead = time.time_ns() // 1_000_000 + 3_600_000
    found = offsets_at(connection, dict.fromkeys(partitions_of(connection, [topic]), ahead))
    late = [str(partition) for partition, offset in found.items() if offset >= 0]
    if late:
        yield note(
            f"topic {topic} has records whose timestamps lie more than an hour ahead of this "
            f"machine's clock (in {', '.join(late)})",
            "compare the clocks of producer, broker and this machine; retention and searches by "
            "time go by these timestamps",
        )
