"""Members that come and go under load: no partition is owned twice, and no record is lost.

    python -m tests.clients.rebalances BOOTSTRAP [ROUNDS [PROTOCOL [CLIENT]]]

One member stays; in each round a second one joins, gets its share and leaves again, which are two
rebalances. With ``both``, those who come and go speak the two protocols by turns, or are of Java
while the one that stays is of librdkafka.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

from tests.clients.build import java_command
from tests.clients.heard import Load, wait

PARTITIONS = 4
_SETTINGS: dict[str, dict[str, Any]] = {
    "classic": {"session.timeout.ms": 30_000, "heartbeat.interval.ms": 100},
    "consumer": {},
}
_RANGE = {"librdkafka": "range", "java": "org.apache.kafka.clients.consumer.RangeAssignor"}


def _settings(client: str, protocol: str) -> dict[str, Any]:
    assignor = {"partition.assignment.strategy": _RANGE[client]} if protocol == "classic" else {}
    return {"group.protocol": protocol, **_SETTINGS[protocol], **assignor}


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
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
                **_settings("librdkafka", protocol),
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


class JavaMembers:
    """Members in a process of Java, whose callbacks wait until they were heard."""

    def __init__(self, run: Run) -> None:
        self._run_of = run
        self._left: dict[str, threading.Event] = {}
        self._process = subprocess.Popen(
            [*java_command("Rebalances"), run.bootstrap_servers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def _say(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")

    def _hear(self) -> None:
        assert self._process.stdout is not None
        ownership = self._run_of.ownership
        for line in self._process.stdout:
            verb, name, *numbers = line.split()
            if verb == "left":
                self._left[name].set()
            elif verb == "seen":
                partition, first, count = map(int, numbers)
                self._run_of.seen.update((partition, first + n) for n in range(count))
            else:
                tell = ownership.gain if verb == "gain" else ownership.lose
                tell(name, [int(number) for number in numbers])
                self._say("heard", name)

    def join(self, name: str, protocol: str) -> None:
        self._left[name] = threading.Event()
        settings = [f"{key}={value}" for key, value in _settings("java", protocol).items()]
        self._say("join", name, self._run_of.group, self._run_of.topic, *settings)

    def leave(self, name: str) -> None:
        self._say("leave", name)
        assert self._left[name].wait(60), f"{name} does not leave"

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._hearing.join()
        self._process.stdout.close()
        self._process.wait(60)


class Run:
    """Run of a number of rounds.

    Args:
        bootstrap_servers: the broker.
        protocol: ``classic``, ``consumer`` or ``both``.
        client: ``librdkafka``, ``java``, or ``both``: who stays is of the first, who comes and goes
            of the second.
    """

    def __init__(self, bootstrap_servers: str, protocol: str, client: str = "librdkafka") -> None:
        self.bootstrap_servers = bootstrap_servers
        self.topic = self.group = f"rebalances-{uuid.uuid4().hex[:8]}"
        self.ownership = Ownership()
        self.seen: set[tuple[int, int]] = set()
        self._protocols = ("classic", "consumer") if protocol == "both" else (protocol,)
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result()
        self._load = Load(bootstrap_servers, self.topic, PARTITIONS, 0.002)
        self._java = None if client == "librdkafka" else JavaMembers(self)
        self._stays_in_java = client == "java"

    def _join(self, name: str, protocol: str, java: JavaMembers | None) -> Callable[[], None]:
        """Let a member join; return what lets it leave."""
        if java is None:
            return Member(name, self, protocol).leave
        java.join(name, protocol)
        return partial(java.leave, name)

    def play(self, rounds: int) -> None:
        """Play the rounds; raises AssertionError if what must hold has not held."""
        try:
            self._play(rounds)
        finally:
            if self._java is not None:
                self._java.close()
        assert self.ownership.twice == []

    def _play(self, rounds: int) -> None:
        self._load.start()
        java, first = self._java if self._stays_in_java else None, self._protocols[0]
        last_leaves = self._join("stays", first, java)
        own = self.ownership.of
        wait("an owner of everything", lambda: own("stays") == PARTITIONS)
        for number in range(rounds):
            name, protocol = f"m{number}", self._protocols[number % len(self._protocols)]
            leave = self._join(name, protocol, self._java)
            wait("a fair share", lambda name=name: own(name) == own("stays") == 2)
            leave()
            wait("an owner of everything", lambda: own("stays") == PARTITIONS)
        self._load.stop()
        wait("a reader of everything", lambda: self._load.stored <= self.seen)
        last_leaves()


def main() -> None:
    """Play as many rounds as were asked for."""
    given = sys.argv[1:]
    defaults = ("", "100", "consumer", "librdkafka")
    bootstrap_servers, rounds, protocol, client = (*given, *defaults[len(given) :])
    started = time.monotonic()
    run = Run(bootstrap_servers, protocol, client)
    run.play(int(rounds))
    print(f"{rounds} rounds in {time.monotonic() - started:.0f} s, {len(run.seen)} records")


if __name__ == "__main__":
    main()
