"""Causes in single partitions: records that are not fetched, not handled or not committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from fakebus.broker.fetch_positions import Beginning, FetchStream
from fakebus.broker.groups.history import CommitPoint
from fakebus.lineage.why.cause import (
    COMMIT,
    EARLIEST,
    EVICT,
    MOST_LISTED,
    Cause,
    ago,
    look_command,
    reset_command,
    short,
    some,
)
from fakebus.lineage.why.view import GroupView, Progress
from fakebus.wording import counted

ATTEMPTS = 3
"""How often a record is sent to a group that cannot handle it before that is said."""
_SILENCE_MS = 3000
"""How long a client may be without asking for more; clients ask at least twice a second."""
_COMMIT_MS = 6000
"""How long a client may be without committing; by default they commit every 5 seconds."""
_BEHIND_S = 3.0
"""How many seconds a group may need to catch up before it is called slow."""


# -- the same record again and again --


def poison_record(view: GroupView) -> Iterator[Cause]:
    """Clients of the group are sent the same record again and again, and never commit past it."""
    for part in view.partitions:
        deliveries = _failed_deliveries(view, part)
        offset = _most_delivered(part, deliveries)
        begun = [each for each in deliveries if _holds(each, offset)]
        if len(begun) < ATTEMPTS:
            continue
        record = f"{part.name}@{offset}"
        clients = list(dict.fromkeys(each.stream.client_id for each in begun))
        ended = sum(each.stream.closed_ms is not None for each in begun)
        how = f"{counted(ended, 'connection')} ended there" if ended else "it went back each time"
        topic, partition = part.place
        skip = reset_command(view.name, f"{topic}:{partition}", str(offset + 1))
        yield Cause(
            "poison_record",
            f"group {view.name} was sent {record} {counted(len(begun), 'time')} in the last "
            f"{ago(view.ago_ms(begun[0].at_ms))} and has never committed past it ({some(clients)}; "
            f"{how}): the consumer fails on this record, or on one shortly behind it",
            f"look at the record: {look_command(topic, partition, offset)}; look for the error in "
            "the consumer's log and catch it (a dead letter topic keeps such records); or pass "
            f"over it: {skip}",
            part.facts()
            | {
                "record": record,
                "attempts": len(begun),
                "connections_ended": ended,
                "since_ms": begun[0].at_ms,
                "last_ms": begun[-1].at_ms,
                "clients": clients[:MOST_LISTED],
            },
        )


def _failed_deliveries(view: GroupView, part: Progress) -> list[Beginning]:
    """Return where clients began that had not handled what they were sent when that ended.

    The present member counts too: it is trying just now.
    """
    if part.committed is None and not view.members and view.newest("expelled") is None:
        return []  # whoever has read without committing has left of its own accord
    back_ms = max(
        (after.at_ms for before, after in _steps(part) if after.offset < before.offset), default=0
    )
    begun = [each for each in part.beginnings if each.at_ms >= back_ms]
    stable_ms = [each.at_ms for each in view.events if each.verb == "stable"]
    last = {each.stream: each for each in begun}
    before: dict[FetchStream, int] = {}
    found = []
    for each in begun:
        earlier_ms = before.get(each.stream)
        before[each.stream] = each.at_ms
        # A member that keeps its partition over a rebalance begins it anew without having failed.
        is_kept = earlier_ms is not None and any(earlier_ms <= at <= each.at_ms for at in stable_ms)
        # Nor has one failed that is still there while another has the partition by now.
        has_passed_on = (
            last[each.stream] is each
            and each.stream.closed_ms is None
            and each.stream is not part.stream
        )
        if not is_kept and not has_passed_on:
            found.append(each)
    return found


def _holds(delivery: Beginning, offset: int) -> bool:
    """Whether a client was sent a record after it had begun somewhere."""
    return delivery.offset == offset or delivery.offset < offset < delivery.stream.sent_to


def _most_delivered(part: Progress, deliveries: Sequence[Beginning]) -> int:
    """Return the record that was sent most often of those that are not committed."""
    least = part.start if part.committed is None else max(part.committed, part.start)
    offsets = sorted({least, *(each.offset for each in deliveries if each.offset > least)})
    return max(
        offsets, key=lambda offset: (sum(_holds(each, offset) for each in deliveries), -offset)
    )


# -- offsets --


def commit_refused(view: GroupView) -> Iterator[Cause]:
    """Commits are refused, and none was taken since."""
    refused = [each for each in view.events if each.verb == "refused"]
    moved_ms = max((each.moved_ms or 0 for each in view.partitions), default=0)
    since = [each for each in refused if each.at_ms > moved_ms]
    if not since or view.lag == 0:
        return
    error, times = since[-1].detail, sum(each.detail == since[-1].detail for each in since)
    if error == "REBALANCE_IN_PROGRESS" and times < ATTEMPTS:
        return  # the member commits again when it has joined again
    who = since[-1].client_id or since[-1].member_id or "a client that is no member"
    yield Cause(
        "commit_refused",
        f"commits of group {view.name} are refused with {error}: {counted(times, 'time')} since "
        f"{ago(view.ago_ms(since[0].at_ms))}, the last one of {short(who)}; what it has handled "
        "will be sent again",
        _REFUSALS.get(error, f"look in the client's log for {error}"),
        {
            "error": error,
            "times": times,
            "since_ms": since[0].at_ms,
            "last_ms": since[-1].at_ms,
            "member": since[-1].member_id,
        },
    )


_EXPELLED = (
    "it handled records for longer than max.poll.interval.ms and is no member any more: raise "
    "max.poll.interval.ms, or lower max.poll.records so that poll() is called more often"
)
_REFUSALS = {
    "ILLEGAL_GENERATION": _EXPELLED,
    "UNKNOWN_MEMBER_ID": _EXPELLED
    + "; a client that commits beside the group's members needs a group.id of its own",
    "REBALANCE_IN_PROGRESS": "let the consumer call poll(), so that it joins again, before it "
    "commits",
    "FENCED_INSTANCE_ID": "two consumers run with the same group.instance.id: give each its own",
    "OFFSET_METADATA_TOO_LARGE": "commit less metadata, or raise offset.metadata.max.bytes",
    "UNKNOWN_TOPIC_OR_PARTITION": "it commits for a topic or partition that is not there: was the "
    "topic deleted, or made anew with fewer partitions?",
    "TOPIC_AUTHORIZATION_FAILED": "let the consumer's principal read the topic",
    "GROUP_AUTHORIZATION_FAILED": "let the consumer's principal read the group",
}


def offset_out_of_range(view: GroupView) -> Iterator[Cause]:
    """The committed offset does not lie in the log any more."""
    lost = [
        part
        for part in view.partitions
        if part.committed is not None and not part.start <= part.committed <= part.end
    ]
    if not lost:
        return
    part = lost[0]
    if (part.committed or 0) > part.end:
        why = f"the log ends at {part.end}: was the topic deleted and made anew?"
    else:
        gone = part.start - (part.committed or 0)
        why = f"the log begins at {part.start}: {counted(gone, 'record')} before were deleted"
    more = f" (and {counted(len(lost) - 1, 'more partition')})" if len(lost) > 1 else ""
    yield Cause(
        "offset_out_of_range",
        f"group {view.name} has committed {part.committed} for {part.name}{more}, but {why}",
        "the client goes on where its auto.offset.reset says; the usual default, latest, skips "
        f"what is there; put it right: {reset_command(view.name, part.place.topic)}; to keep "
        f"records longer: retention.ms of {part.place.topic}",
        {
            "start": part.start,
            "partitions": [each.facts() | {"start": each.start} for each in lost[:MOST_LISTED]],
        },
    )


def waits_at_latest(view: GroupView) -> Iterator[Cause]:
    """The group began at the end of a topic, and nothing was written there since."""
    if not view.is_stable:
        return
    by_topic: dict[str, list[Progress]] = {}
    for part in view.partitions:
        by_topic.setdefault(part.place.topic, []).append(part)
    for topic, parts in by_topic.items():
        waiting = [part for part in parts if _waits_at_its_beginning(part)]
        skipped = sum(part.stream.began - part.start for part in waiting if part.stream)
        if len(waiting) < len(parts) or not skipped:
            continue
        yield Cause(
            "waits_at_latest",
            f"group {view.name} had committed nothing for {topic} and began at its end: "
            f"{counted(skipped, 'record')} before that {'is' if skipped == 1 else 'are'} not read, "
            "and nothing was written since",
            f"{EARLIEST}; or {reset_command(view.name, topic)}",
            {
                "topic": topic,
                "skipped": skipped,
                "began": {part.name: part.stream.began for part in waiting if part.stream},
                "members": [part.member.facts() for part in waiting[:MOST_LISTED] if part.member],
            },
        )


def _waits_at_its_beginning(part: Progress) -> bool:
    stream = part.stream
    return (
        stream is not None
        and stream.is_reset
        and stream.began > part.start
        and stream.sent_to < 0
        and part.committed in (None, stream.began)
    )


def open_transaction(view: GroupView) -> Iterator[Cause]:
    """A transaction that is not ended holds back what was written since it began."""
    held = [
        part
        for part in view.partitions
        if part.stable_end < part.end and part.handled_to >= part.stable_end
    ]
    if not held:
        return
    part = held[0]
    waiting = part.end - part.stable_end
    yield Cause(
        "open_transaction",
        f"a transaction that is not ended holds back {part.name} from offset {part.stable_end} "
        f"on: {counted(waiting, 'record')} that readers of committed records do not see yet",
        "let its producer commit or abort it; one that has died is aborted after its "
        "transaction.timeout.ms. Which one: kafka-transactions.sh find-hanging",
        {
            "partitions": [
                each.facts() | {"last_stable_offset": each.stable_end}
                for each in held[:MOST_LISTED]
            ]
        },
    )


# -- members that have partitions --


def not_fetching(view: GroupView) -> Iterator[Cause]:
    """A member has partitions where records wait, and does not ask for them."""
    silent = [part for part in view.partitions if _is_silent(view, part)]
    if not silent:
        return
    part = silent[0]
    member, stream = part.member, part.stream
    assert member is not None  # noqa: S101 - silent partitions have one
    asked_ms = None if stream is None else stream.asked_ms
    gone_ms = None
    if stream is None and part.last_stream is not None:
        asked_ms, gone_ms = part.last_stream.asked_ms, part.last_stream.closed_ms
    since = "has never fetched from it"
    if asked_ms is not None:
        since = f"has not fetched from it for {ago(view.ago_ms(asked_ms))}"
    remedy = (
        "look for what holds the consumer up in its own code: it does not call poll(), or has "
        "paused the partition"
    )
    is_quiet = member.silent_ms is not None and member.silent_ms > 2 * _SILENCE_MS
    if gone_ms is not None:
        since += f": its connection was closed {ago(view.ago_ms(gone_ms))} ago, without leaving"
        remedy = f"{EVICT}; the session of {short(member.client_id)} lasts {_session(part)}"
    elif is_quiet and member.silent_ms is not None:
        since += f", and nothing at all was heard of it for {ago(member.silent_ms)}"
        remedy = (
            "is the process stopped (a debugger, SIGSTOP, a container that is paused)? It is thrown"
            f" out after its session.timeout.ms, {_session(part)}"
        )
    else:
        since += ", and still sends heartbeats"
    more = f" and {counted(len(silent) - 1, 'more partition')}" if len(silent) > 1 else ""
    yield Cause(
        "not_fetching",
        f"{short(member.client_id)} of group {view.name} has {part.name}{more}, where "
        f"{counted(sum(each.waiting for each in silent), 'record')} wait, and {since}",
        remedy,
        {
            "member": member.member_id,
            "client_id": member.client_id,
            "last_fetch_ms": asked_ms,
            "closed_ms": gone_ms,
            "silent_ms": member.silent_ms,
            "partitions": [each.facts() for each in silent[:MOST_LISTED]],
        },
    )


def _session(part: Progress) -> str:
    return ago(part.member.session_timeout_ms) if part.member is not None else ""


def _is_silent(view: GroupView, part: Progress) -> bool:
    if not view.sees_fetches or not view.is_stable or part.member is None or not part.waiting:
        return False
    if _moves(view, part):
        return False
    stream = part.stream
    if stream is not None:
        return not stream.is_waiting and view.ago_ms(stream.asked_ms) > _SILENCE_MS
    assigned = view.newest("stable")
    since_ms = view.since_ms if assigned is None else assigned.at_ms
    return since_ms is not None and view.ago_ms(since_ms) > _SILENCE_MS


def _moves(view: GroupView, part: Progress) -> bool:
    """Whether the committed offset has moved lately, compared with how often it did."""
    if part.moved_ms is None:
        return False
    gaps = [after.at_ms - before.at_ms for before, after in _steps(part)]
    return view.ago_ms(part.moved_ms) < max(_COMMIT_MS, *(2 * gap for gap in gaps[-2:]), 0)


def _steps(part: Progress) -> Iterator[tuple[CommitPoint, CommitPoint]]:
    return pairwise(part.commits)


def not_committing(view: GroupView) -> Iterator[Cause]:
    """A member was sent records, asks for more, and does not commit."""
    late = [
        (part, since_ms)
        for part in view.partitions
        if (since_ms := _uncommitted_since(view, part)) is not None
    ]
    if not late:
        return
    part, since_ms = late[0]
    member = part.member
    assert member is not None  # noqa: S101 - such partitions have one
    sent_to = part.stream.sent_to if part.stream is not None else -1
    never = part.committed is None
    begins = "nothing" if never else f"nothing since it committed {part.committed}"
    more = f" and {counted(len(late) - 1, 'more partition')}" if len(late) > 1 else ""
    record = f"{part.name}@{part.handled_to}"
    yield Cause(
        "not_committing",
        f"{short(member.client_id)} of group {view.name} was sent {part.name} up to offset "
        f"{sent_to}{more} and has committed {begins}, for {ago(view.ago_ms(since_ms))}",
        f"{COMMIT}; or it hangs in its own code with {record}: "
        f"{look_command(*part.place, part.handled_to)}",
        {
            "member": member.member_id,
            "client_id": member.client_id,
            "next_record": record,
            "sent_to": sent_to,
            "since_ms": since_ms,
            "has_ever_committed": not never,
            "partitions": [each.facts() for each, _ in late[:MOST_LISTED]],
        },
    )


def _uncommitted_since(view: GroupView, part: Progress) -> int | None:
    """Return since when a member has had a record without committing it, if that is too long."""
    stream = part.stream
    if stream is None or part.member is None or not view.is_stable or not part.waiting:
        return None
    if _is_silent(view, part) or _moves(view, part):
        return None
    sent_ms = stream.sent_ms(part.handled_to)
    if sent_ms is None:
        return None
    since_ms = max(sent_ms, part.moved_ms or 0)
    return since_ms if view.ago_ms(since_ms) > _COMMIT_MS else None


def slow(view: GroupView) -> Iterator[Cause]:
    """The group commits, but needs long to catch up or never does."""
    slowest: tuple[float, Progress, float, float] | None = None
    for part in view.partitions:
        rates = _rates(part)
        if not part.lag or rates is None or part.member is None or not _moves(view, part):
            continue
        rate_out, rate_in = rates
        # What was handled since the last commit is committed with the next one.
        handled = rate_out * view.ago_ms(part.commits[-1].at_ms) / 1000
        seconds = (part.lag - handled) / rate_out
        if seconds > _BEHIND_S and (slowest is None or seconds > slowest[0]):
            slowest = seconds, part, rate_out, rate_in
    if slowest is None:
        return
    seconds, part, rate_out, rate_in = slowest
    falls = rate_out > rate_in
    left_s = round((part.lag or 0) / (rate_out - rate_in)) if falls else None
    until = "and the lag does not fall" if left_s is None else f"caught up in about {left_s} s"
    client = "" if part.member is None else part.member.client_id
    yield Cause(
        "slow",
        f"group {view.name} is only slow: {short(client)} handles {rate_out:.1f} a second "
        f"of {part.name}, {rate_in:.1f} are written, {counted(part.lag or 0, 'record')} "
        f"wait, {until}",
        "wait; or make the handler faster, or start more consumers of the group, up to one for "
        "each partition",
        part.facts()
        | {
            "rate_out": round(rate_out, 2),
            "rate_in": round(rate_in, 2),
            "seconds_left": left_s,
        },
    )


def _rates(part: Progress) -> tuple[float, float] | None:
    """Return how many records a second are handled and written, if that can be told."""
    points = list(part.commits)
    if len(points) == 1 and part.stream is not None and part.stream.marks:
        offset, at_ms = part.stream.marks[0]
        points.insert(0, points[0]._replace(offset=offset, at_ms=at_ms))
    if len(points) < 2:
        return None
    first, last = points[0], points[-1]
    seconds = (last.at_ms - first.at_ms) / 1000
    if seconds <= 0 or last.offset <= first.offset:
        return None
    return (last.offset - first.offset) / seconds, max(last.end - first.end, 0) / seconds
