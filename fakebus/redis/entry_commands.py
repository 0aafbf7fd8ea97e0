"""Commands on the entries of streams."""

from __future__ import annotations

from fakebus.broker.topics import Topic
from fakebus.redis.arguments import Arguments
from fakebus.redis.entries import EntryId
from fakebus.redis.protocol import Map, RedisError, Reply
from fakebus.redis.reading import ALL, Session, StreamCommands, read_options, streams_reply
from fakebus.redis.streams import Entry, Positions


class EntryCommands(StreamCommands):
    """XADD, XRANGE, XREAD and the like."""

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
            elif option == b"MINID":
                raise RedisError("ERR syntax error: fakebus trims by MAXLEN only")
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
        count = arguments.number() if arguments.take(b"COUNT") else ALL
        if topic is None:
            return []
        if first == last and b"-" in first[1:]:
            wanted = EntryId.parse(first)
            entry = await self._streams.get(topic, wanted)
            # Another entry may lie at this offset.
            return [] if entry is None or entry.id != wanted else [self._entry(entry)]
        return [self._entry(each) for each in await self._between(topic, first, last, count)]

    async def xrevrange(self, session: Session, arguments: Arguments) -> Reply:
        """Return entries between two ids, the newest first."""
        topic = self._streams.topic(arguments.text())
        last, first = arguments.raw(), arguments.raw()
        count = arguments.number() if arguments.take(b"COUNT") else ALL
        if topic is None:
            return []
        found = await self._between(topic, first, last, ALL)
        return [self._entry(each) for each in reversed(found)][:count]

    async def _between(self, topic: Topic, first: bytes, last: bytes, count: int) -> list[Entry]:
        exclusive = first.startswith(b"(")
        positions = self._streams.start(topic)
        if first != b"-":
            start = EntryId.parse(first.removeprefix(b"("))
            positions = await self._streams.positions_after(topic, start)
            entry = await self._streams.get(topic, start)
            is_entry = entry is not None and entry.id == start
            if not exclusive and (start.position or is_entry):
                positions[start.partition] = start.offset
        found = await self._streams.read(topic, positions, count)
        if last == b"+":
            return found
        end = EntryId.parse(last.removeprefix(b"("))
        if b"-" not in last:
            return [each for each in found if each.id.timestamp_ms <= end.timestamp_ms]
        if last.startswith(b"("):
            return [each for each in found if each.id < end]
        return [each for each in found if each.id <= end]

    async def xread(self, session: Session, arguments: Arguments) -> Reply:
        """Return entries behind given ids, and wait for them."""
        options = read_options(arguments)
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

        found = await self._blocking(session, look, positions_now, options.block_ms)
        return streams_reply(found, session)
