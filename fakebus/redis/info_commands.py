"""XINFO: what there is to know of a stream, its groups and their consumers."""

from __future__ import annotations

from collections import Counter

from fakebus.broker.topics import Topic
from fakebus.redis.call import Call
from fakebus.redis.groups import StreamGroup
from fakebus.redis.protocol import Map, RedisError, Reply


async def groups(call: Call) -> Reply:
    """Describe the groups of a stream."""
    topic = call.existing_topic()
    return [_group(call, topic, group) for group in call.groups.of_topic(topic)]


def _group(call: Call, topic: Topic, group: StreamGroup) -> Reply:
    return Map(
        {
            "name": group.name,
            "consumers": len(group.consumers),
            "pending": len(group.pending),
            "last-delivered-id": str(group.last_id),
            # Redis does not know either before the group has read.
            "entries-read": sum(group.positions.values()) if group.has_read else None,
            "lag": call.streams.count_after(topic, group.positions),
        }
    )


def consumers(call: Call) -> Reply:
    """Describe the consumers of a group."""
    topic = call.existing_topic()
    group, now_ms = call.group_of(topic), call.now_ms
    pending = Counter(each.consumer for each in group.pending.values())
    return [
        Map(
            name=name,
            pending=pending[name],
            idle=max(now_ms - consumer.seen_ms, 0),
            inactive=-1 if consumer.active_ms is None else max(now_ms - consumer.active_ms, 0),
        )
        for name, consumer in sorted(group.consumers.items())
    ]


async def stream(call: Call) -> Reply:
    """Describe a stream."""
    topic = call.existing_topic()
    if call.arguments.left:
        raise RedisError("ERR syntax error: fakebus has no XINFO STREAM with FULL")
    first = await call.streams.first(topic)
    last = await call.streams.last(topic)
    return Map(
        {
            "length": call.streams.length(topic),
            "last-generated-id": "0-0" if last is None else str(last.id),
            "entries-added": call.streams.entries_added(topic),
            "recorded-first-entry-id": "0-0" if first is None else str(first.id),
            "groups": len(call.groups.of_topic(topic)),
            "first-entry": None if first is None else call.entry(first),
            "last-entry": None if last is None else call.entry(last),
        }
    )
