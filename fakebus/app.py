"""A whole bus: storage, broker, registry, seed, front ends; only here are they all named."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fakebus.addresses import Address
from fakebus.broker.activity_log import ActivityLog
from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.bus_thread import BusThread
from fakebus.clock import Clock, SystemClock
from fakebus.config import Settings
from fakebus.errors import MissingExtraError
from fakebus.fixture_files.seed_notes import SeedNotes
from fakebus.green_threads import demand_real_threads
from fakebus.kafka.server import KafkaServer
from fakebus.lineage.identities import Identities
from fakebus.lineage.lineage import Lineage
from fakebus.ready_file import ReadyFile
from fakebus.real_time import keep_real_time, monotonic
from fakebus.redis.groups_at_rest import GroupsAtRest
from fakebus.registry.registry import Registry
from fakebus.registry.validation import RecordValidator
from fakebus.servers import Server, demand_own_ports, reachable
from fakebus.short_turns import short_turns
from fakebus.storage.sqlite import SqliteStorage
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.fixture_files.seeding.bus_seed import BusSeed
    from fakebus.fixture_files.seeding.seeder import Progress
    from fakebus.kafka.listener import Listener
    from fakebus.lineage.flow import Flows
    from fakebus.lineage.header_rules import IdentityRule
    from fakebus.lineage.services import ServiceRule
    from fakebus.secure.setup import SecureSetup
    from fakebus.tracing.follower import Tracing

__all__ = ["BusThread", "FakeBus"]

logger = logging.getLogger("fakebus")


class FakeBus:
    """One bus, for ``async with``; :meth:`thread` runs it for synchronous code.

    Entering raises ConfigError, FixtureError or StorageError with a text for people;
    nothing is left open then.

    Args:
        settings: what to serve and where; the defaults are those of ``fakebus up``.
        clock: where the broker takes its time from.
        progress: called with (records seeded, records in all) while seeding.
        synchronous: whether a data file survives a crash of the machine, not only of the
            process.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Clock | None = None,
        progress: Progress | None = None,
        synchronous: bool = True,
    ) -> None:
        self.settings = settings if settings is not None else Settings()
        self.secure: SecureSetup | None = None
        """How clients log in, if certificates and users are made for them."""
        if self.settings.secure is not None:
            from fakebus.secure.setup import SecureSetup

            self.secure = SecureSetup(self.settings.secure, self.settings)
            self.settings = self.secure.applied_to(self.settings)
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.broker: Broker
        self.registry: Registry
        self.lineage: Lineage
        self.identities: Identities
        self.seed_notes: SeedNotes
        self.tracing: Tracing | None = None
        """What sends spans to a collector, if it is to."""
        self.servers: list[Server] = []
        """The front ends, in the order in which they begin to serve."""
        self.ready = False
        self._progress = progress
        self._synchronous = synchronous
        self._open = AsyncExitStack()
        """What has to be closed, and is closed even if something else cannot be."""

    async def __aenter__(self) -> Self:
        """Start everything; afterwards clients are served and the seed is there."""
        started = monotonic()
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        logger.info(
            "ready in %.0f ms: Kafka on %s, HTTP on %s%s, %s, %s, %s",
            (monotonic() - started) * 1000,
            self.bootstrap_servers,
            self.http_url or "no port",
            "".join(f", Redis on {url}" for url in self.redis_urls[:1]),
            counted(self.topic_count(), "topic"),
            counted(self.record_count(), "record"),
            f"data in {self.settings.data}" if self.settings.data else "data in memory",
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything."""
        await self.close()

    async def _start(self) -> None:
        settings, opened = self.settings, self._open
        demand_real_threads()
        opened.enter_context(short_turns())
        keep_real_time(asyncio.get_running_loop())
        ready_file = ReadyFile(settings.ready_file)
        ready_file.remove_stale()
        config = BrokerConfig(settings.set)
        seed = self._read_seed(config)
        storage = await SqliteStorage.open(settings.data, durable=self._synchronous)
        opened.push_async_callback(storage.close)
        self.broker = Broker(storage, config=config, clock=self.clock, nodes=settings.brokers)
        if logging.getLogger("fakebus.clients").isEnabledFor(logging.DEBUG):
            self.broker.activity.on_note = ActivityLog()
        self.registry = Registry(
            self.broker,
            default_compatibility=settings.compatibility,
            strict=settings.strict_schemas,
        )
        self.seed_notes = SeedNotes(self.broker)
        self.lineage = Lineage(self.broker, storage.lineage, self._declared_services)
        opened.push_async_callback(self.lineage.close)
        self.identities = Identities(
            self.broker.topics,
            storage.lineage,
            self._declared_rules,
            config.get_int("fakebus.lineage.max.identities"),
        )
        opened.push_async_callback(self.identities.close)
        opened.push_async_callback(self.broker.close)
        opened.push_async_callback(self.registry.close)
        if settings.otlp is not None:
            self.tracing = self._tracing(settings.otlp)
        if self.tracing is not None:
            opened.push_async_callback(self.tracing.close)
        self.servers += self._front_ends()
        demand_own_ports(self.servers)
        for server in self.servers:
            opened.push_async_callback(server.close)
            # A port that is taken is found out before anything is written.
            await server.bind()
        await self.broker.start()
        if self.secure is not None:
            await self.secure.grant(self.broker)
        await self.lineage.start()
        self.broker.service_of = self.lineage.service_of
        if self.tracing is not None:
            self.tracing.start()
        await self.registry.start()
        self.broker.record_validator = RecordValidator(self.registry)
        own = (self.registry, self.seed_notes, self.lineage, self.identities)
        self.broker.participants += (*own, GroupsAtRest(self.broker))
        await self.broker.finish_restoring()
        if seed is not None:
            await seed.write(
                self.broker, self.registry, reset=settings.reset, progress=self._progress
            )
        if self.broker.activity.enabled:
            await self.identities.start()
            self.lineage.on_stored = self.identities.wake
        for server in self.servers:
            await server.start()
        self.ready = True
        opened.callback(ready_file.remove)
        ready_file.write(self._description())

    async def _declared_services(self) -> Mapping[str, ServiceRule]:
        parties = await self.seed_notes.parties()
        return {} if parties is None else parties.services

    async def _declared_rules(self) -> Sequence[IdentityRule]:
        parties = await self.seed_notes.parties()
        return () if parties is None else tuple(parties.identity_rules.values())

    def _tracing(self, url: str) -> Tracing | None:
        try:
            from fakebus.tracing.exporter import Exporter
        except MissingExtraError as error:
            if url:
                raise
            # The variable is told to all services, of which this one need not send spans.
            logger.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but %s", error)
            return None
        from fakebus.tracing.follower import Tracing

        return Tracing(
            self.broker, self.lineage, self.identities, lambda: self.flows, Exporter(url)
        )

    @cached_property
    def flows(self) -> Flows:
        """What caused which record, and what became of it."""
        # Nobody has to wait for what it takes before the first question.
        from fakebus.fixture_files.seeding.declared_readers import DeclaredReaders
        from fakebus.lineage.flow import Flows
        from fakebus.registry.sources import RegistrySource

        return Flows(
            self.broker,
            self.lineage,
            self.identities,
            decode=RegistrySource(self.registry).data_of,
            readers=DeclaredReaders(self.seed_notes.parties, self.registry).of_topic,
            window_ms=self.broker.config.get_int("fakebus.lineage.window.ms"),
        )

    def _front_ends(self) -> Iterator[Server]:
        # What a bus does not serve is not imported either.
        yield KafkaServer(self)
        if self.settings.http:
            from fakebus.web.server import bus_server

            yield bus_server(self)
        if self.settings.redis:
            from fakebus.redis.server import RedisServer

            yield RedisServer(self)

    async def serve_http(self, *addresses: Address) -> None:
        """Serve HTTP, and with it the schema registry, on a bus that does not yet.

        Raises:
            ConfigError: an address cannot be listened on.
        """
        from fakebus.web.server import bus_server

        self.settings = replace(self.settings, http=addresses)
        server = bus_server(self)
        self._open.push_async_callback(server.close)
        await server.bind()
        await server.start()
        self.servers.append(server)

    def _read_seed(self, config: BrokerConfig) -> BusSeed | None:
        settings = self.settings
        if not settings.fixtures:
            return None
        from fakebus.fixture_files.seeding.bus_seed import BusSeed

        now_ms, profile = self.clock.now_ms(), settings.profile
        return BusSeed(settings.fixtures, now_ms=now_ms, config=config, profile=profile)

    @property
    def listeners(self) -> list[Listener]:
        """The listeners of Kafka clients."""
        kafka = [server for server in self.servers if isinstance(server, KafkaServer)]
        return [listener for server in kafka for listener in server.listeners]

    def _addresses(self, scheme: str) -> list[Address]:
        servers = [server for server in self.servers if server.scheme == scheme]
        return [reachable(address) for server in servers for address in server.addresses]

    @property
    def kafka_addresses(self) -> list[Address]:
        """Where Kafka clients of this machine connect to, one for each listener."""
        return self._addresses("kafka")

    @property
    def bootstrap_servers(self) -> str:
        """The first listener, as clients want it for ``bootstrap.servers``."""
        first = self.listeners[:1]
        return ",".join(str(reachable(each.address)) for one in first for each in one.siblings)

    @property
    def http_urls(self) -> list[str]:
        """Where HTTP is served, one for each listener."""
        return [f"http://{address}" for address in self._addresses("http")]

    @property
    def http_url(self) -> str:
        """The first HTTP address, or an empty text."""
        return self.http_urls[0] if self.http_urls else ""

    @property
    def redis_urls(self) -> list[str]:
        """Where Redis Streams are served, one for each listener."""
        return [f"redis://{address}/" for address in self._addresses("redis")]

    def topic_count(self) -> int:
        """Return how many topics there are; not those that clients need not see."""
        return sum(not topic.name.startswith("__") for topic in self.broker.topics)

    def record_count(self) -> int:
        """Return how many offsets of all topics hold records; not what fakebus notes itself."""
        return sum(
            log.high_watermark - log.log_start_offset
            for topic in self.broker.topics
            if not topic.name.startswith("_")
            for log in topic.partitions
        )

    def _description(self) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "bootstrap_servers": self.bootstrap_servers,
            "http_url": self.http_url,
            "kafka": [str(address) for address in self.kafka_addresses],
            "http": self.http_urls,
            "redis": self.redis_urls,
            "topics": self.topic_count(),
            "records": self.record_count(),
        }

    async def close(self) -> None:
        """Stop everything; what was acknowledged is stored. May be called twice."""
        self.ready = False
        opened, self._open = self._open, AsyncExitStack()
        try:
            await opened.aclose()
        finally:
            self.servers.clear()

    @classmethod
    @contextmanager
    def thread(cls, settings: Settings | None = None, **options: object) -> Iterator[FakeBus]:
        """Run a bus in a thread of its own while the block runs.

        Args:
            settings: as for :class:`FakeBus`.
            options: as for :class:`FakeBus`.
        """
        bus = cls(settings, **options)  # type: ignore[arg-type]
        with BusThread(bus):
            yield bus
