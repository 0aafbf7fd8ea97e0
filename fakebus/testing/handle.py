"""What a test holds in its hand.

The bus runs in a thread of its own. :class:`TestBus` is for synchronous code; ``bus.aio`` has
the same methods as coroutines, for tests whose event loop must go on while they wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fakebus.broker.faults import Faults
from fakebus.cluster.interface import NotOnThisCluster
from fakebus.testing import contracts, flows
from fakebus.testing.brokers import BrokerKeeper
from fakebus.testing.calling import Calling, awaiting, blocking
from fakebus.testing.client_settings import Library, client_config
from fakebus.testing.observer import Observer
from fakebus.testing.timekeeping import Timekeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Addresses at which a cluster is reached."""

    bootstrap_servers: str
    find_http: Callable[[], str] = field(repr=False)
    find_registry: Callable[[], str] = field(repr=False)

    @property
    def http_url(self) -> str:
        """Where HTTP is served; a bus of our own begins to when this is asked for.

        Raises:
            NotOnThisCluster: the cluster is an external one.
        """
        return self.find_http()

    @property
    def schema_registry_url(self) -> str:
        """Where schemas are registered; of a bus of our own the same as :attr:`http_url`.

        Raises:
            NotOnThisCluster: the cluster is an external one, and no registry was named.
        """
        return self.find_registry()

    def client_config(
        self, group: str | None = None, *, library: Library = "librdkafka"
    ) -> dict[str, Any]:
        """Return settings that make a client quick enough for tests; see :func:`client_config`."""
        return client_config(self.bootstrap_servers, group, library)


class TestClock(Calling[Timekeeper]):
    """The bus's time; see :class:`Timekeeper`."""

    __test__ = False

    now = blocking(Timekeeper.now)
    freeze = blocking(Timekeeper.freeze)
    resume = blocking(Timekeeper.resume)
    advance = blocking(Timekeeper.advance)
    set = blocking(Timekeeper.set)


class AsyncTestClock(Calling[Timekeeper]):
    """The methods of :class:`TestClock` as coroutines."""

    now = awaiting(Timekeeper.now)
    freeze = awaiting(Timekeeper.freeze)
    resume = awaiting(Timekeeper.resume)
    advance = awaiting(Timekeeper.advance)
    set = awaiting(Timekeeper.set)


class TestBrokers(Calling[BrokerKeeper]):
    """The bus's brokers; see :class:`BrokerKeeper`."""

    __test__ = False

    running = blocking(BrokerKeeper.running)
    stop = blocking(BrokerKeeper.stop)
    start = blocking(BrokerKeeper.start)
    leader = blocking(BrokerKeeper.leader)
    coordinator = blocking(BrokerKeeper.coordinator)


