"""A Kafka that runs already, for the same tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from fakebus.bus_thread import BusThread
from fakebus.client.connection import ClientError, Connection
from fakebus.client.reachability import parse_servers
from fakebus.client.registry import RegistryClient
from fakebus.client.seed_log import SeedLog
from fakebus.cluster.external import ExternalCluster
from fakebus.cluster.interface import NotOnThisCluster
from fakebus.errors import ConfigError
from fakebus.green_threads import demand_real_threads
from fakebus.real_time import keep_real_time
from fakebus.testing.calling import begin
from fakebus.testing.handle import Addresses, TestBus
from fakebus.testing.isolation import Isolation
from fakebus.testing.naming import Namespace, OwnNames, new_namespace
from fakebus.testing.observer import Observer
from fakebus.testing.scoped_kafka import ScopedKafka, demand_registry

T = TypeVar("T")


def _no_http() -> str:
    raise NotOnThisCluster("HTTP is served by a bus of our own only; see schema_registry_url")


@asynccontextmanager
async def _connected(cluster: ExternalCluster) -> AsyncIterator[None]:
    keep_real_time(asyncio.get_running_loop())
    try:
        yield
    finally:
        await cluster.close()


class ExternalBus:
    """Bus elsewhere, reached as a client, for ``with``.

    Args:
        bootstrap_servers: where it is.
        registry_url: where its schema registry is; empty for none.
        fixtures: directories of fixture files that every test finds.
        partitions: how many partitions new topics get; the cluster's default when left out.

    Raises:
        FakebusError: the threads of the process are greenlets.
        MissingExtraError: there is no client library.
        ConfigError: the cluster is not reached.
        RegistryClientError: the registry is not reached.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        registry_url: str,
        fixtures: Sequence[Path] = (),
        partitions: int | None = None,
    ) -> None:
        demand_real_threads()
        self._registry = RegistryClient(registry_url) if registry_url else None
        if self._registry is not None:
            self._registry.subjects(new_namespace().prefix)
        self._given_url = registry_url
        self._partitions = partitions
        connection = Connection(
            "--fakebus-bootstrap", parse_servers(bootstrap_servers), client_id="fakebus-tests"
        )
        try:
            self._cluster = ExternalCluster(connection, self._registry)
        except ClientError as error:
            raise ConfigError(f"no Kafka answers at {bootstrap_servers}: {error}") from None
        self.addresses = Addresses(
            bootstrap_servers=bootstrap_servers,
            find_http=_no_http,
            find_registry=self._registry_url,
        )
        """Where clients find the cluster."""
        self._fixtures = self._unseeded = tuple(fixtures)
        self._thread = BusThread(_connected(self._cluster))
        self._process_id = os.getpid()

    def __enter__(self) -> Self:
        """Connect."""
        self._thread.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        """Disconnect."""
        self._thread.__exit__(None, None, None)

    def _registry_url(self) -> str:
        demand_registry(self._registry, "schema_registry_url")
        return self._given_url

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return begin(work, self._thread.loop, self._process_id).result()

    @contextmanager
    def test(
        self,
        isolation: Isolation = Isolation.NAMESPACE,
        fixtures: Sequence[Path] = (),
    ) -> Iterator[TestBus]:
        """Give one test its handle; its topics and groups are deleted at the end of the block.

        Args:
            isolation: ``topics`` leaves all names as they are; ``none`` deletes nothing; anything
                else is ``namespace`` here.
            fixtures: directories of fixture files that this test wants besides.
        """
        cluster = ScopedKafka(self._cluster, self._registry, self._partitions)
        every = (*self._fixtures, *fixtures)
        if isolation is Isolation.TOPICS:
            self._seed_once()
            namespace = Namespace()
            own = self._run(cluster.names_there())
            sets = tuple(fixtures)
        else:
            namespace = new_namespace()
            own = OwnNames(namespace=namespace)
            sets = every
        observer = Observer(cluster, namespace, fixtures=every)
        try:
            if sets:
                self._run(cluster.seed(sets, namespace))
            self._run(cluster.begin(namespace))
            yield TestBus(observer, self._thread.loop, self.addresses, None)
        finally:
            if isolation is not Isolation.NONE:
                self._run(cluster.delete(own))

    def _seed_once(self) -> None:
        """Seed the session's fixtures under their own names, as ``fixtures seed`` does."""
        if self._unseeded:
            log = SeedLog(self._cluster.connection)
            cluster = ScopedKafka(self._cluster, self._registry, self._partitions, log)
            self._run(cluster.seed(self._unseeded, Namespace()))
            self._unseeded = ()
