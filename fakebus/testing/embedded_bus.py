"""A bus of our own that serves one test after the other."""

from __future__ import annotations

import os
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

# Read now: compiled for classes of datetime, it warns where a test has put others there.
import msgpack  # noqa: F401

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.broker.faults import Faults
from fakebus.broker.snapshots import Snapshot
from fakebus.clock import AdjustableClock
from fakebus.config import Settings
from fakebus.real_time import monotonic
from fakebus.testing.brokers import BrokerKeeper
from fakebus.testing.calling import begin
from fakebus.testing.handle import Addresses, Capabilities, TestBus
from fakebus.testing.isolation import Isolation, advance, delete, names_there
from fakebus.testing.naming import Namespace, OwnNames, new_namespace
from fakebus.testing.observer import Observer
from fakebus.testing.scoped_bus import ScopedBus
from fakebus.testing.timekeeping import Timekeeper

T = TypeVar("T")

_MEMORY_S = 10.0
"""For how long a consumer may not have noticed that it is in no group any more."""

TEST_CONFIGS: Mapping[str, str] = {
    "fakebus.evict.on.disconnect": "true",
    "group.min.session.timeout.ms": "100",
    "connections.max.idle.ms": "-1",
}
"""What tests want and a broker does not: members whose connection closed leave at once, and
no connection is cut because a test has moved the clock."""


