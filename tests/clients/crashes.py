"""Members that are killed while their group changes its protocol: nothing is owned twice or lost.

    python -m tests.clients.crashes BOOTSTRAP [STEPS [SEED]]

Each member is a process with a consumer of librdkafka: of the classic protocol with one of several
assignors, or of the new one; static or not. In each step one joins, leaves, is killed, or is
replaced by one of the other protocol under the same instance id. A member goes on only when it was
heard what it was given or has given up, so what is heard is in the order in which it happened.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

CHECKOUT = Path(__file__).resolve().parents[2]
PARTITIONS = 6
MOST = 4
ASSIGNORS = ("range", "range,roundrobin", "roundrobin,range")
"""Of members of the classic protocol. Not cooperative-sticky: when its members have joined again,
librdkafka keeps in assignments what lets neither broker make a consumer group of the group."""
CLASSIC = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "300"}


class _Said:
    """What the other side says to a member: that it was heard, and at last that it is to leave."""

    def __init__(self) -> None:
        self.leaving = False
        self._heard = threading.Semaphore(0)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line == "leave\n":
                self.leaving = True
            else:
                self._heard.release()
        self.leaving = True
        self._heard.release(1000)

    def tell(self, verb: str, rows: list[Any]) -> None:
        print(verb, *(row.partition for row in rows), flush=True)
        self._heard.acquire()


def consume(bootstrap_servers: str, group: str, topic: str, *settings: str) -> None:
    """Be a member until it is to leave: read, commit, and say what is owned and read."""
    said = _Said()
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": "false",
            "log_level": 0,
            **dict(each.split("=", 1) for each in settings),
        }
    )
    consumer.subscribe(
        [topic],
        on_assign=lambda _, rows: said.tell("gain", rows),
        on_revoke=lambda _, rows: said.tell("lose", rows),
        on_lost=lambda _, rows: said.tell("lost", rows),
    )
    while not said.leaving:
        good = [each for each in consumer.consume(100, 0.05) if each.error() is None]
        for each in good:
            print("seen", each.partition(), each.offset(), flush=True)
        if good:
            try:
                consumer.commit(asynchronous=False)
            except confluent_kafka.KafkaException:
                continue  # Its next owner reads the records again.
    consumer.close()
    print("left", flush=True)


def close(process: subprocess.Popen[str]) -> None:
    """Close the pipes to a process that has ended; one may still hold what it has never read."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    with contextlib.suppress(OSError):
        process.stdin.close()


class Member:
    """Process of a member, as it is heard.

    Args:
        group: what it is a member of.
        protocol: ``classic`` or ``consumer``.
        instance_id: of a static member; None for others.
    """

    def __init__(self, group: Group, protocol: str, instance_id: str | None) -> None:
        self.group, self.protocol, self.instance_id = group, protocol, instance_id
        self.owned: set[int] = set()
        self.alive = True
        settings = {"group.protocol": protocol}
        if protocol == "classic":
            settings |= CLASSIC | {"partition.assignment.strategy": group.assignor()}
        if instance_id is not None:
            settings["group.instance.id"] = instance_id
        words = [group.bootstrap_servers, group.name, group.name]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.clients.crashes", "member", *words]
            + [f"{key}={value}" for key, value in settings.items()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=CHECKOUT,
        )
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            verb, *numbers = line.split()
            with self.group.lock:
                if self.alive:
                    self.group.hear(self, verb, [int(number) for number in numbers])
            if verb in ("gain", "lose", "lost"):
                self._say("heard")
        with self.group.lock:
            self.alive = False
            self.owned.clear()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{word}\n")
        except OSError:
            return  # It was killed.

    def leave(self) -> None:
        """Let it close its consumer, and wait until it has."""
        self._say("leave")
        self._end()

    def kill(self) -> None:
        """End it; from now on it owns nothing, and nothing that it has said before counts."""
        with self.group.lock:
            self.alive = False
            self.owned.clear()
        self._process.kill()
        self._end()

    def _end(self) -> None:
        self._process.wait(60)
        self._hearing.join()
        close(self._process)


