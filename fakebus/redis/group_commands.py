"""XGROUP and XREADGROUP: consumer groups of streams, and what is delivered to them."""

from __future__ import annotations

import logging

from fakebus.broker.topics import Topic
from fakebus.redis.call import OK, Call, no_group, no_group_of
from fakebus.redis.entries import EntryId
from fakebus.redis.groups import Pending, StreamGroup
from fakebus.redis.protocol import Map, RedisError, Reply
from fakebus.redis.reading import ReadOptions, blocking, read_options, streams_reply
from fakebus.redis.streams import Entry
from fakebus.wording import counted

logger = logging.getLogger("fakebus.redis")

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
    if topic is None:
        if not make_stream:
            raise RedisError(_NO_KEY)
        _start_id(start)
        topic = await call.streams.create(name)
    if call.groups.get(topic, group_name) is not None:
        raise RedisError("BUSYGROUP Consumer Group name already exists")
    group = StreamGroup(group_name, {})
    await _begin_at(call, topic, group, start)
    call.groups.add(topic, group)
    return OK


async def set_id(call: Call) -> Reply:
    """Move a group."""
    topic, group = _named(call)
    start = call.arguments.raw()
    if call.arguments.left:
        raise _unknown_option("SETID", call.arguments.word())
    await _begin_at(call, topic, group, start)
    call.groups.changed(topic, group)
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


async def _begin_at(call: Call, topic: Topic, group: StreamGroup, start: bytes) -> None:
    last_id = _start_id(start)
    if last_id is None:
        group.positions = call.streams.end(topic)
        last = await call.streams.last(topic)
        last_id = EntryId(0, 0) if last is None else last.id
    else:
        group.positions = await call.streams.positions_after(topic, last_id)
    group.last_id, group.has_read = last_id, False


def destroy(call: Call) -> Reply:
    """Remove a group."""
    topic, name = _existing(call), call.arguments.text()
    removed = call.groups.remove(topic, name)
    if removed:
        logger.info("group %s of stream %s is removed, as a client has asked", name, topic.name)
    return int(removed)


def create_consumer(call: Call) -> Reply:
    """Add a consumer."""
    topic, group = _named(call)
    consumer = call.arguments.text()
    created = consumer not in group.consumers
    if created:
        group.saw(consumer, call.now_ms)
        call.groups.changed(topic, group)
    return int(created)


def delete_consumer(call: Call) -> Reply:
    """Remove a consumer and what is pending for it."""
    topic, group = _named(call)
    consumer = call.arguments.text()
    known = group.consumers.pop(consumer, None)
    own = [key for key, pending in group.pending.items() if pending.consumer == consumer]
    for entry_id in own:
        del group.pending[entry_id]
    if known is not None:
        logger.info(
            "consumer %s of group %s of stream %s is removed, with %s",
            consumer,
            group.name,
            topic.name,
            counted(len(own), "pending entry", "pending entries"),
        )
    call.groups.changed(topic, group)
    return len(own)


def _existing(call: Call) -> Topic:
    topic = call.topic()
    if topic is None:
        raise RedisError(_NO_KEY)
    return topic


def _named(call: Call) -> tuple[Topic, StreamGroup]:
    topic, name = _existing(call), call.arguments.text()
    group = call.groups.get(topic, name)
    if group is None:
        raise no_group_of(topic.name, name)
    return topic, group


async def xreadgroup(call: Call) -> Reply:
    """Deliver new entries to a consumer, or its pending ones again."""
    if call.arguments.word() != "GROUP":
        raise RedisError("ERR Missing GROUP option for XREADGROUP")
    group_name, consumer = call.arguments.text(), call.arguments.text()
    options = read_options(call.arguments, "XREADGROUP")
    wanted: list[tuple[str, Topic, StreamGroup, EntryId | None]] = []
    for name, after in options.streams:
        topic = call.streams.topic(name)
        group = None if topic is None else call.groups.get(topic, group_name)
        if topic is None or group is None:
            raise no_group(name, group_name)
        wanted.append((name, topic, group, None if after == b">" else EntryId.parse(after)))
    for _, topic, group, _ in wanted:
        group.saw(consumer, call.now_ms)
        call.groups.changed(topic, group)

    async def look() -> Map | None:
        found = Map()
        for name, topic, group, after in wanted:
            is_there = call.streams.topic(name) is topic
            if not is_there or call.groups.get(topic, group_name) is not group:
                raise no_group(name, group_name)
            if after is not None:
                found[name] = await _deliver_again(call, topic, group, consumer, after, options)
                continue
            entries = await _deliver(call, topic, group, consumer, options)
            if entries:
                call.note("fetched", topic, (each.id for each in entries), group_name)
                found[name] = [call.entry(each) for each in entries]
        return found or None

    names = [name for name, _, _, _ in wanted]
    found = await blocking(call, look, names, options.block_ms)
    return streams_reply(found, call.session)


async def _deliver(
    call: Call, topic: Topic, group: StreamGroup, consumer: str, options: ReadOptions
) -> list[Entry]:
    entries = []
    for entry in await call.streams.read(topic, group.positions, options.count):
        # Another consumer may have been given it while this one read.
        if entry.id.offset < group.positions.get(entry.id.partition, 0):
            continue
        group.positions[entry.id.partition] = entry.id.offset + 1
        group.last_id, group.has_read = entry.id, True
        if not options.no_ack:
            group.pending[entry.id] = Pending(consumer, call.now_ms)
        entries.append(entry)
    if entries:
        group.saw(consumer, call.now_ms, active=True)
        call.groups.changed(topic, group)
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
    found: list[Reply] = []
    for entry_id in own[: options.count]:
        entry = await call.streams.get(topic, entry_id)
        pending = group.pending.get(entry_id)
        if pending is None or pending.consumer != consumer:
            # Acknowledged or claimed meanwhile.
            continue
        if entry is None:
            found.append([str(entry_id), None])
            continue
        # A consumer that dies of an entry shows by how often it came.
        pending.count += 1
        pending.delivered_ms = call.now_ms
        found.append(call.entry(entry))
    if found:
        group.saw(consumer, call.now_ms, active=True)
    call.groups.changed(topic, group)
    return found
