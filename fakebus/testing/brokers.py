"""The brokers of a bus, in the hands of a test."""

from __future__ import annotations

from fakebus.broker.broker import Broker
from fakebus.broker.nodes import KEPT_IN
from fakebus.testing.naming import Namespace


class BrokerKeeper:
    """Stops and starts the brokers of a bus; coroutines in the bus's own event loop.

    The bus has several where its settings say so: ``brokers=3``. What a test has stopped runs
    again when the test is over, and leads what it has led.

    Args:
        broker: the bus.
        namespace: the names of the test.
    """

    def __init__(self, broker: Broker, namespace: Namespace) -> None:
        self._broker = broker
        self._namespace = namespace

    async def running(self) -> list[int]:
        """Return the numbers of the brokers that run."""
        nodes = self._broker.nodes
        return [node_id for node_id in nodes.ids if nodes.is_running(node_id)]

    async def stop(self, node_id: int) -> None:
        """Stop a broker: its clients are dropped, and others lead what it has led.

        Raises:
            BrokerError: there is no such broker, or it is the last one that runs.
        """
        await self._broker.nodes.stop(node_id)

    async def start(self, node_id: int) -> None:
        """Start a broker again; it leads what nobody else could.

        Raises:
            BrokerError: there is no such broker.
        """
        await self._broker.nodes.start(node_id)

    async def leader(self, topic: str, partition: int = 0) -> int:
        """Return the broker that leads a partition; -1 if none does.

        Raises:
            LookupError: there is no such partition.
        """
        found = self._broker.topics.get(self._namespace.real(topic))
        log = None if found is None else found.partition(partition)
        if log is None:
            raise LookupError(f"there is no partition {topic}[{partition}]")
        return self._broker.nodes.leader(log)

    async def coordinator(self, group: str) -> int:
        """Return the broker that coordinates a group; -1 before any group was."""
        return self._broker.nodes.coordinator(KEPT_IN["GROUP"], self._namespace.real(group))
