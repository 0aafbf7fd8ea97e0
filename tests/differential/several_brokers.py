"""Three brokers of Apache Kafka, and three of a bus, that are stopped and started alike."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.isolation import Isolation
from tests.differential.sides import Side, attempts
from tools.kafka import Kafka, free_port, new_cluster_id

IDS = (1, 2, 3)
CONTROLLER = 1
"""Of Kafka the broker that is the controller, too; it is not stopped."""


class Cluster:
    """Three brokers.

    Args:
        bootstrap_servers: of each, by its number.
        stop: stops one.
        start: starts one again.
    """

    def __init__(
        self,
        bootstrap_servers: dict[int, str],
        stop: Callable[[int], None],
        start: Callable[[int], None],
    ) -> None:
        self.sides = {number: Side(address) for number, address in bootstrap_servers.items()}
        self._stop, self._start = stop, start
        self._stopped: set[int] = set()

    def ask(self, api: ApiKey, version: int, message: Any, of: int = CONTROLLER) -> Any:
        return self.sides[of].call(api, version, message)

    def stop(self, number: int) -> None:
        """Stop a broker, and wait until the others know."""
        self._stop(number)
        self._stopped.add(number)
        self.sides[number].disconnect()
        self._await_brokers()

    def start(self, number: int) -> None:
        """Start a broker, and wait until the others know."""
        self._start(number)
        self._stopped.discard(number)
        self._await_brokers()

    def _await_brokers(self) -> None:
        running = set(IDS) - self._stopped
        for _ in attempts():
            if all(self._brokers(number) == running for number in running):
                return
        raise AssertionError(running)

    def _brokers(self, number: int) -> set[int]:
        asked = m.MetadataRequest(topics=[], allow_auto_topic_creation=False)
        return {each.node_id for each in self.ask(ApiKey.METADATA, 9, asked, number).brokers}

    def create(self, name: str, *replicas: list[int], **configs: str) -> None:
        """Create a topic of these replicas; underscores in the configs' names stand for dots."""
        topic = m.CreatableTopic(
            name=name,
            num_partitions=-1,
            replication_factor=-1,
            assignments=[
                m.CreatableReplicaAssignment(partition_index=index, broker_ids=each)
                for index, each in enumerate(replicas)
            ],
            configs=[
                m.CreatableTopicConfig(name=key.replace("_", "."), value=value)
                for key, value in configs.items()
            ],
        )
        asked = m.CreateTopicsRequest(topics=[topic], timeout_ms=10_000)
        answer = self.ask(ApiKey.CREATE_TOPICS, 7, asked).topics[0]
        assert answer.error_code == 0, answer

    def placed(self, topic: str) -> list[Any]:
        """Return for each partition the leader, the replicas, those in sync and those offline."""
        asked = m.MetadataRequest(
            topics=[m.MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False
        )
        rows = self.ask(ApiKey.METADATA, 9, asked).topics[0].partitions
        return [
            (
                *(each.error_code, each.leader_id, each.replica_nodes, sorted(each.isr_nodes)),
                each.offline_replicas,
            )
            for each in sorted(rows, key=lambda row: row.partition_index)
        ]

    def settled(self, topic: str, wanted: Callable[[list[Any]], bool]) -> list[Any]:
        """Return where a topic is when that is as wanted, or after a while as it is then."""
        for _ in attempts(10):
            found = self.placed(topic)
            if wanted(found):
                break
        return found


@contextlib.contextmanager
def kafka_brokers() -> Iterator[Cluster]:
    """Run three brokers of Apache Kafka."""
    controller, cluster_id = f"127.0.0.1:{free_port()}", new_cluster_id()
    with tempfile.TemporaryDirectory(prefix="kafka-referee-") as directory:
        kafkas = {}
        for number in IDS:
            home = Path(directory) / str(number)
            home.mkdir()
            port = free_port()
            here = f"PLAINTEXT://127.0.0.1:{port}"
            also = number == CONTROLLER
            settings = {
                "node.id": str(number),
                "process.roles": "broker,controller" if also else "broker",
                "listeners": f"{here},CONTROLLER://{controller}" if also else here,
                "controller.quorum.voters": f"{CONTROLLER}@{controller}",
                "default.replication.factor": "3",
                "replica.lag.time.max.ms": "10000",
            }
            kafkas[number] = Kafka(home, port, settings, cluster_id=cluster_id)
        try:
            for each in kafkas.values():
                each.start()
            yield Cluster(
                {number: each.bootstrap_servers for number, each in kafkas.items()},
                lambda number: kafkas[number].stop(),
                lambda number: kafkas[number].start(),
            )
        finally:
            # The controller last: without it the others wait half a minute for leave to go.
            for number in sorted(kafkas, reverse=True):
                kafkas[number].stop()


@contextlib.contextmanager
def bus_brokers() -> Iterator[Cluster]:
    """Run three brokers of a bus."""
    with (
        EmbeddedBus(bus_settings(configs={}, brokers=3)) as bus,
        bus.test(Isolation.NONE) as handle,
    ):
        servers = dict(zip(IDS, handle.bootstrap_servers.split(","), strict=True))
        yield Cluster(servers, handle.brokers.stop, handle.brokers.start)
