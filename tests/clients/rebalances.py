"""Members that come and go under load: no partition is owned twice, and no record is lost.

    python -m tests.clients.rebalances BOOTSTRAP_SERVERS [ROUNDS] [classic|consumer|both]

One member stays; in each round a second one joins, gets its share and leaves again, which are two
rebalances. With ``both``, those who come and go speak the two protocols by turns.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from typing import Any

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4
_SETTINGS: dict[str, dict[str, Any]] = {
    "classic": {
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 30_000,
        "heartbeat.interval.ms": 100,
    },
    "consumer": {},
}


class Ownership:
    """Owners of partitions, as their consumers are told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: dict[int, str] = {}
        self.twice: list[str] = []

    def gain(self, name: str, partitions: list[int]) -> None:
        with self._lock:
            for number in partitions:
                if number in self._owners:
                    self.twice.append(f"{number}: {self._owners[number]} and {name}")
                self._owners[number] = name

    def lose(self, name: str, partitions: list[int]) -> None:
        with self._lock:
            for number in partitions:
                if self._owners.get(number) == name:
                    del self._owners[number]

    def of(self, name: str) -> int:
        with self._lock:
            return sum(owner == name for owner in self._owners.values())


class Member(threading.Thread):
    """Consumer that reads and commits in a thread of its own until it is told to leave."""

    def __init__(self, name: str, run: Run, protocol: str) -> None:
        super().__init__(daemon=True)
        self.name = name
        self._run_of = run
        self._leaving = threading.Event()
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": run.bootstrap_servers,
                "group.id": run.group,
                "group.protocol": protocol,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
                **_SETTINGS[protocol],
            }
        )
        self._consumer.subscribe([run.topic], on_assign=self._assign, on_revoke=self._revoke)
        self.start()

    def _assign(self, consumer: Any, rows: list[Any]) -> None:
        self._run_of.ownership.gain(self.name, [row.partition for row in rows])

    def _revoke(self, consumer: Any, rows: list[Any]) -> None:
        self._run_of.ownership.lose(self.name, [row.partition for row in rows])

    def run(self) -> None:
        while not self._leaving.is_set():
            messages = self._consumer.consume(100, 0.05)
            good = [message for message in messages if message.error() is None]
            self._run_of.seen.update((m.partition(), m.offset()) for m in good)
            if good:
                try:
                    self._consumer.commit(asynchronous=False)
                except confluent_kafka.KafkaException:
                    # The partition has gone: its next owner reads the records again.
                    continue
        self._consumer.close()

    def leave(self) -> None:
        self._leaving.set()
        self.join()


class Run:
    """Run of a number of rounds.

    Args:
        bootstrap_servers: the broker.
        protocol: ``classic``, ``consumer`` or ``both``.
    """

    def __init__(self, bootstrap_servers: str, protocol: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.topic = self.group = f"rebalances-{uuid.uuid4().hex[:8]}"
        self.ownership = Ownership()
        self.seen: set[tuple[int, int]] = set()
        self._protocols = ("classic", "consumer") if protocol == "both" else (protocol,)
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result()
        self._produced: set[tuple[int, int]] = set()
        self._producing = True

    def _produce(self) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap_servers})

        def stored(error: Any, message: Any) -> None:
            if error is None:
                self._produced.add((message.partition(), message.offset()))

        number = 0
        while self._producing:
            producer.produce(self.topic, b"x", partition=number % PARTITIONS, on_delivery=stored)
            producer.poll(0.002)
            number += 1
        producer.flush()

    def _wait(self, what: str, condition: Any) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} has not come to be")
            time.sleep(0.01)

    def play(self, rounds: int) -> None:
        """Play the rounds; raises AssertionError if what must hold has not held."""
        load = threading.Thread(target=self._produce, daemon=True)
        load.start()
        stays = Member("stays", self, self._protocols[0])
        own = self.ownership.of
        self._wait("an owner of everything", lambda: own("stays") == PARTITIONS)
        for number in range(rounds):
            comes = Member(f"m{number}", self, self._protocols[number % len(self._protocols)])
            self._wait("a fair share", lambda name=comes.name: own(name) == own("stays") == 2)
            comes.leave()
            self._wait("an owner of everything", lambda: own("stays") == PARTITIONS)
        self._producing = False
        load.join()
        self._wait("a reader of everything", lambda: self._produced <= self.seen)
        stays.leave()
        assert self.ownership.twice == []


def main() -> None:
    """Play as many rounds as were asked for."""
    given = sys.argv[1:]
    bootstrap_servers, rounds, protocol = (*given, *("", "100", "consumer")[len(given) :])
    started = time.monotonic()
    run = Run(bootstrap_servers, protocol)
    run.play(int(rounds))
    print(f"{rounds} rounds in {time.monotonic() - started:.0f} s, {len(run.seen)} records")


if __name__ == "__main__":
    main()
