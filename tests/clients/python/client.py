"""What the scenarios ask of a Python client, whichever library it is.

Each library has its module here (`confluent`, `aiokafka`, `kafka_python`). They translate calls
and errors and nothing else: no retries, no waits that the library does not do itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

EARLIEST = -2
LATEST = -1
UNKNOWN_TOPIC_OR_PARTITION = 3
MESSAGE_TOO_LARGE = 10
INVALID_TOPIC_EXCEPTION = 17
TOPIC_ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37
INVALID_CONFIG = 40
NON_EMPTY_GROUP = 68
GROUP_ID_NOT_FOUND = 69
OFFSET_OUT_OF_RANGE = 1

Headers = Sequence[tuple[str, bytes | None]]


class Partition(NamedTuple):
    """A topic and a partition number; ours, because each library has a type of its own."""

    topic: str
    number: int


class Committed(NamedTuple):
    """A committed offset and the text that was committed with it."""

    offset: int
    metadata: str


class Written(NamedTuple):
    """Where a record went, by the broker's answer; acks=0 gives no offset (-1)."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A record as a consumer hands it out."""

    partition: Partition
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class ClientError(Exception):
    """A library reported an error; `code` is Kafka's number, or -1 for a local one."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Producer(Protocol):
    """Sends records."""

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Callable[[], Written]:
        """Queue a record; the answer waits for the broker's."""
        ...

    def send_many(self, topic: str, rows: Sequence[tuple[int, bytes]]) -> list[Written]:
        """Send a value to a partition each, as fast as the library does, and wait for all."""
        ...

    def close(self) -> None:
        """Send what is queued and close."""
        ...


class Consumer(Protocol):
    """Reads records, alone or in a group."""

    def assign(self, starts: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets; EARLIEST and LATEST are offsets too."""
        ...

    def subscribe(self, topic: str) -> None:
        """Join the group for the topic."""
        ...

    def assignment(self) -> set[Partition]:
        """Return the partitions that are read at the moment."""
        ...

    def poll(self, seconds: float) -> list[Message]:
        """Wait up to so long for records."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from an offset."""
        ...

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        """Return the first offset at or after the time; None if there is none."""
        ...

    def bounds(self, partition: Partition) -> tuple[int, int]:
        """Return the first offset and the one that the next record gets."""
        ...

    def commit(self, offsets: Mapping[Partition, Committed], *, wait: bool = True) -> None:
        """Commit for the group, and wait for the answer or not."""
        ...

    def committed(self, partition: Partition) -> Committed | None:
        """Ask the broker what the group has committed."""
        ...

    def close(self) -> None:
        """Leave the group and close."""
        ...


class Client(Protocol):
    """One library: its producers, consumers and administration."""

    name: str

    def producer(
        self,
        *,
        acks: int = -1,
        codec: str | None = None,
        idempotent: bool = False,
        linger_ms: int = 0,
        timeout_ms: int = 20_000,
    ) -> Producer: ...

    def consumer(
        self,
        group: str | None = None,
        *,
        reset: str = "earliest",
        instance: str | None = None,
        session_timeout_ms: int = 10_000,
        max_wait_ms: int = 500,
    ) -> Consumer: ...

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None: ...

    def delete_topic(self, topic: str) -> None: ...

    def create_partitions(self, topic: str, total: int) -> None: ...

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of each topic."""
        ...

    def describe_configs(self, topic: str) -> dict[str, str | None]: ...

    def set_config(self, topic: str, key: str, value: str) -> None: ...

    def describe_cluster(self) -> tuple[str, list[tuple[int, str, int]]]:
        """Return the cluster id and id, host and port of each broker."""
        ...

    def groups(self) -> set[str]: ...

    def describe_group(self, group: str) -> tuple[str, list[str]]:
        """Return the state, as Kafka spells it, and the client ids of the members."""
        ...

    def group_offsets(self, group: str) -> dict[Partition, Committed]: ...

    def delete_records(self, partition: Partition, before: int) -> int:
        """Return the new first offset."""
        ...

    def close(self) -> None:
        """Close it, and what it made that a failed scenario left open."""
        ...


class Connect(Protocol):
    """Makes the client of one library; the modules' classes are that."""

    def __call__(self, bootstrap_servers: str) -> Client: ...


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Ask again and again until it is so.

    Args:
        condition: Asked without pause, so it should wait a little itself, as a poll does.
        what: The sentence that failed, for the message.
        seconds: How long to ask.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s: {what}"


def read(consumer: Consumer, count: int, seconds: float = 60.0) -> list[Message]:
    """Poll until so many records are there; fail when fewer come, or more."""
    messages: list[Message] = []

    def enough() -> bool:
        messages.extend(consumer.poll(0.2))
        return len(messages) >= count

    wait_until(enough, f"{count} records are read", seconds)
    assert len(messages) == count
    return messages


def read_topic(client: Client, topic: str, count: int, partitions: int = 1) -> list[Message]:
    """Read a topic of so many records from its beginning, with no group."""
    consumer = client.consumer()
    try:
        consumer.assign({Partition(topic, number): EARLIEST for number in range(partitions)})
        return read(consumer, count)
    finally:
        consumer.close()
