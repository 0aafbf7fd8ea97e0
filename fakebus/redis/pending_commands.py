"""XACK, XPENDING, XCLAIM and XAUTOCLAIM: entries that were delivered and not acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fakebus.broker.topics import Topic
from fakebus.redis.arguments import Arguments
from fakebus.redis.call import Call
from fakebus.redis.entries import EntryId, IdRange
from fakebus.redis.groups import Change, Pending, StreamGroup
from fakebus.redis.protocol import RedisError, Reply
from fakebus.redis.streams import Entry

_ATTEMPTS_FACTOR = 10
"""How many entries XAUTOCLAIM looks at for each that it may answer, as in Redis."""


async def xack(call: Call) -> Reply:
    """Take entries out of what is pending."""
    topic = call.topic()
    group = None if topic is None else call.groups.get(topic, call.arguments.text())
    if topic is None or group is None:
        return 0
    entry_ids = [EntryId.parse(word) for word in call.arguments.rest()]
    if group.pending.keys().isdisjoint(entry_ids):
        return 0
    async with call.groups.changing(topic, group) as change:
        done = [each for each in entry_ids if change.put(each, None)]
    call.note("acknowledged", topic, done, group.name)
    return len(done)


def xpending(call: Call) -> Reply:
    """Show what is pending."""
    _, group = call.topic_and_group()
    arguments = call.arguments
    if not arguments.left:
        return _summary(group)
    min_idle = arguments.integer() if arguments.take(b"IDLE") else 0
    first, last = arguments.raw(), arguments.raw()
    count, ids = arguments.integer(), IdRange.parse(first, last)
    consumer = arguments.text() if arguments.left else None
    arguments.end()
    now_ms = call.now_ms
    rows: list[Reply] = []
    for entry_id, pending in sorted(group.pending.items()):
        idle = now_ms - pending.delivered_ms
        if (
            len(rows) < count
            and consumer in (None, pending.consumer)
            and idle >= min_idle
            and entry_id in ids
        ):
            rows.append([str(entry_id), pending.consumer, idle, pending.times])
    return rows


def _summary(group: StreamGroup) -> Reply:
    if not group.pending:
        return [0, None, None, None]
    counts = Counter(pending.consumer for pending in group.pending.values())
    return [
        len(group.pending),
        str(min(group.pending)),
        str(max(group.pending)),
        [[consumer, str(count)] for consumer, count in sorted(counts.items())],
    ]


@dataclass(slots=True, kw_only=True)
class _Claim:
    """Claim: how entries are given to another consumer."""

    consumer: str
    min_idle_ms: int
    delivered_ms: int
    count: int | None = None
    """The delivery counter; one more than before if left out."""
    ids_only: bool = False

    def matches(self, pending: Pending, now_ms: int) -> bool:
        return now_ms - pending.delivered_ms >= self.min_idle_ms

    def take(self, change: Change, entry_id: EntryId) -> None:
        before = change.group.pending.get(entry_id)
        # What is forced into the list counts as delivered once before.
        count = 1 if before is None else before.times
        if self.count is not None:
            count = self.count
        elif not self.ids_only:
            count += 1
        change.put(entry_id, Pending(self.consumer, self.delivered_ms, count))

    def note(
        self, call: Call, topic: Topic, group: StreamGroup, entry_ids: Sequence[EntryId]
    ) -> None:
        """Note that the consumer was sent entries, if it gets more of them than their ids."""
        if not self.ids_only:
            call.note("fetched", topic, entry_ids, group.name)


async def xclaim(call: Call) -> Reply:
    """Give a consumer named entries that others have left pending for long."""
    topic, group = call.topic_and_group()
    claim = _new_claim(call, "XCLAIM")
    entry_ids = _leading_ids(call.arguments)
    force, last_id = _claim_options(call, claim)
    entries = [(each, await call.streams.get(topic, each)) for each in entry_ids]
    positions = await call.streams.positions_after(topic, last_id)
    claimed: list[Reply] = []
    given: list[EntryId] = []
    async with call.groups.changing(topic, group) as change:
        if last_id > group.last_id:
            group.last_id = last_id
            for partition, offset in positions.items():
                group.positions[partition] = max(group.positions.get(partition, 0), offset)
        for entry_id, entry in entries:
            pending = group.pending.get(entry_id)
            if entry is None:
                change.put(entry_id, None)
            elif force if pending is None else claim.matches(pending, call.now_ms):
                claim.take(change, entry_id)
                claimed.append(str(entry_id) if claim.ids_only else call.entry(entry))
                given.append(entry_id)
        group.saw(claim.consumer, call.now_ms, active=bool(claimed))
    claim.note(call, topic, group, given)
    return claimed


def _new_claim(call: Call, command: str) -> _Claim:
    consumer = call.arguments.text()
    min_idle = call.arguments.integer(f"ERR Invalid min-idle-time argument for {command}")
    return _Claim(consumer=consumer, min_idle_ms=max(min_idle, 0), delivered_ms=call.now_ms)


def _leading_ids(arguments: Arguments) -> list[EntryId]:
    entry_ids = []
    while arguments.left:
        try:
            entry_ids.append(EntryId.parse(arguments.raw()))
        except RedisError:
            arguments.back()
            break
    return entry_ids


def _claim_options(call: Call, claim: _Claim) -> tuple[bool, EntryId]:
    """Put the options of XCLAIM into a claim; return FORCE and LASTID."""
    arguments, now_ms = call.arguments, call.now_ms
    force, last_id = False, EntryId(0, 0)
    while arguments.left:
        word = arguments.raw()
        option = word.upper().decode("ascii", "replace")
        problem = f"ERR Invalid {option} option argument for XCLAIM"
        if option == "FORCE":
            force = True
        elif option == "JUSTID":
            claim.ids_only = True
        elif option == "IDLE" and arguments.left:
            claim.delivered_ms = now_ms - arguments.integer(problem)
        elif option == "TIME" and arguments.left:
            claim.delivered_ms = arguments.integer(problem)
        elif option == "RETRYCOUNT" and arguments.left:
            count = arguments.integer(problem)
            claim.count = count if count >= 0 else None
        elif option == "LASTID" and arguments.left:
            last_id = EntryId.parse(arguments.raw())
        else:
            shown = word.decode("utf-8", "replace")[:40]
            raise RedisError(f"ERR Unrecognized XCLAIM option '{shown}'")
    if not 0 <= claim.delivered_ms <= now_ms:
        # As Redis does: the client's clock may be ahead of ours.
        claim.delivered_ms = now_ms
    return force, last_id


async def xautoclaim(call: Call) -> Reply:
    """Give a consumer what others have left pending for long."""
    topic, group = call.topic_and_group()
    claim = _new_claim(call, "XAUTOCLAIM")
    ids = IdRange.parse(call.arguments.raw(), b"+")
    options = call.arguments.options("COUNT", flags=("JUSTID",))
    claim.ids_only, count = "JUSTID" in options, options.get("COUNT", 100)
    if count <= 0:
        raise RedisError("ERR COUNT must be > 0")
    wanted = sorted(entry_id for entry_id in group.pending if entry_id in ids)
    claimed: list[Reply] = []
    deleted: list[Reply] = []
    given: list[EntryId] = []
    looked_at = 0
    taken: list[tuple[EntryId, Entry | None]] = []
    for entry_id in wanted[: count * _ATTEMPTS_FACTOR]:
        if len(taken) == count:
            break
        looked_at += 1
        entry = await call.streams.get(topic, entry_id)
        pending = group.pending.get(entry_id)
        if pending is not None and (entry is None or claim.matches(pending, call.now_ms)):
            taken.append((entry_id, entry))
    async with call.groups.changing(topic, group) as change:
        for entry_id, entry in taken:
            if entry_id not in group.pending:
                # Acknowledged meanwhile.
                continue
            if entry is None:
                change.put(entry_id, None)
                deleted.append(str(entry_id))
            else:
                claim.take(change, entry_id)
                claimed.append(str(entry_id) if claim.ids_only else call.entry(entry))
                given.append(entry_id)
        group.saw(claim.consumer, call.now_ms, active=bool(claimed))
    claim.note(call, topic, group, given)
    return [str(wanted[looked_at]) if looked_at < len(wanted) else "0-0", claimed, deleted]
