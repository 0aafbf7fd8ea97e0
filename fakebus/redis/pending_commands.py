"""XACK, XPENDING, XCLAIM and XAUTOCLAIM: entries that were delivered and not acknowledged."""

from __future__ import annotations

from dataclasses import dataclass

from fakebus.redis.arguments import Arguments
from fakebus.redis.call import Call
from fakebus.redis.entries import EntryId, IdRange
from fakebus.redis.groups import Pending, StreamGroup
from fakebus.redis.protocol import RedisError, Reply

_ATTEMPTS_FACTOR = 10
"""How many entries XAUTOCLAIM looks at for each that it may answer, as in Redis."""


def xack(call: Call) -> Reply:
    """Take entries out of what is pending."""
    topic = call.topic()
    group = None if topic is None else call.groups.get(topic, call.arguments.text())
    if topic is None or group is None:
        return 0
    entry_ids = [EntryId.parse(word) for word in call.arguments.rest()]
    done = [each for each in entry_ids if group.pending.pop(each, None) is not None]
    if done:
        call.note("acknowledged", topic, done, group.name)
        call.groups.changed(topic, group)
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
            rows.append([str(entry_id), pending.consumer, idle, pending.count])
    return rows


def _summary(group: StreamGroup) -> Reply:
    if not group.pending:
        return [0, None, None, None]
    counts: dict[str, int] = {}
    for pending in group.pending.values():
        counts[pending.consumer] = counts.get(pending.consumer, 0) + 1
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

    def take(self, group: StreamGroup, entry_id: EntryId) -> None:
        before = group.pending.get(entry_id)
        # What is forced into the list counts as delivered once before.
        count = 1 if before is None else before.count
        if self.count is not None:
            count = self.count
        elif not self.ids_only:
            count += 1
        group.pending[entry_id] = Pending(self.consumer, self.delivered_ms, count)


async def xclaim(call: Call) -> Reply:
    """Give a consumer named entries that others have left pending for long."""
    topic, group = call.topic_and_group()
    claim = _new_claim(call, "XCLAIM")
    entry_ids = _leading_ids(call.arguments)
    force, last_id = _claim_options(call, claim)
    if last_id > group.last_id:
        await call.streams.advance(topic, group.positions, last_id)
        group.last_id = last_id
    group.saw(claim.consumer, call.now_ms)
    claimed: list[Reply] = []
    for entry_id in entry_ids:
        entry = await call.streams.get(topic, entry_id)
        pending = group.pending.get(entry_id)
        if entry is None:
            group.pending.pop(entry_id, None)
        elif force if pending is None else claim.matches(pending, call.now_ms):
            claim.take(group, entry_id)
            claimed.append(str(entry_id) if claim.ids_only else call.entry(entry))
    if claimed:
        group.saw(claim.consumer, call.now_ms, active=True)
    call.groups.changed(topic, group)
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
    group.saw(claim.consumer, call.now_ms)
    wanted = sorted(entry_id for entry_id in group.pending if entry_id in ids)
    claimed: list[Reply] = []
    deleted: list[Reply] = []
    looked_at = 0
    for entry_id in wanted[: count * _ATTEMPTS_FACTOR]:
        if len(claimed) + len(deleted) == count:
            break
        looked_at += 1
        entry = await call.streams.get(topic, entry_id)
        pending = group.pending.get(entry_id)
        if pending is None:
            # Acknowledged meanwhile.
            continue
        if entry is None:
            del group.pending[entry_id]
            deleted.append(str(entry_id))
        elif claim.matches(pending, call.now_ms):
            claim.take(group, entry_id)
            claimed.append(str(entry_id) if claim.ids_only else call.entry(entry))
    if claimed:
        group.saw(claim.consumer, call.now_ms, active=True)
    call.groups.changed(topic, group)
    return [str(wanted[looked_at]) if looked_at < len(wanted) else "0-0", claimed, deleted]
