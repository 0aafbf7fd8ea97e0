"""Writers of all kinds at once, each with a journal of what was acknowledged.

    python -m torture.writers DIRECTORY KAFKA HTTP REDIS

They go on through every end of the bus until SIGTERM, then finish what is under way. What each
promises is read back by :mod:`torture.checker`.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
import requests
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from torture.journal import Journal

PARTITIONS = 2
PAUSE_S = 0.002
PATIENCE_S = 1.0
"""How long a transaction waits for its coordinator, which a new producer finds sooner."""
MOST_SCHEMAS = 1000
"""As many different ones; what is kept for ever grows no further."""
HANGS_S = 25
"""More than all calls of one turn may take."""
FINISH_S = 240
CLIENT = {
    "reconnect.backoff.ms": 5,
    "reconnect.backoff.max.ms": 50,
    "log_level": 0,
    # Otherwise it takes its time to connect again.
    "enable.sparse.connections": False,
    "topic.metadata.refresh.interval.ms": 1000,
}
SENDING = {"retry.backoff.ms": 5, "linger.ms": 1, "message.timeout.ms": 0}
TOPICS = {"plain": PARTITIONS, "idempotent": 1, "copy-a": 1, "copy-b": 1}
Writer = Callable[["Place"], None]


class Place:
    """What a writer writes to, where it notes it, and whether it is to go on.

    Args:
        directory: of the journals; its name is that of the round.
        kafka: the address of the bus.
        http: likewise.
        redis: likewise.
    """

    def __init__(self, directory: Path, kafka: str, http: str, redis: str) -> None:
        self.directory = directory
        self.kafka = kafka
        self.http_url = f"http://{http}"
        self.redis_url = f"redis://{redis}"
        self.stopping = threading.Event()

    def topic(self, name: str) -> str:
        """Return the name of a topic, or of anything else, in this round."""
        return f"{self.directory.name}-{name}"

    def client(self, *settings: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Return the settings of a client."""
        made: dict[str, Any] = {"bootstrap.servers": self.kafka, **CLIENT}
        for each in settings:
            made |= each
        return made | more


def finish(producer: Producer) -> None:
    """Wait until all that was produced has been acknowledged, on however busy a machine."""
    deadline = time.monotonic() + FINISH_S
    while len(producer) and time.monotonic() < deadline:
        producer.poll(0.1)


def write_plain(place: Place) -> None:
    """Produce numbers without idempotence: each is at the offset that was acknowledged."""
    journal = Journal(place.directory, "plain")
    config = place.client(
        SENDING, {"enable.idempotence": False, "max.in.flight.requests.per.connection": 1}
    )
    producer = Producer(config)

    def delivered(error: Any, message: Any) -> None:
        if error is None:
            journal.note(message.partition(), message.offset(), int(message.value()))

    _send_numbers(place, producer, "plain", delivered)


def write_idempotent(place: Place) -> None:
    """Produce numbers with idempotence: the log is 0, 1, 2, … and nothing else."""
    journal = Journal(place.directory, "idempotent")
    producer = Producer(place.client(SENDING, {"enable.idempotence": True}))

    def delivered(error: Any, message: Any) -> None:
        # A failure would leave a hole, which the checker finds.
        journal.note(*(str(error), -1) if error else (int(message.value()), message.offset()))

    _send_numbers(place, producer, "idempotent", delivered)


def _send_numbers(
    place: Place, producer: Producer, topic: str, delivered: Callable[[Any, Any], None]
) -> None:
    number = 0
    while not place.stopping.wait(PAUSE_S):
        producer.produce(
            place.topic(topic),
            b"%d" % number,
            partition=number % TOPICS[topic],
            on_delivery=delivered,
        )
        number += 1
        producer.poll(0)
        while len(producer) > 500 and not place.stopping.is_set():
            producer.poll(0.01)
    finish(producer)


def copy_in_transactions(place: Place) -> None:
    """Copy the numbers to two topics, with the offset read, exactly once.

    librdkafka sometimes waits for ever for a group's coordinator that was killed just after it was
    found, whatever the timeout of the call. As with any service that hangs, another producer takes
    over, and fences it.
    """
    journal = Journal(place.directory, "transactional")
    while not place.stopping.is_set():
        went_on_at = [time.monotonic()]
        arguments = (place, journal, went_on_at)
        copier = threading.Thread(target=_copy_until_an_error, args=arguments, daemon=True)
        copier.start()
        while copier.is_alive() and time.monotonic() - went_on_at[0] < HANGS_S:
            copier.join(0.1)
    # What the last one may have left open would keep the offsets from whoever asks for them.
    _transactional(place).init_transactions(FINISH_S)


def _copy_until_an_error(place: Place, journal: Journal, went_on_at: list[float]) -> None:
    consumer = Consumer(
        place.client(
            {"group.id": place.topic("copier"), "enable.auto.commit": False},
            {"auto.offset.reset": "earliest"},
        )
    )
    producer = _transactional(place)
    source = TopicPartition(place.topic("idempotent"), 0)
    try:
        producer.init_transactions(10)
        [committed] = consumer.committed([source], timeout=10)
        consumer.assign([TopicPartition(source.topic, 0, max(committed.offset, 0))])
        while not place.stopping.is_set():
            went_on_at[0] = time.monotonic()
            _copy_some(place, journal, consumer, producer)
    except KafkaException:
        # The bus has gone; another producer takes over from what was committed.
        pass
    finally:
        consumer.close()