class EmbeddedBus:
    """A bus in a thread of its own, for ``with``.

    Args:
        settings: as for :class:`~fakebus.app.FakeBus`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = AdjustableClock()
        self._thread = BusThread(FakeBus(settings, clock=self._clock, synchronous=False))
        self._process_id = os.getpid()
        self._faults: Faults
        self._asking_for_http = threading.Lock()
        self._expelled: dict[str, float] = {}
        """What members were taken out of their groups, and when, on the machine's clock."""

    def __enter__(self) -> Self:
        """Start the bus; raises what starting it raised."""
        self._thread.__enter__()
        broker = self._thread.bus.broker

        async def rebalance(group: str) -> bool:
            return broker.group_coordinator.rebalance(group)

        self._faults = broker.faults
        self._faults.rebalance_group = lambda group: self._run(rebalance(group))
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop the bus."""
        self._thread.__exit__(None, None, None)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return begin(work, self._thread.loop, self._process_id).result()

    @property
    def addresses(self) -> Addresses:
        """Where clients find the bus."""
        bus = self._thread.bus
        return Addresses(
            bootstrap_servers=bus.bootstrap_servers,
            find_http=self._http_url,
            find_registry=self._http_url,
        )

    def _http_url(self) -> str:
        bus = self._thread.bus
        with self._asking_for_http:
            if not bus.http_url:
                # Importing what serves it takes longer than all the rest, and few tests need it.
                self._run(bus.serve_http(Address("127.0.0.1", 0)))
            return bus.http_url

    @contextmanager
    def test(
        self,
        isolation: Isolation = Isolation.ROLLBACK,
        fixtures: Sequence[Path] = (),
    ) -> Iterator[TestBus]:
        """Give one test its handle; what it did is undone at the end of the block.

        Args:
            isolation: how it is undone.
            fixtures: directories of fixture files that this test wants besides.
        """
        namespace = Namespace()
        if isolation is Isolation.NAMESPACE:
            namespace = new_namespace()
            fixtures = [*self._settings.fixtures, *fixtures]
        bus = self._thread.bus
        begin = self._run(bus.broker.snapshots.take())
        own = OwnNames(namespace=namespace)
        if isolation is Isolation.TOPICS:
            own = self._run(names_there(bus.broker, bus.registry, namespace))
        cluster = ScopedBus(bus, begin)
        if isolation is not Isolation.NAMESPACE:
            cluster.seeded += self._settings.fixtures
        try:
            yield self._run(self._handle(cluster, namespace, fixtures))
        finally:
            self._run(self._end(isolation, begin, own, cluster))

    async def _handle(
        self, cluster: ScopedBus, namespace: Namespace, fixtures: Sequence[Path]
    ) -> TestBus:
        if fixtures:
            await cluster.seed(fixtures, namespace)
            await cluster.begin_anew()
        self._faults.use_names(namespace.real)
        capabilities = Capabilities(
            timekeeper=Timekeeper(self._thread.bus.broker, self._clock),
            faults=self._faults,
            brokers=BrokerKeeper(self._thread.bus.broker, namespace),
            expelled=self._lately_expelled(),
        )
        observer = Observer(cluster, namespace, [*self._settings.fixtures, *fixtures])
        return TestBus(observer, self._thread.loop, self.addresses, capabilities)

    async def _end(
        self, isolation: Isolation, begin: Snapshot, own: OwnNames, cluster: ScopedBus
    ) -> None:
        bus = self._thread.bus
        try:
            cluster.forget(but=begin)
            self._faults.clear()
            await bus.broker.nodes.reset()
            self._clock.reset()
            if isolation is Isolation.ROLLBACK:
                self._note_members()
                await bus.broker.snapshots.roll_back(begin)
            elif isolation is Isolation.ADVANCE:
                await advance(bus.broker, begin)
            elif isolation is not Isolation.NONE:
                await delete(bus.broker, bus.registry, own)
            bus.broker.activity.clear()
        finally:
            bus.broker.snapshots.forget(begin)

    def _note_members(self) -> None:
        coordinator, now = self._thread.bus.broker.group_coordinator, monotonic()
        for group in coordinator.names():
            description = coordinator.describe(group)
            for member in description.members if description is not None else ():
                self._expelled[f"{member.client_id} of group {group}"] = now

    def _lately_expelled(self) -> tuple[str, ...]:
        since = monotonic() - _MEMORY_S
        self._expelled = {who: at for who, at in self._expelled.items() if at > since}
        return tuple(self._expelled)


@contextmanager
def running_bus(
    *,
    fixtures: str | Path | Sequence[str | Path] = (),
    partitions: int | None = None,
    set: Mapping[str, str] | None = None,
    http: bool = False,
) -> Iterator[TestBus]:
    """Run a bus in memory and on free ports while the block runs; for any test runner.

    Args:
        fixtures: directories of fixture files to seed from.
        partitions: how many partitions topics get that say nothing else.
        set: broker configs by Kafka's names.
        http: whether HTTP is served from the beginning, not only when it is asked for.

    Raises:
        ConfigError: a config is not known or not valid.
        FixtureError: a fixture set has problems.
    """
    directories = [fixtures] if isinstance(fixtures, str | Path) else fixtures
    settings = bus_settings(
        fixtures=[Path(directory) for directory in directories],
        partitions=partitions,
        configs=set or {},
        http=http,
    )
    with EmbeddedBus(settings) as bus, bus.test(Isolation.NONE) as handle:
        yield handle


def bus_settings(
    *,
    fixtures: Sequence[Path] = (),
    partitions: int | None = None,
    configs: Mapping[str, str],
    http: bool = False,
    brokers: int = 1,
) -> Settings:
    """Return the settings of a bus for tests: in memory, on free ports, nobody to wait for.

    Args:
        fixtures: directories of fixture files to seed from.
        partitions: Kafka's ``num.partitions``.
        configs: broker configs by Kafka's names; they win.
        http: whether HTTP is served from the beginning.
        brokers: how many brokers there seem to be.
    """
    own = dict(TEST_CONFIGS)
    if partitions is not None:
        own["num.partitions"] = str(partitions)
    return Settings(
        fixtures=tuple(fixtures),
        data=None,
        kafka=(Address("127.0.0.1", 0),),
        http=(Address("127.0.0.1", 0),) if http else (),
        set={**own, **configs},
        brokers=brokers,
    )
