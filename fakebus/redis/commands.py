"""The commands that clients of an event bus on Redis Streams use, and a few to look around.

Source: https://redis.io/docs/latest/commands/ (group "stream"), and what edx-event-bus-redis,
redis-py and redis-cli send.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from fakebus import __version__
from fakebus.broker.broker import Broker
from fakebus.broker.topics import Topic
from fakebus.redis.arguments import Arguments
from fakebus.redis.entries import EntryId
from fakebus.redis.groups import Pending, StreamGroup, StreamGroups
from fakebus.redis.protocol import Map, RedisError, Reply, Status
from fakebus.redis.streams import Entry, Positions, Streams

OK = Status("OK")
_ALL = 2**31
_BLOCK_FOREVER_MS = 24 * 3_600_000
_NO_KEY = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may "


class Session:
    """What one connection has chosen."""

    def __init__(self) -> None:
        self.version = 2
        self.name = ""
        self.closing = False


Handler = Callable[["Commands", Session, Arguments], Awaitable[Reply] | Reply]


class Commands:
    """Carries out commands.

    Args:
        broker: the bus.
        streams: its topics.
        groups: the groups of all streams.
    """

    def __init__(self, broker: Broker, streams: Streams, groups: StreamGroups) -> None:
        self._broker = broker
        self._streams = streams
        self._groups = groups

    async def run(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Return the answer to one request."""
        name = words[0].upper().decode("ascii", "replace")
        handler = _HANDLERS.get(name)
        if handler is None:
            return RedisError(f"ERR unknown command '{name[:40]}': fakebus has Redis Streams only")
        arguments = Arguments(name, words[1:])
        try:
            reply = handler(self, session, arguments)
            return await reply if isinstance(reply, Awaitable) else reply
        except RedisError as failure:
            return failure

    # The connection

    def hello(self, session: Session, arguments: Arguments) -> Reply:
        """Agree on the version of the protocol."""
        if arguments.left:
            version = arguments.number()
            if version not in (2, 3):
                raise RedisError("NOPROTO unsupported protocol version")
            session.version = version
        return Map(
            server="redis",
            version="7.4.0",
            proto=session.version,
            id=1,
            mode="standalone",
            role="master",
            modules=[],
        )

    def client(self, session: Session, arguments: Arguments) -> Reply:
        """Take a connection's name and properties."""
        action = arguments.word()
        if action == "SETNAME":
            session.name = arguments.text()
        elif action == "GETNAME":
            return session.name or None
        elif action == "ID":
            return 1
        elif action not in ("SETINFO", "NO-EVICT", "NO-TOUCH"):
            raise RedisError(f"ERR unknown subcommand '{action}'")
        return OK

    def ping(self, session: Session, arguments: Arguments) -> Reply:
        """Answer."""
        return arguments.raw() if arguments.left else Status("PONG")

    def echo(self, session: Session, arguments: Arguments) -> Reply:
        """Say the same."""
        return arguments.raw()

    def accept(self, session: Session, arguments: Arguments) -> Reply:
        """Take what makes no difference here: a password, a database's number."""
        return OK

    def quit(self, session: Session, arguments: Arguments) -> Reply:
        """Say good-bye."""
        session.closing = True
        return OK

    def info(self, session: Session, arguments: Arguments) -> Reply:
        """Describe the server."""
        return (
            f"# Server\r\nredis_version:7.4.0\r\nfakebus_version:{__version__}\r\n"
            f"redis_mode:standalone\r\n# Keyspace\r\ndb0:keys={len(self._broker.topics)}\r\n"
        )

    def command(self, session: Session, arguments: Arguments) -> Reply:
        """List no details of commands; redis-cli asks when it starts."""
        return []

    # Keys

    def exists(self, session: Session, arguments: Arguments) -> Reply:
        """Count the streams that there are."""
        return sum(self._streams.topic(name) is not None for name in arguments.rest_as_text())

    def type(self, session: Session, arguments: Arguments) -> Reply:
        """Say what a key is."""
        return Status("none" if self._streams.topic(arguments.text()) is None else "stream")

    def keys(self, session: Session, arguments: Arguments) -> Reply:
        """Name all streams."""
        return sorted(topic.name for topic in self._broker.topics)

    # Entries

    async def xadd(self, session: Session, arguments: Arguments) -> Reply:
        """Append an entry."""
        name = arguments.text()
        create, max_length, approximate = True, None, False
        while True:
            word = arguments.raw()
            option = word.upper()
            if option == b"NOMKSTREAM":
                create = False
            elif option == b"MAXLEN":
                approximate = arguments.take(b"~")
                arguments.take(b"=")
                max_length = arguments.number()
            elif option == b"LIMIT":
                arguments.number()
            else:
                break
        fields = arguments.pairs()
        if not create and self._streams.topic(name) is None:
            return None
        wanted = None if word == b"*" else EntryId.parse(word)
        entry_id, topic = await self._streams.add(name, wanted, fields)
        if max_length is not None:
            await self._streams.trim(topic, max_length, approximate=approximate)
        return str(entry_id)

    def xdel(self, session: Session, arguments: Arguments) -> Reply:
        """Remove nothing: a log has no single records to remove.

        The entry ``0-1``, which only made the stream, counts as removed.
        """
        arguments.text()
        return sum(EntryId.parse(word) == EntryId(0, 1) for word in arguments.rest())

    def xlen(self, session: Session, arguments: Arguments) -> Reply:
        """Count the entries."""
        topic = self._streams.topic(arguments.text())
        return 0 if topic is None else self._streams.length(topic)

    async def xtrim(self, session: Session, arguments: Arguments) -> Reply:
        """Keep the newest entries only."""
        topic = self._streams.topic(arguments.text())
        if arguments.word() != "MAXLEN":
            raise RedisError("ERR syntax error: fakebus trims by MAXLEN only")
        approximate = arguments.take(b"~")
        arguments.take(b"=")
        length = arguments.number()
        if topic is None:
            return 0
        return await self._streams.trim(topic, length, approximate=approximate)

    async def xrange(self, session: Session, arguments: Arguments) -> Reply:
        """Return entries between two ids."""
        topic = self._streams.topic(arguments.text())
        first, last = arguments.raw(), arguments.raw()
        count = arguments.number() if arguments.take(b"COUNT") else _ALL
        if topic is None:
            return []
        if first == last:
            entry = await self._streams.get(topic, EntryId.parse(first))
            return [] if entry is None else [self._entry(entry)]
        return [self._entry(each) for each in await self._between(topic, first, last, count)]

    async def _between(self, topic: Topic, first: bytes, last: bytes, count: int) -> list[Entry]:
        exclusive = first.startswith(b"(")
        positions = self._streams.start(topic)
        if first != b"-":
            start = EntryId.parse(first.removeprefix(b"("))
            positions = await self._streams.positions_after(topic, start)
            if not exclusive and start.position:
                positions[start.partition] = start.offset
        found = await self._streams.read(topic, positions, count)
        if last == b"+":
            return found
        end = EntryId.parse(last)
        if b"-" not in last:
            return [each for each in found if each.id.timestamp_ms <= end.timestamp_ms]
        return [each for each in found if each.id <= end]

    async def xread(self, session: Session, arguments: Arguments) -> Reply:
        """Return entries behind given ids, and wait for them."""
        options = _read_options(arguments)
        wanted: list[tuple[str, Topic, Positions]] = []
        for name, after in options.streams:
            topic = self._streams.topic(name)
            if topic is None:
                continue
            if after == b"$":
                positions = self._streams.end(topic)
            else:
                positions = await self._streams.positions_after(topic, EntryId.parse(after))
            wanted.append((name, topic, positions))

        async def look() -> Map | None:
            found = Map()
            for name, topic, positions in wanted:
                entries = await self._streams.read(topic, positions, options.count)
                if entries:
                    found[name] = [self._entry(each) for each in entries]
            return found or None

        def positions_now() -> list[tuple[Topic, Positions]]:
            return [(topic, positions) for _, topic, positions in wanted]

        found = await self._blocking(look, positions_now, options.block_ms)
        return _streams_reply(found, session)

    # Groups

    async def xgroup(self, session: Session, arguments: Arguments) -> Reply:
        """Create, move or remove a group."""
        action = arguments.word()
        name, group_name = arguments.text(), arguments.text()
        if action == "CREATE":
            return await self._create_group(name, group_name, arguments)
        topic = self._existing(name)
        if action == "DESTROY":
            return int(self._groups.remove(topic, group_name))
        group = self._group(topic, group_name)
        if action == "SETID":
            await self._set_id(topic, group, arguments.raw())
        elif action == "CREATECONSUMER":
            consumer = arguments.text()
            created = consumer not in group.consumers
            self._saw(group, consumer)
            self._groups.changed(topic, group)
            return int(created)
        elif action == "DELCONSUMER":
            return self._delete_consumer(topic, group, arguments.text())
        else:
            raise RedisError(f"ERR unknown subcommand '{action}'")
        return OK

    async def _create_group(self, name: str, group_name: str, arguments: Arguments) -> Reply:
        start = arguments.raw()
        topic = self._streams.topic(name)
        if topic is None:
            if not arguments.take(b"MKSTREAM"):
                raise RedisError(
                    _NO_KEY + "want to use the MKSTREAM option to create an empty stream "
                    "automatically."
                )
            topic = await self._streams.create(name)
        if self._groups.get(topic, group_name) is not None:
            raise RedisError("BUSYGROUP Consumer Group name already exists")
        group = StreamGroup(group_name, {})
        await self._set_id(topic, group, start)
        self._groups.add(topic, group)
        return OK

    async def _set_id(self, topic: Topic, group: StreamGroup, text: bytes) -> None:
        if text == b"$":
            group.positions = self._streams.end(topic)
        else:
            group.last_id = EntryId.parse(text)
            group.positions = await self._streams.positions_after(topic, group.last_id)
        self._groups.changed(topic, group)

    def _delete_consumer(self, topic: Topic, group: StreamGroup, consumer: str) -> int:
        group.consumers.pop(consumer, None)
        own = [key for key, pending in group.pending.items() if pending.consumer == consumer]
        for entry_id in own:
            del group.pending[entry_id]
        self._groups.changed(topic, group)
        return len(own)

    async def xreadgroup(self, session: Session, arguments: Arguments) -> Reply:
        """Deliver new entries to a consumer, or its pending ones again."""
        if arguments.word() != "GROUP":
            raise RedisError("ERR Missing GROUP option for XREADGROUP")
        group_name, consumer = arguments.text(), arguments.text()
        options = _read_options(arguments)
        wanted: list[tuple[str, Topic, StreamGroup]] = []
        history = Map()
        for name, after in options.streams:
            topic = self._streams.topic(name)
            group = None if topic is None else self._groups.get(topic, group_name)
            if topic is None or group is None:
                raise _no_group(name, group_name)
            self._saw(group, consumer)
            if after == b">":
                wanted.append((name, topic, group))
            else:
                history[name] = await self._history(topic, group, consumer, after, options.count)
        if history:
            return _streams_reply(history, session)

        async def look() -> Map | None:
            found = Map()
            for name, topic, group in wanted:
                entries = await self._deliver(topic, group, consumer, options)
                if entries:
                    found[name] = [self._entry(each) for each in entries]
            return found or None

        def positions_now() -> list[tuple[Topic, Positions]]:
            return [(topic, group.positions) for _, topic, group in wanted]

        return _streams_reply(await self._blocking(look, positions_now, options.block_ms), session)

    async def _deliver(
        self, topic: Topic, group: StreamGroup, consumer: str, options: _ReadOptions
    ) -> list[Entry]:
        entries = []
        for entry in await self._streams.read(topic, group.positions, options.count):
            # Another consumer may have been given it while this one read.
            if entry.id.offset < group.positions.get(entry.id.partition, 0):
                continue
            group.positions[entry.id.partition] = entry.id.offset + 1
            group.last_id = entry.id
            if not options.no_ack:
                group.pending[entry.id] = Pending(consumer, self._broker.clock.now_ms())
            entries.append(entry)
        if entries:
            self._groups.changed(topic, group)
        return entries

    async def _history(
        self, topic: Topic, group: StreamGroup, consumer: str, after: bytes, count: int
    ) -> Reply:
        start = EntryId.parse(after)
        found: list[Reply] = []
        for entry_id, pending in list(group.pending.items()):
            if pending.consumer == consumer and entry_id > start and len(found) < count:
                entry = await self._streams.get(topic, entry_id)
                found.append([str(entry_id), None] if entry is None else self._entry(entry))
        return found

    def xack(self, session: Session, arguments: Arguments) -> Reply:
        """Take entries out of what is pending."""
        topic = self._streams.topic(arguments.text())
        group = None if topic is None else self._groups.get(topic, arguments.text())
        if topic is None or group is None:
            return 0
        done = 0
        for word in arguments.rest():
            done += group.pending.pop(EntryId.parse(word), None) is not None
        if done:
            self._groups.changed(topic, group)
        return done

    def xpending(self, session: Session, arguments: Arguments) -> Reply:
        """Show what is pending."""
        name, group_name = arguments.text(), arguments.text()
        topic = self._streams.topic(name)
        group = None if topic is None else self._groups.get(topic, group_name)
        if group is None:
            raise _no_group(name, group_name)
        if not arguments.left:
            return _pending_summary(group)
        min_idle = arguments.number() if arguments.take(b"IDLE") else 0
        first, last, count = arguments.raw(), arguments.raw(), arguments.number()
        consumer = arguments.text() if arguments.left else None
        now_ms = self._broker.clock.now_ms()
        rows: list[Reply] = []
        for entry_id, pending in sorted(group.pending.items()):
            idle = now_ms - pending.delivered_ms
            if (
                len(rows) < count
                and consumer in (None, pending.consumer)
                and idle >= min_idle
                and _within(entry_id, first, last)
            ):
                rows.append([str(entry_id), pending.consumer, idle, pending.count])
        return rows

    async def xautoclaim(self, session: Session, arguments: Arguments) -> Reply:
        """Give a consumer what others have left pending for long."""
        topic, group = self._named_group(arguments)
        consumer, min_idle = arguments.text(), arguments.number()
        start = arguments.raw()
        count = arguments.number() if arguments.take(b"COUNT") else 100
        ids_only = arguments.take(b"JUSTID")
        first = EntryId.parse(start)
        idle = [
            entry_id
            for entry_id, pending in sorted(group.pending.items())
            if entry_id >= first and self._idle(pending) >= min_idle
        ]
        claimed, deleted = await self._claim(topic, group, consumer, idle[:count], ids_only)
        cursor = str(idle[count]) if len(idle) > count else "0-0"
        return [cursor, claimed, deleted]

    async def xclaim(self, session: Session, arguments: Arguments) -> Reply:
        """Give a consumer named entries that others have left pending for long."""
        topic, group = self._named_group(arguments)
        consumer, min_idle = arguments.text(), arguments.number()
        words = arguments.rest()
        ids_only = b"JUSTID" in (word.upper() for word in words)
        wanted = [EntryId.parse(word) for word in words if word[:1].isdigit()]
        idle = [
            entry_id
            for entry_id in wanted
            if entry_id in group.pending and self._idle(group.pending[entry_id]) >= min_idle
        ]
        claimed, _ = await self._claim(topic, group, consumer, idle, ids_only)
        return claimed

    async def _claim(
        self,
        topic: Topic,
        group: StreamGroup,
        consumer: str,
        entry_ids: Sequence[EntryId],
        ids_only: bool,
    ) -> tuple[list[Reply], list[Reply]]:
        claimed: list[Reply] = []
        deleted: list[Reply] = []
        self._saw(group, consumer)
        for entry_id in entry_ids:
            entry = await self._streams.get(topic, entry_id)
            if entry is None:
                group.pending.pop(entry_id, None)
                deleted.append(str(entry_id))
                continue
            before = group.pending.get(entry_id)
            count = (before.count if before else 0) + (not ids_only)
            group.pending[entry_id] = Pending(consumer, self._broker.clock.now_ms(), count)
            claimed.append(str(entry_id) if ids_only else self._entry(entry))
        self._groups.changed(topic, group)
        return claimed, deleted

    def xinfo(self, session: Session, arguments: Arguments) -> Reply:
        """Describe a stream, its groups or a group's consumers."""
        action = arguments.word()
        topic = self._existing(arguments.text())
        if action == "GROUPS":
            return [_group_info(group) for group in self._groups.of_topic(topic)]
        if action == "CONSUMERS":
            group = self._group(topic, arguments.text())
            now_ms = self._broker.clock.now_ms()
            return [
                Map(
                    name=name,
                    pending=sum(each.consumer == name for each in group.pending.values()),
                    idle=max(now_ms - seen, 0),
                    inactive=max(now_ms - seen, 0),
                )
                for name, seen in group.consumers.items()
            ]
        if action == "STREAM":
            return Map(length=self._streams.length(topic), groups=len(self._groups.of_topic(topic)))
        raise RedisError(f"ERR unknown subcommand '{action}'")

    # Common to several

    async def _blocking(
        self,
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
            if left_ms <= 0:
                return None
            await self._streams.wait(positions(), left_ms)
            found = await look()
        return found

    def _entry(self, entry: Entry) -> Reply:
        return [str(entry.id), self._streams.fields(entry)]

    def _idle(self, pending: Pending) -> int:
        return self._broker.clock.now_ms() - pending.delivered_ms

    def _saw(self, group: StreamGroup, consumer: str) -> None:
        group.consumers[consumer] = self._broker.clock.now_ms()

    def _existing(self, name: str) -> Topic:
        topic = self._streams.topic(name)
        if topic is None:
            raise RedisError("ERR no such key")
        return topic

    def _group(self, topic: Topic, name: str) -> StreamGroup:
        group = self._groups.get(topic, name)
        if group is None:
            raise _no_group(topic.name, name)
        return group

    def _named_group(self, arguments: Arguments) -> tuple[Topic, StreamGroup]:
        name, group_name = arguments.text(), arguments.text()
        topic = self._streams.topic(name)
        if topic is None:
            raise _no_group(name, group_name)
        return topic, self._group(topic, group_name)


class _ReadOptions:
    """COUNT, BLOCK, NOACK and STREAMS of a reading command."""

    def __init__(self) -> None:
        self.count = _ALL
        self.block_ms: int | None = None
        self.no_ack = False
        self.streams: list[tuple[str, bytes]] = []


def _read_options(arguments: Arguments) -> _ReadOptions:
    options = _ReadOptions()
    while True:
        word = arguments.word()
        if word == "COUNT":
            options.count = arguments.number() or _ALL
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


def _streams_reply(found: Map | None, session: Session) -> Reply:
    if found is None or session.version == 3:
        return found
    return [[name, entries] for name, entries in found.items()]


def _no_group(name: str, group: str) -> RedisError:
    return RedisError(f"NOGROUP No such key '{name}' or consumer group '{group}'")


def _within(entry_id: EntryId, first: bytes, last: bytes) -> bool:
    if first != b"-" and entry_id < EntryId.parse(first):
        return False
    return last == b"+" or entry_id <= EntryId.parse(last)


def _pending_summary(group: StreamGroup) -> Reply:
    if not group.pending:
        return [0, None, None, None]
    counts: dict[str, int] = {}
    for pending in group.pending.values():
        counts[pending.consumer] = counts.get(pending.consumer, 0) + 1
    return [
        len(group.pending),
        str(min(group.pending)),
        str(max(group.pending)),
        [[consumer, str(count)] for consumer, count in counts.items()],
    ]


def _group_info(group: StreamGroup) -> Reply:
    return Map(
        {
            "name": group.name,
            "consumers": len(group.consumers),
            "pending": len(group.pending),
            "last-delivered-id": str(group.last_id),
        }
    )


_HANDLERS: Mapping[str, Handler] = {
    "AUTH": Commands.accept,
    "CLIENT": Commands.client,
    "COMMAND": Commands.command,
    "ECHO": Commands.echo,
    "EXISTS": Commands.exists,
    "HELLO": Commands.hello,
    "INFO": Commands.info,
    "KEYS": Commands.keys,
    "PING": Commands.ping,
    "QUIT": Commands.quit,
    "SELECT": Commands.accept,
    "TYPE": Commands.type,
    "XACK": Commands.xack,
    "XADD": Commands.xadd,
    "XAUTOCLAIM": Commands.xautoclaim,
    "XCLAIM": Commands.xclaim,
    "XDEL": Commands.xdel,
    "XGROUP": Commands.xgroup,
    "XINFO": Commands.xinfo,
    "XLEN": Commands.xlen,
    "XPENDING": Commands.xpending,
    "XRANGE": Commands.xrange,
    "XREAD": Commands.xread,
    "XREADGROUP": Commands.xreadgroup,
    "XTRIM": Commands.xtrim,
}