def _transactional(place: Place) -> Producer:
    return Producer(
        place.client(
            {"transactional.id": place.topic("copier"), "linger.ms": 0, "retry.backoff.ms": 5}
        )
    )


def _copy_some(place: Place, journal: Journal, consumer: Consumer, producer: Producer) -> None:
    messages = [m for m in consumer.consume(50, timeout=0.05) if m.error() is None]
    if not messages:
        return
    end = (messages[-1].offset() or 0) + 1
    producer.begin_transaction()
    for message in messages:
        for copy in ("copy-a", "copy-b"):
            producer.produce(place.topic(copy), message.value(), partition=0)
    producer.send_offsets_to_transaction(
        [TopicPartition(place.topic("idempotent"), 0, end)],
        consumer.consumer_group_metadata(),
        PATIENCE_S,
    )
    producer.commit_transaction(PATIENCE_S)
    journal.note(end)


def consume_in_a_group(place: Place, member: str) -> None:
    """Read what the plain producer writes, and commit: nothing is passed over."""
    journal = Journal(place.directory, f"group-{member}")
    consumer = Consumer(
        place.client(
            {"group.id": place.topic("readers"), "enable.auto.commit": False},
            {"auto.offset.reset": "earliest", "session.timeout.ms": 6000},
            {"heartbeat.interval.ms": 200},
        )
    )
    consumer.subscribe([place.topic("plain")])
    while not place.stopping.is_set():
        messages = [m for m in consumer.consume(100, timeout=0.05) if m.error() is None]
        if not messages:
            continue
        ends: dict[int, int] = {}
        for message in messages:
            offset, partition = message.offset() or 0, message.partition() or 0
            ends[partition] = offset + 1
            journal.note("read", partition, offset)
        positions = [TopicPartition(place.topic("plain"), p, end) for p, end in ends.items()]
        try:
            consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException:
            continue  # read again by whoever gets the partition
        for partition, end in ends.items():
            journal.note("committed", partition, end)
    consumer.close()


def register_schemas(place: Place) -> None:
    """Register schemas: an id stands for the same schema for ever, and for no other."""
    journal = Journal(place.directory, "registry")
    session = requests.Session()
    count = 0
    while not place.stopping.wait(5 * PAUSE_S):
        number = count % MOST_SCHEMAS
        field = f'{{"name": "n{number}", "type": "int"}}'
        schema = f'{{"type": "record", "name": "R{number}", "fields": [{field}]}}'
        url = f"{place.http_url}/subjects/{place.topic(f's{number % 50}')}/versions"
        try:
            answer = session.post(url, json={"schema": schema}, timeout=5)
        except requests.RequestException:
            continue  # the same once more: it may or may not be there
        if answer.status_code == 200:
            journal.note(number, answer.json()["id"])
            count += 1
    session.close()


def write_to_streams(place: Place) -> None:
    """Add entries to a stream, read them in a group and acknowledge them."""
    journal = Journal(place.directory, "redis")
    client = redis.Redis.from_url(place.redis_url, socket_timeout=5, retry=None)
    stream, group, number = place.topic("stream"), "workers", 0
    has_group = False
    while not place.stopping.wait(2 * PAUSE_S):
        try:
            if not has_group:
                has_group = _create_group(client, stream, group)
                journal.note("grouped", group)
            entry: Any = client.xadd(stream, {"n": number})
            journal.note("added", number, entry.decode())
            found: Any = client.xreadgroup(group, "w", {stream: ">"}, count=10)
            for _, entries in found:
                for each, _ in entries:
                    if client.xack(stream, group, each):
                        journal.note("acknowledged", each.decode())
        except redis.exceptions.ConnectionError:
            pass
        except redis.exceptions.TimeoutError:
            pass
        except redis.exceptions.ResponseError as error:
            # Told, and not stored.
            if not str(error).startswith("MISCONF"):
                raise
        number += 1  # never the same again: whether it is there is not known


def _create_group(client: Any, stream: str, group: str) -> bool:
    try:
        client.xgroup_create(stream, group, id="0", mkstream=True)
    except redis.exceptions.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    return True


WRITERS: dict[str, Writer] = {
    "plain": write_plain,
    "idempotent": write_idempotent,
    "transactional": copy_in_transactions,
    "group-1": lambda place: consume_in_a_group(place, "1"),
    "group-2": lambda place: consume_in_a_group(place, "2"),
    "registry": register_schemas,
    "redis": write_to_streams,
}


def main() -> int:
    """Write until SIGTERM; return how many writers failed."""
    place = Place(Path(sys.argv[1]), *sys.argv[2:5])
    signal.signal(signal.SIGTERM, lambda *_: place.stopping.set())
    admin = AdminClient(place.client())
    # What is asked of a schema here is its id alone.
    level = requests.put(f"{place.http_url}/config", json={"compatibility": "NONE"}, timeout=20)
    level.raise_for_status()
    topics = [NewTopic(place.topic(name), count, 1) for name, count in TOPICS.items()]
    for created in admin.create_topics(topics).values():
        created.result(20)
    failed: list[str] = []

    def work(name: str, writer: Writer) -> None:
        try:
            writer(place)
        except BaseException:
            failed.append(name)
            raise

    threads = [
        threading.Thread(target=work, args=each, name=each[0], daemon=True)
        for each in WRITERS.items()
    ]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    for name in failed:
        print(f"the writer {name} failed", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