class AsyncTestBrokers(Calling[BrokerKeeper]):
    """The methods of :class:`TestBrokers` as coroutines."""

    running = awaiting(BrokerKeeper.running)
    stop = awaiting(BrokerKeeper.stop)
    start = awaiting(BrokerKeeper.start)
    leader = awaiting(BrokerKeeper.leader)
    coordinator = awaiting(BrokerKeeper.coordinator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Capabilities of a bus of our own, which no other cluster has."""

    timekeeper: Timekeeper
    faults: Faults
    brokers: BrokerKeeper
    expelled: tuple[str, ...] = ()
    """Consumers that the rollbacks of the last tests have taken out of their groups."""


class _Handle(Calling[Observer]):
    """Handle of a test; what is the same for coroutines.

    Args:
        observer: does the work in the cluster's own event loop.
        loop: that event loop, in another thread.
        addresses: where clients find the cluster.
        capabilities: the clock and the faults of a bus of our own.
    """

    __test__ = False

    def __init__(
        self,
        observer: Observer,
        loop: asyncio.AbstractEventLoop,
        addresses: Addresses,
        capabilities: Capabilities | None,
    ) -> None:
        super().__init__(observer, loop)
        self._addresses, self._capabilities = addresses, capabilities

    @property
    def bootstrap_servers(self) -> str:
        """What Kafka clients take as ``bootstrap.servers``."""
        return self._addresses.bootstrap_servers

    @property
    def http_url(self) -> str:
        """Where HTTP is served; see :attr:`Addresses.http_url`."""
        return self._addresses.http_url

    @property
    def schema_registry_url(self) -> str:
        """Where schemas are registered; see :attr:`Addresses.schema_registry_url`."""
        return self._addresses.schema_registry_url

    @property
    def is_external(self) -> bool:
        """Whether the cluster is a Kafka that somebody else runs."""
        return self._worker.cluster.is_external

    @property
    def tested_with(self) -> list[str]:
        """The names and versions of the fixture sets that the test finds, and of those they use."""
        from fakebus.fixture_files.loader import set_labels

        return set_labels(list(self._worker.fixtures))

    def client_config(
        self, group: str | None = None, *, library: Library = "librdkafka"
    ) -> dict[str, Any]:
        """Return settings that make a client quick enough for tests.

        Args:
            group: the group of a consumer; without one they fit producers and admin clients.
            library: whose spelling: ``librdkafka``, ``java``, ``aiokafka`` or ``kafka-python``.
        """
        real = None if group is None else self.group(group)
        return self._addresses.client_config(real, library=library)

    def topic(self, name: str) -> str:
        """Return the name that a topic really has; another one only under ``namespace``."""
        return self._worker.namespace.real(name)

    def group(self, name: str) -> str:
        """Return the name that a group really has; another one only under ``namespace``."""
        return self._worker.namespace.real(name)

    def _capability(self, noun: str) -> Capabilities:
        if self._capabilities is None:
            raise NotOnThisCluster(
                f"{noun} needs a bus of our own; mark the test "
                f'@pytest.mark.fakebus(needs="{noun}") to skip it here'
            )
        return self._capabilities

    @property
    def expelled(self) -> tuple[str, ...]:
        """Consumers that lived on after the last tests, which took them out of their groups.

        They notice by their next heartbeat, and may miss records and fail to commit until then.
        """
        return () if self._capabilities is None else self._capabilities.expelled

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose; see :class:`Faults`.

        Raises:
            NotOnThisCluster: the cluster is an external one.
        """
        return self._capability("faults").faults


class AsyncTestBus(_Handle):
    """The methods of :class:`TestBus` as coroutines."""

    @property
    def clock(self) -> AsyncTestClock:
        """The bus's time; as :attr:`TestBus.clock`."""
        return AsyncTestClock(self._capability("clock").timekeeper, self._loop)

    @property
    def brokers(self) -> AsyncTestBrokers:
        """The bus's brokers; as :attr:`TestBus.brokers`."""
        return AsyncTestBrokers(self._capability("brokers").brokers, self._loop)

    publish = awaiting(Observer.publish)
    publish_event = awaiting(Observer.publish_event)
    take = awaiting(Observer.take)
    assert_schema_compatible = awaiting(Observer.assert_schema_compatible)
    assert_emitted_as_shared = awaiting(contracts.assert_emitted_as_shared)
    deliver = awaiting(contracts.deliver)
    produced = awaiting(contracts.produced)
    shared_sets = awaiting(contracts.shared_sets)
    expect = awaiting(Observer.expect)
    flow = awaiting(flows.flow)
    assert_no_unhandled = awaiting(flows.assert_no_unhandled)
    expect_none = awaiting(Observer.expect_none)
    events = awaiting(Observer.events)
    emitted = awaiting(Observer.emitted)
    wait_for_group = awaiting(Observer.wait_for_group)
    wait_for_members = awaiting(Observer.wait_for_members)
    lag = awaiting(Observer.lag)
    seed = awaiting(Observer.seed)
    timeline = awaiting(Observer.timeline)
    snapshot = awaiting(Observer.snapshot)
    rollback = awaiting(Observer.rollback)


class TestBus(_Handle):
    """A running cluster as a test uses it."""

    @cached_property
    def aio(self) -> AsyncTestBus:
        """The same methods as coroutines."""
        return AsyncTestBus(self._worker, self._loop, self._addresses, self._capabilities)

    @property
    def clock(self) -> TestClock:
        """The bus's time.

        Raises:
            NotOnThisCluster: the cluster is an external one.
        """
        return TestClock(self._capability("clock").timekeeper, self._loop)

    @property
    def brokers(self) -> TestBrokers:
        """The bus's brokers, to be stopped and started.

        Raises:
            NotOnThisCluster: the cluster is an external one.
        """
        return TestBrokers(self._capability("brokers").brokers, self._loop)

    publish = blocking(Observer.publish)
    publish_event = blocking(Observer.publish_event)
    take = blocking(Observer.take)
    assert_schema_compatible = blocking(Observer.assert_schema_compatible)
    assert_emitted_as_shared = blocking(contracts.assert_emitted_as_shared)
    deliver = blocking(contracts.deliver)
    produced = blocking(contracts.produced)
    shared_sets = blocking(contracts.shared_sets)
    expect = blocking(Observer.expect)
    flow = blocking(flows.flow)
    assert_no_unhandled = blocking(flows.assert_no_unhandled)
    expect_none = blocking(Observer.expect_none)
    events = blocking(Observer.events)
    emitted = blocking(Observer.emitted)
    wait_for_group = blocking(Observer.wait_for_group)
    wait_for_members = blocking(Observer.wait_for_members)
    lag = blocking(Observer.lag)
    seed = blocking(Observer.seed)
    timeline = blocking(Observer.timeline)
    snapshot = blocking(Observer.snapshot)
    rollback = blocking(Observer.rollback)
