"""What a test holds in its hand: publish, expect, events, and the addresses of the bus.

The bus runs in a thread of its own. :class:`TestBus` is for synchronous code;
``bus.aio`` has the same methods as coroutines, for tests whose event loop must go on while
they wait.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, TypeVar

from fakebus.app import FakeBus
from fakebus.testing.events import Event, Headers, Match
from fakebus.testing.observer import Observer

T = TypeVar("T")

DEFAULT_TIMEOUT_S = 5.0


class AsyncTestBus:
    """The methods of :class:`TestBus` as coroutines.

    Args:
        observer: does the work in the bus's own event loop.
        loop: the bus's event loop.
    """

    __test__ = False

    def __init__(self, observer: Observer, loop: asyncio.AbstractEventLoop) -> None:
        self._observer = observer
        self._loop = loop

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def publish(
        self,
        topic: str,
        value: Any = None,
        *,
        key: Any = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Event:
        """Write one record; see :meth:`TestBus.publish`."""
        return await self._run(
            self._observer.publish(topic, value, key, headers, partition, timestamp_ms)
        )

    async def expect(
        self, topic: str, match: Match | None = None, *, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Event:
        """Wait for a record; see :meth:`TestBus.expect`."""
        return await self._run(self._observer.expect(topic, match, timeout))

    async def expect_none(
        self, topic: str, match: Match | None = None, *, within: float = 0.2
    ) -> None:
        """Make sure that no record comes; see :meth:`TestBus.expect_none`."""
        await self._run(self._observer.expect_none(topic, match, within))

    async def events(self, topic: str) -> list[Event]:
        """Return the topic's records; see :meth:`TestBus.events`."""
        return await self._run(self._observer.events(topic))


class TestBus:
    """A running bus as a test uses it.

    Args:
        bus: the bus.
        observer: does the work in the bus's own event loop.
        loop: the bus's event loop.
    """

    __test__ = False

    def __init__(self, bus: FakeBus, observer: Observer, loop: asyncio.AbstractEventLoop) -> None:
        self._bus = bus
        self._observer = observer
        self._loop = loop
        self.aio = AsyncTestBus(observer, loop)

    @property
    def bootstrap_servers(self) -> str:
        """What Kafka clients take as ``bootstrap.servers``."""
        return self._bus.bootstrap_servers

    @property
    def http_url(self) -> str:
        """Where HTTP is served; an empty text when it is not."""
        return self._bus.http_url

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def publish(
        self,
        topic: str,
        value: Any = None,
        *,
        key: Any = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Event:
        """Write one record and return it as it was stored.

        Args:
            topic: created when it does not exist, if the bus auto-creates topics.
            value: bytes, text, anything that JSON can say, or ``None`` for a tombstone.
            key: like ``value``; ``None`` for none.
            headers: names and values, in order.
            partition: which partition; chosen from the key as librdkafka does when left out.
            timestamp_ms: milliseconds since the epoch; now when left out.

        Raises:
            BrokerError: the broker refuses the record.
        """
        return self._run(
            self._observer.publish(topic, value, key, headers, partition, timestamp_ms)
        )

    def expect(
        self, topic: str, match: Match | None = None, *, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Event:
        """Wait until the topic has a matching record, and return the first one.

        Only records written since the test began count.

        Args:
            topic: where to look.
            match: see :func:`fakebus.testing.events.mismatches`.
            timeout: how long to wait, in seconds.

        Raises:
            AssertionError: none came; the message shows the nearest records and why they
                do not match.
        """
        return self._run(self._observer.expect(topic, match, timeout))

    def expect_none(self, topic: str, match: Match | None = None, *, within: float = 0.2) -> None:
        """Make sure that no matching record is there or comes.

        Args:
            topic: where to look.
            match: see :func:`fakebus.testing.events.mismatches`.
            within: how long to wait for one, in seconds.

        Raises:
            AssertionError: one came.
        """
        self._run(self._observer.expect_none(topic, match, within))

    def events(self, topic: str) -> list[Event]:
        """Return the records that were written to the topic since the test began."""
        return self._run(self._observer.events(topic))
