"""What commands have in common: the connection's choices, reading, and waiting."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fakebus.broker.broker import Broker
from fakebus.broker.topics import Topic
from fakebus.redis.arguments import Arguments
from fakebus.redis.groups import StreamGroups
from fakebus.redis.protocol import Map, RedisError, Reply, Status
from fakebus.redis.streams import Entry, Positions, Streams

OK = Status("OK")
ALL = 2**31
_BLOCK_FOREVER_MS = 24 * 3_600_000


class Session:
    """Session of one connection: what it has chosen."""

    def __init__(self) -> None:
        self.version = 2
        self.name = ""
        self.closing = False
        self.gone = False
        """Whether nothing more comes from the client; nobody waits for it then."""
        self.waiting = False
        """Whether a blocked command is waiting."""


class StreamCommands:
    """Commands that read streams.

    Args:
        broker: the bus.
        streams: its topics.
        groups: the groups of all streams.
    """

    def __init__(self, broker: Broker, streams: Streams, groups: StreamGroups) -> None:
        self._broker = broker
        self._streams = streams
        self._groups = groups

    async def _blocking(
        self,
        session: Session,
        look: Callable[[], Awaitable[Map | None]],
        positions: Callable[[], list[tuple[Topic, Positions]]],
        block_ms: int | None,
    ) -> Map | None:
        found = await look()
        if found is not None or block_ms is None:
            return found
        deadline = time.monotonic() + (block_ms or _BLOCK_FOREVER_MS) / 1000
        while found is None:
            left_ms = int((deadline - time.monotonic()) * 1000)
            if left_ms <= 0 or session.gone:
                return None
            session.waiting = True
            await self._streams.wait(positions(), left_ms)
            session.waiting = False
            found = await look()
        return found

    def _entry(self, entry: Entry) -> Reply:
        return [str(entry.id), self._streams.fields(entry)]


class ReadOptions:
    """COUNT, BLOCK, NOACK and STREAMS of a reading command."""

    def __init__(self) -> None:
        self.count = ALL
        self.block_ms: int | None = None
        self.no_ack = False
        self.streams: list[tuple[str, bytes]] = []


def read_options(arguments: Arguments) -> ReadOptions:
    """Return the options of XREAD and XREADGROUP."""
    options = ReadOptions()
    while True:
        word = arguments.word()
        if word == "COUNT":
            options.count = arguments.number() or ALL
        elif word == "BLOCK":
            options.block_ms = arguments.number()
        elif word == "NOACK":
            options.no_ack = True
        elif word == "STREAMS":
            break
        else:
            raise RedisError("ERR syntax error")
    words = arguments.rest()
    if not words or len(words) % 2:
        raise RedisError("ERR Unbalanced list of streams: for each stream key an ID must be given")
    half = len(words) // 2
    options.streams = [
        (name.decode("utf-8", "replace"), after)
        for name, after in zip(words[:half], words[half:], strict=True)
    ]
    return options


def streams_reply(found: Map | None, session: Session) -> Reply:
    """Return what was read as the version of the protocol has it."""
    if found is None or session.version == 3:
        return found
    return [[name, entries] for name, entries in found.items()]
