"""Causes in members that have partitions: they do not fetch, do not commit, or are slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from fakebus.lineage.why.cause import (
    COMMIT,
    COMMIT_MS,
    EARLIEST,
    EVICT,
    MOST_LISTED,
    Cause,
    ago,
    look_command,
    short,
    waiting,
)
from fakebus.lineage.why.view import GroupView, Member, Progress
from fakebus.wording import counted

SILENCE_MS = 3000
"""How long a client may be without asking for more; clients ask at least twice a second."""
_BEHIND_S = 3.0
"""How many seconds a group may need to catch up before it is called slow."""


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
    since, remedies = silence(view, member, asked_ms, gone_ms)
    busy, record = "", None
    if stream is not None and stream.sent_to > part.next_given:
        record = f"{part.name}@{part.next_given}"
        busy = f"; it was sent records up to offset {stream.sent_to - 1} and has committed none "
        busy += f"from {part.next_given} on: it is busy with {record}, or hangs in it"
        look = f"look at the record: {look_command(*part.place, part.next_given)}"
        remedies = (*remedies, look)
    more = f" and {counted(len(silent) - 1, 'more partition')}" if len(silent) > 1 else ""
    yield Cause(
        "not_fetching",
        f"{short(member.client_id)} of group {view.name} has {part.name}{more}, where "
        f"{waiting(sum(each.waiting for each in silent))}, and {since}{busy}",
        remedies,
        member.facts()
        | {
            "last_fetch_ms": asked_ms,
            "closed_ms": gone_ms,
            "silent_ms": member.silent_ms,
            "next_record": record,
            "partitions": [each.facts() for each in silent[:MOST_LISTED]],
        },
    )


def silence(
    view: GroupView, member: Member, asked_ms: int | None, gone_ms: int | None
) -> tuple[str, Sequence[str]]:
    """Return since when a member does not fetch, and what to do, in words.

    Args:
        view: of its group.
        member: that has something to fetch.
        asked_ms: when it has last asked for it.
        gone_ms: when its connection was closed.
    """
    since = "has never fetched from it"
    if asked_ms is not None:
        since = f"has not fetched from it for {ago(view.ago_ms(asked_ms))}"
    session = ago(member.session_timeout_ms)
    if gone_ms is not None or member.program.is_gone:
        when = "" if gone_ms is None else f" {ago(view.ago_ms(gone_ms))} ago"
        since = since if asked_ms is not None else "does not fetch from it"
        since += f": its connection was closed{when}, without leaving"
        return since, (*EVICT, f"its session lasts {session}")
    if member.silent_ms is not None and member.silent_ms > 2 * SILENCE_MS:
        since += f", and nothing at all was heard of it for {ago(member.silent_ms)}"
        return since, (
            "is the process stopped (a debugger, SIGSTOP, a container that is paused)?",
            "or does its handler hold it up, and its client, as kafkajs does, send heartbeats only "
            "between records: let the handler send them",
            f"it is thrown out when its session of {session} is over",
        )
    return f"{since}, and still sends heartbeats", (
        "look for what holds the consumer up in its own code: it does not call poll(), or has "
        "paused the partition",
    )


def _is_silent(view: GroupView, part: Progress) -> bool:
    if not view.sees_fetches or not view.is_stable or part.member is None or not part.waiting:
        return False
    if moves(view, part) and not part.member.program.is_gone:
        return False
    stream = part.stream
    if stream is not None:
        return not stream.is_waiting and view.ago_ms(stream.asked_ms) > SILENCE_MS
    assigned = view.newest("was assigned")
    since_ms = view.since_ms if assigned is None else assigned.at_ms
    return since_ms is not None and view.ago_ms(since_ms) > SILENCE_MS


def moves(view: GroupView, part: Progress) -> bool:
    """Whether the committed offset has moved lately, compared with how often it did."""
    if part.moved_ms is None:
        return False
    gaps = [after.at_ms - before.at_ms for before, after in pairwise(part.commits)]
    return view.ago_ms(part.moved_ms) < max(COMMIT_MS, *(2 * gap for gap in gaps[-2:]), 0)


def not_committing(view: GroupView) -> Iterator[Cause]:
    """A member was sent records, asks for more, and does not commit."""
    if not view.sees_fetches:
        yield from _unmoved(view)
        return
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
    record = f"{part.name}@{part.next_given}"
    yield Cause(
        "not_committing",
        f"{short(member.client_id)} of group {view.name} was sent {part.name} up to offset "
        f"{sent_to - 1}{more} and has committed {begins}, for {ago(view.ago_ms(since_ms))}",
        (
            COMMIT,
            f"or it hangs in its own code with {record}: "
            f"{look_command(*part.place, part.next_given)}",
        ),
        member.facts()
        | {
            "next_record": record,
            "sent_to": sent_to,
            "since_ms": since_ms,
            "has_ever_committed": not never,
            "partitions": [each.facts() for each, _ in late[:MOST_LISTED]],
        },
    )


def _unmoved(view: GroupView) -> Iterator[Cause]:
    """Members have partitions where records wait, and commit nothing: more is not known."""
    still = [
        part
        for part in view.partitions
        if view.is_stable and part.member is not None and part.waiting and len(part.commits) < 2
    ]
    if not still or view.since_ms is None or view.ago_ms(view.since_ms) < COMMIT_MS:
        return
    part, watched = still[0], ago(view.ago_ms(view.since_ms))
    member, record = part.member, f"{part.name}@{part.next_given}"
    assert member is not None  # noqa: S101 - as above
    more = f" and {counted(len(still) - 1, 'more partition')}" if len(still) > 1 else ""
    began = f"or it began at the end and waits for what is new: {EARLIEST[0]}"
    yield Cause(
        "not_committing",
        f"{short(member.client_id)} of group {view.name} has {part.name}{more}, where "
        f"{waiting(sum(each.waiting for each in still))}, and has committed nothing "
        f"for the {watched} that it was watched; whether it fetches cannot be told here",
        (
            COMMIT,
            f"or it does not call poll(), or hangs in its own code with {record}: "
            f"{look_command(*part.place, part.next_given)}",
            *([began] if part.committed is None else ()),
        ),
        member.facts()
        | {
            "next_record": record,
            "since_ms": view.since_ms,
            "has_ever_committed": part.committed is not None,
            "partitions": [each.facts() for each in still[:MOST_LISTED]],
        },
    )


def _uncommitted_since(view: GroupView, part: Progress) -> int | None:
    """Return since when a member has had a record without committing it, if that is too long."""
    stream = part.stream
    if stream is None or part.member is None or not view.is_stable or not part.waiting:
        return None
    if _is_silent(view, part) or moves(view, part):
        return None
    sent_ms = stream.sent_ms(part.next_given)
    if sent_ms is None:
        return None
    since_ms = max(sent_ms, part.moved_ms or 0)
    return since_ms if view.ago_ms(since_ms) > COMMIT_MS else None


def slow(view: GroupView) -> Iterator[Cause]:
    """The group commits, but needs long to catch up or never does."""
    slowest: tuple[float, Progress, float, float] | None = None
    for part in view.partitions:
        rates = _rates(part)
        if not part.lag or rates is None or part.member is None or not moves(view, part):
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
        f"of {part.name}, {rate_in:.1f} are written, {waiting(part.lag or 0)}, {until}",
        (
            "wait",
            "or make the handler faster, or start more consumers of the group, up to one for each "
            "partition",
        ),
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
