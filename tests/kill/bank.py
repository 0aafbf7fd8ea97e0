"""A bank on transactions: money goes between two accounts while the bus is killed again and again.

    python -m tests.kill.bank [ROUNDS]

Each transfer is a record in either topic, both in one transaction; some are aborted. After the
rounds readers of committed records must see both halves of a transfer or none, none of them twice,
none that was aborted, and all whose commit was acknowledged.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import confluent_kafka

from tests.clients.cluster import SETTINGS, FakebusCluster
from tests.clients.python.isolation import READ_UNCOMMITTED, read

TOPICS = ("debit", "credit")


class Bank:
    """Bank that makes transfers until it is stopped, and remembers what became of them.

    Args:
        cluster: where it writes.
        seed: of its decisions.
    """

    def __init__(self, cluster: FakebusCluster, seed: int) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)
        self.count = 0
        self.committed: set[int] = set()
        self.aborted: set[int] = set()

    def open(self) -> confluent_kafka.Producer:
        """Return a producer that has taken over from the last one."""
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": self.cluster.bootstrap_servers,
                "transactional.id": "bank",
                "log_level": 0,
            }
        )
        producer.init_transactions(30)
        return producer

    def work(self, producer: confluent_kafka.Producer) -> None:
        """Make transfers until the broker is gone."""
        while True:
            self.count += 1
            number, amount = self.count, self.random.randint(1, 9)
            abort = self.random.random() < 0.2
            try:
                producer.begin_transaction()
                for topic, sign in zip(TOPICS, (-1, 1), strict=True):
                    producer.produce(topic, json.dumps([number, sign * amount]), partition=0)
                producer.flush(2)
                if abort:
                    producer.abort_transaction(2)
                    self.aborted.add(number)
                else:
                    producer.commit_transaction(2)
                    self.committed.add(number)
            except confluent_kafka.KafkaException:
                return

    def check(self) -> None:
        """Look at the books.

        Raises:
            AssertionError: they are wrong.
        """
        debit, credit = (
            [tuple(json.loads(value or b"")) for value in read(self.cluster, topic)]
            for topic in TOPICS
        )
        assert len(dict(debit)) == len(debit), "a transfer was seen twice"
        assert debit == [(number, -amount) for number, amount in credit]
        assert self.committed <= dict(debit).keys(), "an acknowledged transfer is lost"
        assert not self.aborted & dict(debit).keys(), "an aborted transfer was seen"
        assert len(read(self.cluster, "debit", READ_UNCOMMITTED)) >= len(debit)


def play(directory: Path, rounds: int, seed: int = 7) -> Bank:
    """Kill the bus in the middle of transfers, ``rounds`` times, and check the books."""
    cluster = FakebusCluster(directory, {**SETTINGS, "auto.create.topics.enable": "true"})
    cluster.start()
    bank = Bank(cluster, seed)
    try:
        for number in range(rounds):
            if number % 25 == 0:
                print(f"{number} of {rounds} rounds, {bank.count} transfers", flush=True)
            producer = bank.open()
            killer = threading.Timer(bank.random.uniform(0.02, 0.25), cluster.kill)
            killer.start()
            bank.work(producer)
            killer.join()
            cluster.start()
        bank.open()
        bank.check()
    finally:
        cluster.kill()
    return bank


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        started = time.monotonic()
        played = play(Path(directory), int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    print(
        f"the books are right after {time.monotonic() - started:.0f} s: {played.count} transfers, "
        f"{len(played.committed)} acknowledged, {len(played.aborted)} aborted"
    )
