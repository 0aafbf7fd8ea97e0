"""Causes in share groups: records that members give back, or hold on to (KIP-932)."""

from __future__ import annotations

from collections.abc import Iterator

from fakebus.lineage.why.cause import (
    COMMIT_MS,
    MOST_LISTED,
    Cause,
    ago,
    in_shell,
    look_command,
    short,
    waiting,
)
from fakebus.lineage.why.progress import SILENCE_MS, moves, silence
from fakebus.lineage.why.view import GroupView, InFlight
from fakebus.wording import counted

_RESET = (
    "stop the members and reset the group on its page in the console, or with "
    "kafka-share-groups.sh --reset-offsets"
)


def given_back(view: GroupView) -> Iterator[Cause]:
    """A record was delivered several times, and no member has accepted it."""
    again = [each for each in view.in_flight if each.deliveries > 1]
    if not again:
        return
    worst = max(again, key=lambda each: each.deliveries)
    left = view.delivery_limit - worst.deliveries
    then = (
        "nobody gets it any more"
        if left <= 0
        else f"{counted(left, 'delivery is', 'deliveries are')} left"
    )
    yield Cause(
        "poison_record",
        f"group {view.name} was sent {worst.record} {counted(worst.deliveries, 'time')} and has "
        f"accepted it never: members give it back, or their locks time out; {then}",
        (
            f"look at the record: {look_command(*worst.place, worst.first)}",
            "look for the error in the consumer's log, and let it reject what it can never handle",
        ),
        {
            "record": worst.record,
            "attempts": worst.deliveries,
            "limit": view.delivery_limit,
            "records": [each.record for each in again[:MOST_LISTED]],
        },
    )


def given_up(view: GroupView) -> Iterator[Cause]:
    """Records were delivered as often as they may be, and nothing was accepted since."""
    if not view.given_up:
        return
    first = view.given_up[0]
    count = sum(each.last - each.first + 1 for each in view.given_up)
    more = f" and {counted(count - 1, 'more record')}" if count > 1 else ""
    yield Cause(
        "poison_record",
        f"nobody of group {view.name} gets {first.record}{more} any more: no member has accepted "
        f"it in {counted(first.deliveries, 'delivery', 'deliveries')}, nor any later one of the "
        "partition since",
        (
            f"look at the record: {look_command(*first.place, first.first)}",
            "look for the error in the consumer's log",
            f"to have it delivered again, {_RESET}",
        ),
        {
            "record": first.record,
            "attempts": first.deliveries,
            "limit": view.delivery_limit,
            "records": [each.record for each in view.given_up[:MOST_LISTED]],
        },
    )


def not_acknowledging(view: GroupView) -> Iterator[Cause]:
    """A member has had records for long and says nothing of them."""
    moving = {part.place for part in view.partitions if moves(view, part)}
    held = [
        each for each in view.in_flight if each.held_ms > COMMIT_MS and each.place not in moving
    ]
    if not held:
        return
    longest: InFlight = max(held, key=lambda each: each.held_ms)
    member = next((each for each in view.members if each.member_id == longest.member_id), None)
    who = longest.member_id if member is None else member.client_id
    count = counted(sum(each.last - each.first + 1 for each in held), "record")
    yield Cause(
        "not_committing",
        f"{short(who)} of group {view.name} has {count} from {longest.record} on "
        f"for {ago(longest.held_ms)} and has not acknowledged them: nobody else gets them until "
        "its lock times out",
        (
            "acknowledge each record and call commitSync() or poll()",
            "let a handler that needs longer renew its locks, or set "
            "share.record.lock.duration.ms of the group",
            f"or it hangs in its own code: {look_command(*longest.place, longest.first)}",
        ),
        ({} if member is None else member.facts())
        | {
            "next_record": longest.record,
            "held_ms": longest.held_ms,
            "records": [each.record for each in held[:MOST_LISTED]],
        },
    )


def none_fetching(view: GroupView) -> Iterator[Cause]:
    """Records could be given to members, and none of them asks for any or has some."""
    if not view.is_stable or view.since_ms is None or view.ago_ms(view.since_ms) < SILENCE_MS:
        return
    busy = {each.member_id for each in view.in_flight}
    is_asked = any(
        each.member_id in busy or view.ago_ms(view.asked_ms.get(each.member_id, 0)) < SILENCE_MS
        for each in view.members
    )
    # Where it begins is settled by the first fetch.
    silent = [
        part
        for part in view.partitions
        if (part.shared.available if part.shared else part.member and part.waiting)
    ]
    if not silent or is_asked or not view.members:
        return
    part = silent[0]
    # What one that is gone does not fetch another one could.
    member = min(view.members, key=lambda each: each.program.is_gone)
    asked_ms = view.asked_ms.get(member.member_id)
    since, remedies = silence(view, member, asked_ms, None)
    others = len(view.members) - 1
    available = sum(each.shared.available for each in silent if each.shared)
    where = waiting(available) if available else "there are records"
    who = f"; nor does any of {counted(others, 'other member')}" if others else ""
    more = f" and {counted(len(silent) - 1, 'more partition')}" if len(silent) > 1 else ""
    yield Cause(
        "not_fetching",
        f"{short(member.client_id)} of group {view.name} reads {part.name}{more}, where {where}, "
        f"and {since}{who}",
        remedies,
        member.facts()
        | {
            "last_fetch_ms": asked_ms,
            "silent_ms": member.silent_ms,
            "partitions": [each.facts() for each in silent[:MOST_LISTED]],
        },
    )


def begins_at_latest(view: GroupView) -> Iterator[Cause]:
    """The group began at the end of a topic, as share groups do, and nothing was written since."""
    if not view.is_stable:
        return
    for topic, parts in view.by_topic().items():
        began = {
            part.name: part.shared.start
            for part in parts
            if part.shared and part.committed is None and part.shared.start == part.end
        }
        skipped = sum(part.end - part.start for part in parts)
        if len(began) < len(parts) or not skipped:
            continue
        yield Cause(
            "waits_at_latest",
            f"share group {view.name} had no offset for {topic} and began at its end: "
            f"{counted(skipped, 'record')} before that {'is' if skipped == 1 else 'are'} not read, "
            "and nothing was written since",
            (
                "share groups begin at the end unless their config says otherwise, before the "
                "first member: kafka-configs.sh --alter --entity-type groups --entity-name "
                f"{in_shell(view.name)} --add-config share.auto.offset.reset=earliest",
                f"to go back now, {_RESET}",
            ),
            {
                "topic": topic,
                "skipped": skipped,
                "began": began,
                "members": [member.facts() for member in view.members[:MOST_LISTED]],
            },
        )
