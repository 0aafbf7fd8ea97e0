"""Commands on consumer groups of streams."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.broker.topics import Topic
from fakebus.redis.arguments import Arguments
from fakebus.redis.entries import EntryId
from fakebus.redis.groups import Pending, StreamGroup
from fakebus.redis.protocol import Map, RedisError, Reply
from fakebus.redis.reading import (
    OK,
    ReadOptions,
    Session,
    StreamCommands,
    read_options,
    streams_reply,
)
from fakebus.redis.streams import Entry, Positions

_NO_KEY = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may "


class GroupCommands(StreamCommands):
    """XGROUP, XREADGROUP, XACK, XPENDING and the like."""

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
        options = read_options(arguments)
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
            return streams_reply(history, session)

        async def look() -> Map | None:
            found = Map()
            for name, topic, group in wanted:
                entries = await self._deliver(topic, group, consumer, options)
                if entries:
                    found[name] = [self._entry(each) for each in entries]
            return found or None

        def positions_now() -> list[tuple[Topic, Positions]]:
            return [(topic, group.positions) for _, topic, group in wanted]

        found_now = await self._blocking(session, look, positions_now, options.block_ms)
        return streams_reply(found_now, session)

    async def _deliver(
        self, topic: Topic, group: StreamGroup, consumer: str, options: ReadOptions
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

    async def xinfo(self, session: Session, arguments: Arguments) -> Reply:
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
            return await self._stream_info(topic, arguments)
        raise RedisError(f"ERR unknown subcommand '{action}'")

    async def _stream_info(self, topic: Topic, arguments: Arguments) -> Reply:
        if arguments.take(b"FULL"):
            raise RedisError("ERR syntax error: fakebus has no XINFO STREAM with FULL")
        first = await self._streams.read(topic, {}, 1)
        last = await self._streams.last(topic)
        return Map(
            {
                "length": self._streams.length(topic),
                "last-generated-id": "0-0" if last is None else str(last.id),
                "groups": len(self._groups.of_topic(topic)),
                "first-entry": self._entry(first[0]) if first else None,
                "last-entry": None if last is None else self._entry(last),
            }
        )

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


def _no_group(name: str, group: str) -> RedisError:
    return RedisError(f"NOGROUP No such key '{name}' or consumer group '{group}'")


def _within(entry_id: EntryId, first: bytes, last: bytes) -> bool:
    lower, upper = first.removeprefix(b"("), last.removeprefix(b"(")
    if lower != b"-" and entry_id < EntryId.parse(lower):
        return False
    if upper != b"+" and entry_id > EntryId.parse(upper):
        return False
    # A parenthesis leaves the bound itself out.
    return str(entry_id).encode() not in {b[1:] for b in (first, last) if b.startswith(b"(")}


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
