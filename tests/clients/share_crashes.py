"""Share consumers that are killed with records in hand: none is lost, and none accepted twice.

    python -m tests.clients.share_crashes BOOTSTRAP [STEPS [SEED]]

Transactions of which some are aborted fill a topic; the group reads what is committed. Each of its
consumers is a process of librdkafka. In each step one joins, leaves, or is killed with what it has.
"""

from __future__ import annotations

import random
import sys
import threading
import uuid
from collections.abc import Callable

import confluent_kafka
from confluent_kafka import AcknowledgeType, Producer, ShareConsumer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from tests.clients.heard import Process, wait

PARTITIONS, MOST = 2, 3
CONFIGS = {
    "share.auto.offset.reset": "earliest",
    "share.isolation.level": "read_committed",
    "share.record.lock.duration.ms": "2000",
    "share.delivery.count.limit": "10",
    "share.session.timeout.ms": "45000",
}
ABORTED = b"aborted"
Place = tuple[int, int]


def consume(bootstrap_servers: str, group: str, topic: str, seed: str) -> None:
    """Read, accept most and release some, and say so, until there is a word on stdin."""
    leaving, chosen = threading.Event(), random.Random(int(seed))
    threading.Thread(target=lambda: (sys.stdin.readline(), leaving.set()), daemon=True).start()
    settings = {
        "bootstrap.servers": bootstrap_servers,
        "group.id": group,
        "share.acknowledgement.mode": "explicit",
        "max.poll.records": 10,
        "log_level": 0,
    }
    with ShareConsumer(settings) as consumer:
        consumer.subscribe([topic])
        while not leaving.is_set():
            accepted: list[Place] = []
            for each in consumer.poll(0.2):
                if each.error() is not None:
                    continue
                place = (each.partition(), each.offset())
                print("got", *place, int(each.value() == ABORTED), flush=True)
                if chosen.random() < 0.1:
                    consumer.acknowledge(each, AcknowledgeType.RELEASE)
                    continue
                print("ack", *place, flush=True)
                consumer.acknowledge(each, AcknowledgeType.ACCEPT)
                accepted.append(place)
            try:
                outcomes = consumer.commit_sync(30)
            except confluent_kafka.KafkaException:
                continue  # Not known: the records may come again.
            stored = {row.partition for row, failure in outcomes.items() if failure is None}
            for place in accepted:
                print("done" if place[0] in stored else "not", *place, flush=True)


class Consumer:
    """Process of a share consumer, as it is heard."""

    def __init__(self, group: ShareGroup, seed: int) -> None:
        self._group = group
        self._sent: set[Place] = set()
        words = [group.bootstrap_servers, group.name, group.name, str(seed)]
        process = Process(
            "tests.clients.share_crashes", ["consume", *words], self._hear, self._gone
        )
        self.leave, self.kill = process.leave, process.kill

    def _hear(self, line: str) -> None:
        verb, *numbers = line.split()
        place = (int(numbers[0]), int(numbers[1]))
        with self._group.lock:
            if verb == "got" and numbers[2] == "1":
                self._group.aborted.append(place)
            elif verb == "ack":
                self._sent.add(place)
            elif verb in ("done", "not"):
                self._sent.discard(place)
                if verb == "done":
                    self._group.accepted.append(place)

    def _gone(self, status: int | None) -> None:
        with self._group.lock:
            if status is not None:
                self._group.died.append(status)
            # What it has sent last may have been taken in.
            self._group.perhaps |= self._sent


class ShareGroup:
    """Share group whose consumers come, go and crash.

    Args:
        bootstrap_servers: the broker.
        seed: what is chosen.
    """

    def __init__(self, bootstrap_servers: str, seed: int) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.name = f"shares-{uuid.uuid4().hex[:8]}"
        self.lock = threading.Lock()
        self.steps: list[str] = []
        self.died: list[int] = []
        """How consumers have ended by themselves."""
        self.accepted: list[Place] = []
        self.perhaps: set[Place] = set()
        self.aborted: list[Place] = []
        self._chosen = random.Random(seed)
        self._committed: set[Place] = set()
        self._consumers: list[Consumer] = []
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        admin.create_topics([NewTopic(self.name, PARTITIONS, 1)])[self.name].result(60)
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in CONFIGS.items()
        ]
        resource = ConfigResource(ConfigResource.Type.GROUP, self.name, incremental_configs=entries)
        (changed,) = admin.incremental_alter_configs([resource]).values()
        changed.result(60)
        self._producer = Producer(
            {"bootstrap.servers": bootstrap_servers, "transactional.id": self.name}
        )
        self._producer.init_transactions(60)

    def _transact(self) -> None:
        """Write a transaction of some records, and commit or abort it."""
        written: set[Place] = set()
        commits = self._chosen.random() < 0.7
        self._producer.begin_transaction()
        for _ in range(self._chosen.randrange(1, 20)):
            self._producer.produce(
                self.name,
                b"committed" if commits else ABORTED,
                partition=self._chosen.randrange(PARTITIONS),
                on_delivery=lambda _, m: written.add((m.partition(), m.offset())),
            )
        if commits:
            self._producer.commit_transaction(60)
            self._committed |= written
        else:
            self._producer.flush(60)
            self._producer.abort_transaction(60)

    def _join(self) -> None:
        self._consumers.append(Consumer(self, self._chosen.randrange(1000)))

    def _step(self) -> None:
        self._transact()
        actions = ["join"] if len(self._consumers) < MOST else []
        actions += ["leave", "kill", "kill", "go on"] if self._consumers else []
        action = self._chosen.choice(actions)
        self.steps.append(action)
        if action == "join":
            self._join()
        elif action != "go on":
            # As far along as others have come, so that it has records in hand.
            consumer = self._consumers.pop(self._chosen.randrange(len(self._consumers)))
            consumer.leave() if action == "leave" else consumer.kill()
        wanted = min(len(self._known()) + 5, len(self._committed))
        if self._consumers:
            self._wait("a reader of some more", lambda: len(self._known()) >= wanted)

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        wait(what, condition, lambda: (self.steps, sorted(self._committed - self._known())))

    def _known(self) -> set[Place]:
        assert self.died == [], self.steps
        with self.lock:
            return set(self.accepted) | self.perhaps

    def play(self, steps: int) -> int:
        """Play the steps; return how many records were accepted.

        Raises:
            AssertionError: what must hold has not held.
        """
        try:
            for _ in range(steps):
                self._step()
            self._join()
            self._wait("a reader of everything", lambda: self._committed <= self._known())
        finally:
            for each in self._consumers:
                each.kill()
        twice = len(self.accepted) - len(set(self.accepted))
        assert (twice, self.aborted) == (0, []), self.steps
        assert set(self.accepted) <= self._committed
        return len(self.accepted)


def main(bootstrap_servers: str, steps: str = "20", seed: str = "1") -> None:
    """Play steps in a share group."""
    group = ShareGroup(bootstrap_servers, int(seed))
    print(f"seed {seed}: {group.play(int(steps))} records, {', '.join(group.steps)}")


if __name__ == "__main__":
    if sys.argv[1] == "consume":
        consume(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
