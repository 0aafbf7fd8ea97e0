"""Members that are killed while their group changes its protocol: nothing is owned twice or lost.

    python -m tests.clients.crashes BOOTSTRAP [STEPS [SEED]]

Each member is a process with a consumer of librdkafka: of the classic protocol with one of several
assignors, or of the new one; static or not. In each step one joins, leaves, is killed, or is
replaced by one of the other protocol under the same instance id. A member goes on only when it was
heard what it was given or has given up, so what is heard is in the order in which it happened.
"""

from __future__ import annotations

import random
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.clients.heard import Load, Process, wait

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
        self.has_owned = False
        """Whether it ever owned anything, and so has heard that it is a member."""
        self.alive = True
        settings = {"group.protocol": protocol}
        if protocol == "classic":
            settings |= CLASSIC | {"partition.assignment.strategy": group.assignor()}
        if instance_id is not None:
            settings["group.instance.id"] = instance_id
        words = [group.bootstrap_servers, group.name, group.name]
        words = ["member", *words, *(f"{key}={value}" for key, value in settings.items())]
        self._process = Process("tests.clients.crashes", words, self._hear, self._gone)
        self.leave = self._process.leave

    def _hear(self, line: str) -> None:
        verb, *numbers = line.split()
        with self.group.lock:
            # What it has read it may have committed, even if it is heard only after its end.
            if self.alive or verb == "seen":
                self.group.hear(self, verb, [int(number) for number in numbers])
        if verb in ("gain", "lose", "lost"):
            self._process.say("heard")

    def _gone(self, status: int | None = None) -> None:
        with self.group.lock:
            self.alive = False
            self.owned.clear()
            if status is not None:
                self.group.died.append(f"{self.protocol} {self.instance_id}: {status}")

    def kill(self) -> None:
        """End it; from now on it owns nothing, whatever it has said before."""
        self._gone()
        self._process.kill()


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
        self.died: list[str] = []
        """Members that have ended by themselves, and how."""
        self._chosen = random.Random(seed)
        self._members: list[Member] = []
        self._seen: set[tuple[int, int]] = set()
        self._twice: list[tuple[int, Member, Member]] = []
        self._unreleased: set[str | None] = set()
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        admin.create_topics([NewTopic(self.name, PARTITIONS, 1)])[self.name].result()
        self._load = Load(bootstrap_servers, self.name, PARTITIONS, 0.01)

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
            member.has_owned = True
        elif verb == "lose":
            member.owned -= set(numbers)
        elif verb == "lost":
            # Its session had ended: the machine was too busy, and it knew nothing of the others.
            self._twice = [each for each in self._twice if each[1] is not member]
            member.owned -= set(numbers)

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        wait(what, condition, self._told)

    def _told(self) -> object:
        owned = [(each.protocol, each.instance_id, each.owned) for each in self._alive()]
        return self.steps, owned, self.died, self._missing()[:20]

    def _missing(self) -> list[tuple[int, int]]:
        return sorted(self._load.stored - self._seen)

    def _alive(self) -> list[Member]:
        with self.lock:
            self._members = [each for each in self._members if each.alive]
            return list(self._members)

    def _owns_everything(self) -> bool:
        assert self.died == [], self._told()
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
            # Who has not said that it goes is waited for, unless a member of the classic protocol
            # takes its place; librdkafka gives up when it is told so.
            taken |= self._unreleased if protocol == "consumer" else set()
            free = [None, *(each for each in ("a", "b") if each not in taken)]
            instance_id = self._chosen.choice(free)
            self.steps.append(f"join {protocol} {instance_id}")
            self._join(protocol, instance_id)
            return
        member = self._chosen.choice(members)
        self.steps.append(f"{action} {member.protocol} {member.instance_id}")
        if action == "kill":
            member.kill()
            self._unreleased.add(member.instance_id)
            return
        member.leave()
        if not member.has_owned:
            # It may have asked to be let in and not stayed for the answer: librdkafka says nothing
            # then when it goes.
            self._unreleased.add(member.instance_id)
        if action == "replace":
            other = "classic" if member.protocol == "consumer" else "consumer"
            self._join(other, member.instance_id)

    def play(self, steps: int) -> int:
        """Play the steps; return how many records were read.

        Raises:
            AssertionError: what must hold has not held.
        """
        self._load.start()
        try:
            for _ in range(steps):
                self._step()
                if self._alive() and self._chosen.random() < 0.7:
                    self._wait("an owner of everything", self._owns_everything)
            self._load.stop()
            self._join("consumer", None)
            self._wait("an owner of everything", self._owns_everything)
            self._wait("a reader of everything", lambda: not self._missing())
        finally:
            self._load.stop()
            for each in self._alive():
                each.kill()
        assert self.died == [], self.steps
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
