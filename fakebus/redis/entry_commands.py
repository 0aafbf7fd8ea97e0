"""XADD, XRANGE, XREAD and the like: the entries of streams."""

from __future__ import annotations

import logging

from fakebus.broker.topics import Topic
from fakebus.broker.turns import in_turns
from fakebus.redis.arguments import SYNTAX_ERROR, Arguments
from fakebus.redis.call import Call
from fakebus.redis.entries import EntryId, IdRange
from fakebus.redis.protocol import Map, RedisError, Reply
from fakebus.redis.reading import ALL, blocking, read_options, streams_reply
from fakebus.redis.streams import Positions
from fakebus.redis.trimming import Trimming
from fakebus.wording import counted

logger = logging.getLogger("fakebus.redis")


async def xadd(call: Call) -> Reply:
    """Append an entry."""
    arguments = call.arguments
    name, create, trimming = arguments.text(), True, Trimming()
    while True:
        if trimming.take(arguments):
            continue
        if not arguments.take(b"NOMKSTREAM"):
            break
        create = False
    wanted = _wanted_id(arguments.raw())
    fields = arguments.rest()
    if not fields or len(fields) % 2:
        raise RedisError("ERR wrong number of arguments for 'xadd' command")
    trimming.check()
    if not create and call.streams.topic(name) is None:
        return None
    pairs = list(zip(fields[::2], fields[1::2], strict=True))
    entry_id, topic = await call.streams.add(name, wanted, pairs, call.session.origin())
    if trimming.wanted:
        removed = await call.streams.trim(topic, trimming)
        if removed:
            # Clients that bound a stream do so with each entry.
            logger.debug("XADD has removed %s of stream %s", _entries(removed), name)
    return str(entry_id)


def _wanted_id(word: bytes) -> EntryId | None:
    return None if word == b"*" else EntryId.parse(word.removesuffix(b"-*"))


def xdel(call: Call) -> Reply:
    """Remove nothing: a log has no single records to remove.

    The entry ``0-1``, which only made the stream, counts as removed.
    """
    call.arguments.text()
    entry_ids = [EntryId.parse(word) for word in call.arguments.rest()]
    return entry_ids.count(EntryId(0, 1))


def xlen(call: Call) -> Reply:
    """Count the entries."""
    topic = call.topic()
    return 0 if topic is None else call.streams.length(topic)


async def xtrim(call: Call) -> Reply:
    """Keep the newest entries only."""
    topic, trimming = call.topic(), Trimming()
    while call.arguments.left:
        if not trimming.take(call.arguments):
            raise RedisError(SYNTAX_ERROR)
    trimming.check()
    if topic is None:
        return 0
    removed = await call.streams.trim(topic, trimming)
    if removed:
        logger.info("XTRIM has removed %s of stream %s", _entries(removed), topic.name)
    return removed


async def xrange(call: Call) -> Reply:
    """Return entries between two ids."""
    topic, first, last = call.topic(), call.arguments.raw(), call.arguments.raw()
    ids, count = IdRange.parse(first, last), _count(call.arguments)
    if topic is None:
        return []
    found = await call.streams.between(topic, ids, count)
    return [call.entry(each) async for each in in_turns(found)]


async def xrevrange(call: Call) -> Reply:
    """Return entries between two ids, the newest first."""
    topic, last, first = call.topic(), call.arguments.raw(), call.arguments.raw()
    ids, count = IdRange.parse(first, last), _count(call.arguments)
    if topic is None:
        return []
    found = await call.streams.last_between(topic, ids, count)
    return [call.entry(each) async for each in in_turns(found)]


def _count(arguments: Arguments) -> int:
    return max(arguments.options("COUNT").get("COUNT", ALL), 0)


async def xread(call: Call) -> Reply:
    """Return entries behind given ids, and wait for them."""
    options = read_options(call.arguments, "XREAD")
    wanted: list[tuple[str, Topic | None, Positions]] = []
    for name, after in options.streams:
        entry_id = None if after in (b"$", b"+") else EntryId.parse(after)
        topic = call.streams.topic(name)
        positions: Positions = {}
        if topic is not None and entry_id is not None:
            positions = await call.streams.positions_after(topic, entry_id)
        elif topic is not None:
            positions = call.streams.end(topic)
            last = await call.streams.last(topic) if after == b"+" else None
            if last is not None:
                positions[last.id.partition] = last.id.offset
        wanted.append((name, topic, positions))

    async def look() -> Map | None:
        found = Map()
        for name, then, positions in wanted:
            topic = call.streams.topic(name)
            if topic is None:
                continue
            # A stream that is created meanwhile is new from its first entry on.
            since = positions if topic is then else {}
            entries = await call.streams.read(topic, since, options.count)
            if entries:
                call.note("fetched", topic, (each.id for each in entries))
                found[name] = [call.entry(each) async for each in in_turns(entries)]
        return found or None

    names = [name for name, _, _ in wanted]
    found = await blocking(call, look, names, options.block_ms)
    return streams_reply(found, call.session)


def _entries(number: int) -> str:
    return counted(number, "entry", "entries")