class Group:
    """Group whose members come, go and crash under load.

    Args:
        bootstrap_servers: the broker.
        seed: what is chosen.
    """

    def __init__(self, bootstrap_servers: str, seed: int) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.name = f"crashes-{uuid.uuid4().hex[:8]}"
        self.lock = threading.Lock()
        self.steps: list[str] = []
        self._chosen = random.Random(seed)
        self._members: list[Member] = []
        self._seen: set[tuple[int, int]] = set()
        self._produced: set[tuple[int, int]] = set()
        self._twice: list[tuple[int, Member, Member]] = []
        self._killed: set[str | None] = set()
        self._producing = True
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        admin.create_topics([NewTopic(self.name, PARTITIONS, 1)])[self.name].result()

    def assignor(self) -> str:
        """Return the assignors of the next member of the classic protocol."""
        return self._chosen.choice(ASSIGNORS)

    def hear(self, member: Member, verb: str, numbers: list[int]) -> None:
        """Take in what a member says."""
        if verb == "seen":
            self._seen.add((numbers[0], numbers[1]))
        elif verb == "gain":
            for each in self._members:
                if each is not member and each.alive:
                    self._twice += [(n, each, member) for n in each.owned & set(numbers)]
            member.owned |= set(numbers)
        elif verb == "lose":
            member.owned -= set(numbers)
        elif verb == "lost":
            # Its session had ended: the machine was too busy, and it knew nothing of the others.
            self._twice = [each for each in self._twice if each[1] is not member]
            member.owned -= set(numbers)

    def _produce(self) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap_servers})

        def stored(error: Any, message: Any) -> None:
            if error is None:
                self._produced.add((message.partition(), message.offset()))

        number = 0
        while self._producing:
            producer.produce(self.name, b"x", partition=number % PARTITIONS, on_delivery=stored)
            producer.poll(0.01)
            number += 1
        producer.flush()

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 90
        while not condition():
            if time.monotonic() > deadline:
                owned = [(each.protocol, each.instance_id, each.owned) for each in self._alive()]
                raise AssertionError(f"{what} has not come to be: {self.steps}, {owned}")
            time.sleep(0.02)

    def _alive(self) -> list[Member]:
        with self.lock:
            self._members = [each for each in self._members if each.alive]
            return list(self._members)

    def _owns_everything(self) -> bool:
        owned = [number for each in self._alive() for number in each.owned]
        return sorted(owned) == list(range(PARTITIONS))

    def _join(self, protocol: str, instance_id: str | None) -> None:
        member = Member(self, protocol, instance_id)
        with self.lock:
            self._members.append(member)

    def _step(self) -> None:
        members = self._alive()
        taken = {each.instance_id for each in members}
        actions = ["join"] if len(members) < MOST else []
        actions += ["leave", "kill", "kill", "replace"] if members else []
        action = self._chosen.choice(actions)
        protocol = self._chosen.choice(("classic", "consumer"))
        if action == "join":
            # Who was killed is waited for, unless a member of the classic protocol takes its place.
            taken |= self._killed if protocol == "consumer" else set()
            free = [None, *(each for each in ("a", "b") if each not in taken)]
            instance_id = self._chosen.choice(free)
            self.steps.append(f"join {protocol} {instance_id}")
            self._join(protocol, instance_id)
            return
        member = self._chosen.choice(members)
        self.steps.append(f"{action} {member.protocol} {member.instance_id}")
        if action == "kill":
            member.kill()
            self._killed.add(member.instance_id)
            return
        member.leave()
        if action == "replace":
            other = "classic" if member.protocol == "consumer" else "consumer"
            self._join(other, member.instance_id)

    def play(self, steps: int) -> int:
        """Play the steps; return how many records were read.

        Raises:
            AssertionError: what must hold has not held.
        """
        load = threading.Thread(target=self._produce, daemon=True)
        load.start()
        try:
            for _ in range(steps):
                self._step()
                if self._alive() and self._chosen.random() < 0.7:
                    self._wait("an owner of everything", self._owns_everything)
            self._producing = False
            load.join()
            self._join("consumer", None)
            self._wait("an owner of everything", self._owns_everything)
            self._wait("a reader of everything", lambda: self._produced <= self._seen)
        finally:
            self._producing = False
            for each in self._alive():
                each.kill()
        twice = [(n, one.protocol, other.protocol) for n, one, other in self._twice]
        assert twice == [], (twice, self.steps)
        return len(self._seen)


def main(bootstrap_servers: str, steps: str = "20", seed: str = "1") -> None:
    """Play steps in a group."""
    group = Group(bootstrap_servers, int(seed))
    read = group.play(int(steps))
    print(f"seed {seed}: {read} records, {', '.join(group.steps)}")


if __name__ == "__main__":
    if sys.argv[1] == "member":
        consume(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
