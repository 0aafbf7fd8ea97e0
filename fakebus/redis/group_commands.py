"""XGROUP and XREADGROUP: consumer groups of streams, and what is delivered to them."""

from __future__ import annotations

import logging

from fakebus.broker.topics import Topic
from fakebus.broker.turns import in_turns
from fakebus.errors import StorageError
from fakebus.redis.call import OK, Call
from fakebus.redis.entries import EntryId
from fakebus.redis.groups import Pending, StreamGroup
from fakebus.redis.protocol import Map, RedisError, Reply
from fakebus.redis.reading import ReadOptions, blocking, read_options, streams_reply
from fakebus.redis.streams import Entry, Positions
from fakebus.wording import counted

logger = logging.getLogger("fakebus.redis")

_READING = " in XREADGROUP with GROUP option"
_GROUP_GONE = "NOGROUP the consumer group this client was blocked on no longer exists"
_NO_KEY = (
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
    "use the MKSTREAM option to create an empty stream automatically."
)


async def create(call: Call) -> Reply:
    """Create a group, and with MKSTREAM its stream."""
    arguments = call.arguments
    name, group_name, start = arguments.text(), arguments.text(), arguments.raw()
    make_stream = False
    while arguments.left:
        option = arguments.word()
        if option != "MKSTREAM":
            raise _unknown_option("CREATE", option)
        make_stream = True
    topic = call.streams.topic(name)
    is_new = topic is None
    if topic is None:
        if not make_stream:
            raise RedisError(_NO_KEY)
        _start_id(start)
        topic = await call.streams.create(name)
    positions, last_id = await _beginning(call, topic, start)
    if call.groups.get(topic, group_name) is not None:
        raise RedisError("BUSYGROUP Consumer Group name already exists")
    try:
        await call.groups.add(topic, StreamGroup(group_name, positions, last_id))
    except StorageError:
        if is_new:
            await call.streams.remove_empty(name)
        raise
    return OK


async def set_id(call: Call) -> Reply:
    """Move a group."""
    topic, group = _named(call)
    start = call.arguments.raw()
    if call.arguments.left:
        raise _unknown_option("SETID", call.arguments.word())
    positions, last_id = await _beginning(call, topic, start)
    async with call.groups.changing(topic, group):
        group.positions, group.last_id, group.has_read = positions, last_id, False
    return OK


def _unknown_option(action: str, option: str) -> RedisError:
    if option == "ENTRIESREAD":
        return RedisError("ERR fakebus counts itself what groups have read: leave out ENTRIESREAD")
    return RedisError(
        f"ERR unknown subcommand or wrong number of arguments for '{action}'. Try XGROUP HELP."
    )


def _start_id(start: bytes) -> EntryId | None:
    """Return the id behind which a group begins; ``None`` is the stream's end."""
    return None if start == b"$" else EntryId.parse(start)


async def _beginning(call: Call, topic: Topic, start: bytes) -> tuple[Positions, EntryId]:
    last_id = _start_id(start)
    if last_id is not None:
        return await call.streams.positions_after(topic, last_id), last_id
    positions, last = call.streams.end(topic), await call.streams.last(topic)
    return positions, EntryId(0, 0) if last is None else last.id


async def destroy(call: Call) -> Reply:
    """Remove a group."""
    topic, name = call.existing_topic(_NO_KEY), call.arguments.text()
    removed = await call.groups.remove(topic, name)
    if removed:
        logger.info("group %s of stream %s is removed, as a client has asked", name, topic.name)
    return int(removed)


async def create_consumer(call: Call) -> Reply:
    """Add a consumer."""
    topic, group = _named(call)
    return int(await _make_known(call, topic, group, call.arguments.text()))


async def _make_known(call: Call, topic: Topic, group: StreamGroup, consumer: str) -> bool:
    """Add a consumer that the group does not have; return whether that was so."""
    if consumer in group.consumers:
        return False
    async with call.groups.changing(topic, group):
        group.saw(consumer, call.now_ms)
    return True


