"""Outside checker: all that writers noted as acknowledged is read back and compared.

    python -m torture.checker DIRECTORY KAFKA HTTP REDIS

It knows the bus by its addresses alone, and the writers by their journals. A line for each promise
that was broken; the exit status says whether there are any.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis
import requests
from confluent_kafka import Consumer, TopicPartition

from torture.journal import read
from torture.writers import PARTITIONS, Place

Check = Callable[[Place], Iterator[str]]
Log = dict[int, int]
"""Of a partition, as its readers of committed records see it: numbers by offset."""


REFUSED = "refused"
"""Name of a file beside the journals: the bus has refused some of what it was sent."""


def read_log(place: Place, topic: str, partition: int = 0) -> Log:
    """Return all committed records of a partition."""
    config = place.client({"group.id": "torture-checker", "isolation.level": "read_committed"})
    consumer = Consumer(config | {"enable.partition.eof": True, "check.crcs": True})
    consumer.assign([TopicPartition(place.topic(topic), partition, 0)])
    found: Log = {}
    try:
        while True:
            message = consumer.poll(30)
            if message is None:
                raise AssertionError(f"{topic}:{partition} cannot be read to its end")
            if message.error() is None:
                found[message.offset() or 0] = int(message.value() or b"-1")
            elif message.error().name() == "_PARTITION_EOF":  # type: ignore[union-attr]
                return found
    finally:
        consumer.close()


def committed(place: Place, group: str, topic: str, count: int) -> list[int]:
    """Return the offsets that a group has committed."""
    consumer = Consumer(place.client({"group.id": place.topic(group)}))
    partitions = [TopicPartition(place.topic(topic), number) for number in range(count)]
    try:
        return [each.offset for each in consumer.committed(partitions, timeout=30)]
    finally:
        consumer.close()


def check_plain(place: Place) -> Iterator[str]:
    """Every acknowledged record is at its offset, and those of a partition are in order."""
    logs = [read_log(place, "plain", partition) for partition in range(PARTITIONS)]
    for partition, offset, number in read(place.directory, "plain"):
        found = logs[partition].get(offset)
        if found != number:
            yield f"{number} was stored at {partition}:{offset}, where there is {found}"
    for partition, log in enumerate(logs):
        if list(log) != list(range(len(log))):
            yield f"offsets of {partition} have holes"
        # A batch whose acknowledgement was lost is stored again: the first times are in order.
        if (place.directory / REFUSED).exists():
            # librdkafka sends what was refused after what it had ready to send next.
            continue
        values = list(log.values())
        first = list(dict.fromkeys(values))
        late = next((b for a, b in pairwise(first) if b < a), None)
        if late is not None:
            at = values.index(late)
            yield f"{late} of {partition} comes late: {values[max(0, at - 10) : at + 5]} at {at}"


def check_idempotent(place: Place) -> Iterator[str]:
    """Numbers are there once each, in order, none left out."""
    values = list(read_log(place, "idempotent").values())
    if values != list(range(len(values))):
        doubled = [value for value, times in Counter(values).items() if times > 1]
        yield f"{len(values)} records up to {max(values)}, of which are there twice: {doubled[:5]}"
    notes = list(read(place.directory, "idempotent"))
    wrong = [note for note in notes if note[0] != note[1]]
    if wrong:
        yield f"acknowledged elsewhere, or not at all: {wrong[:3]}"
    if len(notes) != len(values):
        yield f"{len(notes)} were acknowledged and {len(values)} are there"


def check_transactional(place: Place) -> Iterator[str]:
    """Both copies are the original up to the committed offset, record by record."""
    source = list(read_log(place, "idempotent").values())
    end = max(0, *committed(place, "copier", "idempotent", 1))
    acknowledged = max((note[0] for note in read(place.directory, "transactional")), default=0)
    if end < acknowledged:
        yield f"the commit of {acknowledged} was acknowledged, and {end} is committed"
    for copy in ("copy-a", "copy-b"):
        values = list(read_log(place, copy).values())
        if values != source[:end]:
            yield f"{copy} has {len(values)} records, where {end} were copied exactly once"


def check_groups(place: Place) -> Iterator[str]:
    """Committed offsets do not go back, and all before them was read by a member."""
    ends = committed(place, "readers", "plain", PARTITIONS)
    seen: list[set[int]] = [set() for _ in ends]
    last = [0] * PARTITIONS
    for member in ("group-1", "group-2"):
        for kind, partition, offset in read(place.directory, member):
            if kind == "read":
                seen[partition].add(offset)
            else:
                last[partition] = max(last[partition], offset)
    for partition, end in enumerate(ends):
        # A member that was fenced may have committed more than the one that came after it.
        if last[partition] and end < 0:
            yield f"{last[partition]} of {partition} was committed and nothing is"
        missed = set(range(max(end, 0))) - seen[partition]
        if missed:
            yield f"{len(missed)} records of {partition} before {end} were read by nobody"


def check_registry(place: Place) -> Iterator[str]:
    """Every id stands for the schema that was acknowledged with it."""
    ids: dict[int, int] = {}
    with requests.Session() as session:
        for number, schema_id in read(place.directory, "registry"):
            if ids.setdefault(schema_id, number) != number:
                yield f"id {schema_id} was given to {ids[schema_id]} and to {number}"
            answer = session.get(f"{place.http_url}/schemas/ids/{schema_id}", timeout=20)
            if f'"n{number}"' not in answer.json().get("schema", "").replace("\\", ""):
                yield f"id {schema_id} was schema {number}: {answer.text[:100]}"


def check_redis(place: Place) -> Iterator[str]:
    """Entries are there once each, in order; what was acknowledged is not pending."""
    client = redis.Redis.from_url(place.redis_url, socket_timeout=30)
    stream = place.topic("stream")
    entries: Any = client.xrange(stream)
    there = {entry.decode(): int(fields[b"n"]) for entry, fields in entries}
    numbers = list(there.values())
    if numbers != sorted(set(numbers)):
        yield "entries are there twice, or not in order"
    told = list(read(place.directory, "redis"))
    # Where the bus was killed too soon each time, nobody was told that the group is there.
    waiting: Any = client.xpending_range(stream, "workers", "-", "+", 100_000) if told else ()
    pending = {each["message_id"].decode() for each in waiting}
    for kind, *rest in told:
        if kind == "added" and there.get(rest[1]) != rest[0]:
            yield f"entry {rest[1]} was {rest[0]}, and is {there.get(rest[1])}"
        if kind == "acknowledged" and rest[0] in pending:
            yield f"entry {rest[0]} was acknowledged and is pending"


CHECKS: dict[str, Check] = {
    "plain": check_plain,
    "idempotent": check_idempotent,
    "transactional": check_transactional,
    "groups": check_groups,
    "registry": check_registry,
    "redis": check_redis,
}


def main() -> int:
    """Print what is wrong; return whether something is."""
    place = Place(Path(sys.argv[1]), *sys.argv[2:5])
    wrong = 0
    for name, check in CHECKS.items():
        for problem in check(place):
            wrong += 1
            if wrong <= 50:
                print(f"{place.directory.name}, {name}: {problem}", flush=True)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
