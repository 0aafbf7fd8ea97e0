"""A whole bus: storage, broker, seed, listeners, HTTP; the only place that names them all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.clock import Clock, SystemClock
from fakebus.config import Address, Settings, protocol_of
from fakebus.kafka.advertise import AdvertisedAddress, FixedAddress, auto_address
from fakebus.kafka.backpressure import Backpressure
from fakebus.kafka.listener import Listener
from fakebus.output_files import OutputRefusedError, remove_output, write_output
from fakebus.registry.registry import Registry
from fakebus.registry.validation import RecordValidator
from fakebus.storage.sqlite import SqliteStorage

if TYPE_CHECKING:
    from fakebus.fixture_files.model import FixtureSet
    from fakebus.fixture_files.schema_set import SchemaIds
    from fakebus.redis.server import RedisServer
    from fakebus.web.server import WebServer

logger = logging.getLogger("fakebus")

Progress = Callable[[int, int], None]


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
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.broker: Broker
        self.registry: Registry
        self.listeners: list[Listener] = []
        self._progress = progress
        self._synchronous = synchronous
        self._storage: SqliteStorage | None = None
        self._ready_content: bytes | None = None
        self._web: WebServer | None = None
        self.redis_servers: list[RedisServer] = []

    async def __aenter__(self) -> Self:
        """Start everything; afterwards clients are served and the seed is there."""
        started = time.perf_counter()
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        logger.info(
            "ready in %.0f ms: Kafka on %s, HTTP on %s, %d topics, %d records, %s",
            (time.perf_counter() - started) * 1000,
            self.bootstrap_servers,
            self.http_url or "no port",
            len(self.broker.topics),
            self.record_count(),
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
        settings = self.settings
        if settings.ready_file is not None:
            # One that a killed process has left behind would be believed.
            remove_output(settings.ready_file, is_ours=_is_ready_file, made_by=_READY_FILE_WRITER)
        config = BrokerConfig(settings.set)
        fixture_sets = self._load_fixtures(config)
        self._storage = await SqliteStorage.open(settings.data, durable=self._synchronous)
        self.broker = Broker(self._storage, config=config, clock=self.clock)
        self._create_listeners()
        # A port that is taken is found out before anything is written.
        for listener in self.listeners:
            await listener.bind()
        config.set_static(self._facts())
        await self.broker.start()
        self.registry = Registry(
            self.broker,
            default_compatibility=settings.compatibility,
            strict=settings.strict_schemas,
        )
        await self.registry.start()
        self.broker.record_validator = RecordValidator(self.registry)
        await self._seed(fixture_sets, config)
        for listener in self.listeners:
            await listener.start()
        if settings.http:
            await self._start_web()
        if settings.redis:
            await self._start_redis()
        self._write_ready_file()

    def _create_listeners(self) -> None:
        protocols = [protocol_of(address) for address in self.settings.kafka]
        sasl = tls = None
        if any(protocol.startswith("SASL_") for protocol in protocols):
            from fakebus.kafka.listener_security import sasl_policy

            sasl = sasl_policy(self.broker.config, self.clock)
        if any(protocol.endswith("SSL") for protocol in protocols):
            from fakebus.kafka.tls import server_context

            tls = server_context(self.broker.config)
        backpressure = Backpressure(self.broker)
        for index, (address, protocol) in enumerate(
            zip(self.settings.kafka, protocols, strict=True)
        ):
            self.listeners.append(
                Listener(
                    self.broker,
                    address.host,
                    address.port,
                    self._advertised(index),
                    name=protocol,
                    sasl=sasl if protocol.startswith("SASL_") else None,
                    ssl_context=tls if protocol.endswith("SSL") else None,
                    backpressure=backpressure,
                )
            )

    def _facts(self) -> dict[str, str]:
        """Return what clients that describe the broker are told of how it was started."""
        listening, told = [], []
        for index, listener in enumerate(self.listeners):
            advertised = self.settings.advertised_for(index)
            reachable = Address(_reachable(listener.host), listener.port)
            listening.append(f"{listener.name}://{Address(listener.host, listener.port)}")
            told.append(f"{listener.name}://{advertised or reachable}")
        facts = {
            "node.id": str(self.broker.node_id),
            "process.roles": "broker,controller",
            "log.dirs": str(self.settings.data) if self.settings.data else "memory",
        }
        if listening:
            facts["listeners"] = ",".join(listening)
            facts["advertised.listeners"] = ",".join(told)
        return facts

    def _advertised(self, index: int) -> AdvertisedAddress:
        address = self.settings.advertised_for(index)
        return auto_address() if address is None else FixedAddress(*address)

    def _load_fixtures(self, config: BrokerConfig) -> list[FixtureSet]:
        if not self.settings.fixtures:
            return []
        from fakebus.fixture_files.loader import load_fixtures

        now_ms = self.clock.now_ms()
        return [
            load_fixtures(directory, now_ms=now_ms, config=config, profile=self.settings.profile)
            for directory in self.settings.fixtures
        ]

    async def _seed(self, fixture_sets: list[FixtureSet], config: BrokerConfig) -> None:
        if not fixture_sets:
            return
        from fakebus.fixture_files.seeding import seed
        from fakebus.fixture_files.subject_seeding import register_schemas

        for fixture_set in fixture_sets:
            registered = await register_schemas(
                self.registry, fixture_set, self._reloader(fixture_set, config)
            )
            await seed(self.broker, registered, progress=self._progress, reset=self.settings.reset)

    def _reloader(
        self, fixture_set: FixtureSet, config: BrokerConfig
    ) -> Callable[[SchemaIds], FixtureSet]:
        from fakebus.fixture_files.loader import load_fixtures

        def reload(ids: SchemaIds) -> FixtureSet:
            return load_fixtures(
                fixture_set.root,
                now_ms=fixture_set.now_ms,
                config=config,
                schema_ids=ids,
                profile=self.settings.profile,
            )

        return reload

    async def _start_web(self) -> None:
        # aiohttp takes longer to import than everything else to start, so Kafka clients
        # are served before.
        from fakebus.web.server import WebServer

        self._web = WebServer(
            self.broker,
            self.registry,
            self.settings.http,
            allowed_hosts=self.settings.http_allowed_hosts,
        )
        await self._web.start()
        self._web.ready = True

    async def _start_redis(self) -> None:
        from fakebus.redis.server import RedisServer

        for address in self.settings.redis:
            server = RedisServer(self.broker, self.registry, address)
            await server.start()
            self.redis_servers.append(server)

    @property
    def kafka_addresses(self) -> list[Address]:
        """Where Kafka clients of this machine connect to, one for each listener."""
        return [Address(_reachable(listener.host), listener.port) for listener in self.listeners]

    @property
    def bootstrap_servers(self) -> str:
        """The first listener, as clients want it for ``bootstrap.servers``."""
        return str(self.kafka_addresses[0]) if self.listeners else ""

    @property
    def http_urls(self) -> list[str]:
        """Where HTTP is served, one for each listener."""
        if self._web is None:
            return []
        return [f"http://{Address(_reachable(a.host), a.port)}" for a in self._web.addresses]

    @property
    def http_url(self) -> str:
        """The first HTTP address, or an empty text."""
        return self.http_urls[0] if self.http_urls else ""

    @property
    def redis_urls(self) -> list[str]:
        """Where Redis Streams are served, one for each listener."""
        return [
            f"redis://{Address(_reachable(each.address.host), each.address.port)}/"
            for each in self.redis_servers
        ]

    def record_count(self) -> int:
        """Return how many offsets of all topics hold records; not what fakebus notes itself."""
        return sum(
            log.high_watermark - log.log_start_offset
            for topic in self.broker.topics
            if not topic.name.startswith("_")
            for log in topic.partitions
        )

    def _write_ready_file(self) -> None:
        path = self.settings.ready_file
        if path is None:
            return
        content = {
            "pid": os.getpid(),
            "bootstrap_servers": self.bootstrap_servers,
            "http_url": self.http_url,
            "kafka": [str(address) for address in self.kafka_addresses],
            "http": self.http_urls,
            "redis": self.redis_urls,
            "topics": len(self.broker.topics),
            "records": self.record_count(),
        }
        data = json.dumps(content).encode() + b"\n"
        write_output(path, data, is_ours=_is_ready_file, made_by=_READY_FILE_WRITER)
        self._ready_content = data

    async def close(self) -> None:
        """Stop everything; what was acknowledged is stored. May be called twice."""
        if self._web is not None:
            self._web.ready = False
            await self._web.close()
            self._web = None
        if self.settings.ready_file is not None and self._ready_content is not None:
            ours, self._ready_content = self._ready_content, None
            with contextlib.suppress(OutputRefusedError):
                # Another bus may have written its own there, which stays.
                remove_output(
                    self.settings.ready_file,
                    is_ours=lambda content: content == ours,
                    made_by=_READY_FILE_WRITER,
                )
        for server in self.redis_servers:
            await server.close()
        self.redis_servers.clear()
        for listener in self.listeners:
            await listener.close()
        self.listeners.clear()
        storage, self._storage = self._storage, None
        if storage is not None:
            try:
                if hasattr(self, "registry"):
                    await self.registry.close()
                if hasattr(self, "broker"):
                    await self.broker.close()
            finally:
                await storage.close()

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


class BusThread:
    """An event loop in a thread that runs one bus.

    Args:
        bus: the bus to run; entered and left in the thread.
    """

    def __init__(self, bus: FakeBus) -> None:
        self.bus = bus
        self.loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fakebus", daemon=True)

    def __enter__(self) -> Self:
        """Start the bus; raises what starting it raised."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the bus and the thread."""
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that waits
            self._failure = failure
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self.bus:
            self._started.set()
            await self._stop.wait()


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a look-up


_READY_FILE_WRITER = "fakebus up --ready-file"


def _is_ready_file(content: bytes) -> bool:
    try:
        written = json.loads(content)
    except ValueError:
        return False
    return isinstance(written, dict) and {"pid", "bootstrap_servers", "http_url"} <= written.keys()
