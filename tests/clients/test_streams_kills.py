"""Kafka Streams counts every word exactly once while it and the bus are killed (EOS v2)."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.clients.build import CLIENTS
from tests.clients.cluster import SETTINGS, FakebusCluster
from tests.clients.program_fixtures import needed
from tests.clients.programs import Program
from tests.clients.python.isolation import READ_COMMITTED
from tests.clients.scenarios import wait_for_groups

pytestmark = pytest.mark.clients

LINES, COUNTS, APPLICATION = "lines", "counts", "word-count"
PARTITIONS = 3
ROUNDS = 3
LINES_OF_A_ROUND = 100
WORDS = "the bus comes and the bus goes or it does not".split()
WAIT_S = 60.0
NEVER = 1 << 40


class Text:
    """Text that is written line by line, and what its words count."""

    def __init__(self, cluster: FakebusCluster, seed: int) -> None:
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._producer = confluent_kafka.Producer(
            {"bootstrap.servers": cluster.bootstrap_servers, "enable.idempotence": True}
        )

    def write(self, lines: int) -> None:
        for number in range(lines):
            words = self.random.choices(WORDS, k=4)
            self.counts.update(words)
            self._producer.produce(LINES, " ".join(words), partition=number % PARTITIONS)
        assert self._producer.flush(WAIT_S) == 0


def written(cluster: FakebusCluster) -> dict[str, list[int]]:
    """Return the counts that were written for each word, as readers of committed records see."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": "unused",
            "isolation.level": READ_COMMITTED,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(COUNTS, number, 0) for number in range(PARTITIONS)])
    found: dict[str, list[int]] = defaultdict(list)
    open_ends = set(range(PARTITIONS))
    while open_ends:
        message = consumer.poll(WAIT_S)
        assert message is not None, "the consumer came to no end"
        if message.error() is not None:
            open_ends.discard(message.partition())
        else:
            found[message.key().decode()].append(int(message.value()))
    consumer.close()
    return found


@pytest.mark.parametrize("protocol", ["classic", "streams"])
def test_words_are_counted_exactly_once_while_streams_and_the_bus_are_killed(
    tmp_path: Path, protocol: str
) -> None:
    command = needed(CLIENTS["java"].command)
    cluster = FakebusCluster(tmp_path, SETTINGS)
    cluster.start()
    counting = {
        "topic": LINES,
        "to": COUNTS,
        "group": APPLICATION,
        "guarantee": "exactly_once_v2",
        "protocol": protocol,
        "transaction_timeout_ms": 2000,
    }
    program = None
    try:
        wait_for_groups(cluster)
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
        new = [NewTopic(name, PARTITIONS) for name in (LINES, COUNTS)]
        for future in admin.create_topics(new).values():
            future.result(WAIT_S)
        text = Text(cluster, 7)
        for round_number in range(ROUNDS):
            before = sum(map(len, written(cluster).values()))
            text.write(LINES_OF_A_ROUND)
            program = Program("java", command, cluster.bootstrap_servers)
            program.send("count_words", count=NEVER, **counting)
            deadline = time.monotonic() + WAIT_S
            # It counts while more comes, and is killed at any moment of that.
            while sum(map(len, written(cluster).values())) == before:
                assert time.monotonic() < deadline, "nothing is counted"
                threading.Event().wait(0.1)
            text.write(LINES_OF_A_ROUND)
            threading.Event().wait(text.random.uniform(0.0, 0.5))
            if round_number == 1:
                cluster.kill()
                cluster.start()
                text.write(LINES_OF_A_ROUND)
                threading.Event().wait(text.random.uniform(0.0, 1.0))
            program.kill()
        program = Program("java", command, cluster.bootstrap_servers)
        counted = program.call("count_words", count=text.counts.total(), **counting)
        assert counted == text.counts
        assert written(cluster) == {
            word: list(range(1, count + 1)) for word, count in text.counts.items()
        }
        topics = admin.list_topics(timeout=WAIT_S).topics
        assert {f"{APPLICATION}-counts-{kind}" for kind in ("changelog", "repartition")} <= set(
            topics
        )
    finally:
        if program is not None:
            program.kill()
        cluster.kill()