async def delete_consumer(call: Call) -> Reply:
    """Remove a consumer and what is pending for it."""
    topic, group = _named(call)
    consumer = call.arguments.text()
    if consumer not in group.consumers:
        return 0
    own = [entry_id for entry_id, each in group.pending.items() if each.consumer == consumer]
    async with call.groups.changing(topic, group) as change:
        del group.consumers[consumer]
        for entry_id in own:
            change.put(entry_id, None)
    logger.info(
        "consumer %s of group %s of stream %s is removed, with %s",
        consumer,
        group.name,
        topic.name,
        counted(len(own), "pending entry", "pending entries"),
    )
    return len(own)


def _named(call: Call) -> tuple[Topic, StreamGroup]:
    topic = call.existing_topic(_NO_KEY)
    return topic, call.group_of(topic)


async def xreadgroup(call: Call) -> Reply:
    """Deliver new entries to a consumer, or its pending ones again."""
    if call.arguments.word() != "GROUP":
        raise RedisError("ERR Missing GROUP option for XREADGROUP")
    group_name, consumer = call.arguments.text(), call.arguments.text()
    options = read_options(call.arguments, "XREADGROUP")
    wanted = [
        (name, *call.topic_and_group_of(name, group_name, _READING), _start_of(after))
        for name, after in options.streams
    ]
    for _, topic, group, _ in wanted:
        await _make_known(call, topic, group, consumer)
        group.saw(consumer, call.now_ms)

    async def look() -> Map | None:
        found = Map()
        for name, topic, group, after in wanted:
            if call.streams.topic(name) is not topic:
                raise RedisError("UNBLOCKED the stream key no longer exists")
            if call.groups.get(topic, group_name) is not group:
                raise RedisError(_GROUP_GONE)
            if after is not None:
                found[name] = await _deliver_again(call, topic, group, consumer, after, options)
                continue
            entries = await _deliver(call, topic, group, consumer, options)
            if entries:
                call.note("fetched", topic, (each.id for each in entries), group_name)
                if options.no_ack:
                    call.note("acknowledged", topic, (each.id for each in entries), group_name)
                found[name] = [call.entry(each) async for each in in_turns(entries)]
        return found or None

    names = [name for name, _, _, _ in wanted]
    groups = [group for _, _, group, _ in wanted]
    found = await blocking(call, look, names, options.block_ms, groups)
    return streams_reply(found, call.session)


def _start_of(after: bytes) -> EntryId | None:
    """Return behind which pending entry to begin; ``None`` is for new ones."""
    return None if after == b">" else EntryId.parse(after)


async def _deliver(
    call: Call, topic: Topic, group: StreamGroup, consumer: str, options: ReadOptions
) -> list[Entry]:
    entries = await call.streams.read(topic, group.positions, options.count)
    # Another consumer may have been given some of them while this one read.
    entries = [e for e in entries if e.id.offset >= group.positions.get(e.id.partition, 0)]
    if entries:
        async with call.groups.changing(topic, group) as change:
            for entry in entries:
                group.positions[entry.id.partition] = entry.id.offset + 1
                if not options.no_ack:
                    change.put(entry.id, Pending(consumer, call.now_ms))
            group.last_id, group.has_read = entries[-1].id, True
            group.saw(consumer, call.now_ms, active=True)
    return entries


async def _deliver_again(
    call: Call,
    topic: Topic,
    group: StreamGroup,
    consumer: str,
    after: EntryId,
    options: ReadOptions,
) -> Reply:
    own = sorted(
        entry_id
        for entry_id, pending in group.pending.items()
        if pending.consumer == consumer and entry_id > after
    )
    entries = [(each, await call.streams.get(topic, each)) for each in own[: options.count]]
    found: list[Reply] = []
    given: list[EntryId] = []
    async with call.groups.changing(topic, group) as change:
        for entry_id, entry in entries:
            pending = group.pending.get(entry_id)
            if pending is None or pending.consumer != consumer:
                # Acknowledged or claimed meanwhile.
                continue
            if entry is None:
                found.append([str(entry_id), None])
                continue
            # A consumer that dies of an entry shows by how often it came.
            change.put(entry_id, Pending(consumer, call.now_ms, pending.times + 1))
            found.append(call.entry(entry))
            given.append(entry_id)
        if found:
            group.saw(consumer, call.now_ms, active=True)
    call.note("fetched", topic, given, group.name)
    return found
