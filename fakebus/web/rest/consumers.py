"""Consumers that live here between requests: they are kept, kept alive, and closed when idle."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine

from fakebus.broker.activity import Origin
from fakebus.broker.broker import Broker
from fakebus.broker.peer import Peer
from fakebus.clock import Timer
from fakebus.web.errors import RequestError
from fakebus.web.rest.consumer import IDLE_S, Consumer, ConsumerOptions, no_consumer

MOST_CONSUMERS = 200
"""Consumers that may be there at once."""


class Consumers:
    """Consumers that are there, by group and name.

    Args:
        broker: where they read.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._consumers: dict[tuple[str, str], Consumer] = {}
        # Other than those of sockets.
        self._connections = itertools.count(-2, -1)
        self._timer: Timer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def create(
        self, group: str, name: str, options: ConsumerOptions, peer: Peer | None
    ) -> Consumer:
        """Return a new consumer.

        Args:
            group: its group.
            name: its name.
            options: how it reads.
            peer: the connection that it is asked for by.

        Raises:
            RequestError: 40902, there is one of that name; 429, there are too many.
        """
        if (group, name) in self._consumers:
            raise RequestError(
                409,
                f"Consumer {name[:300]!r} already exists in the consumer group {group[:300]!r}",
                error_code=40902,
            )
        if len(self._consumers) >= MOST_CONSUMERS:
            raise RequestError(
                429, f"there are {MOST_CONSUMERS} consumers already; delete those not needed"
            )
        origin = Origin(
            front_end="rest", client_id=name, peer=peer, connection_id=next(self._connections)
        )
        consumer = Consumer(self._broker, group, name, options, origin)
        self._consumers[group, name] = consumer
        if self._timer is None:
            self._wind_up()
        return consumer

    def get(self, group: str, name: str) -> Consumer:
        """Return a consumer that a request is for; RequestError 40403 if there is none."""
        consumer = self._consumers.get((group, name))
        if consumer is None:
            raise no_consumer(name)
        consumer.used_s = self._broker.clock.monotonic()
        return consumer

    async def delete(self, group: str, name: str) -> None:
        """Close a consumer; RequestError 40403 if there is none."""
        consumer = self._consumers.pop((group, name), None)
        if consumer is None:
            raise no_consumer(name)
        await consumer.close()

    def _wind_up(self) -> None:
        beat_s = min(each.beat_s for each in self._consumers.values())
        self._timer = self._broker.clock.call_later(beat_s, self._look)

    def _look(self) -> None:
        """Close who has been idle for too long, and let the others live on."""
        self._timer = None
        now_s = self._broker.clock.monotonic()
        for key, consumer in list(self._consumers.items()):
            if consumer.lock.locked():
                consumer.used_s = now_s
            elif now_s - consumer.used_s >= IDLE_S:
                del self._consumers[key]
                self._begin(consumer.close())
            else:
                self._begin(consumer.live_on())
        if self._consumers:
            self._wind_up()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let all consumers go; they leave their groups."""
        if self._timer is not None:
            self._timer.cancel()
        consumers = list(self._consumers.values())
        self._consumers.clear()
        await asyncio.gather(*self._tasks, *(each.close() for each in consumers))
