"""Causes in share groups: records that members give back, or hold on to (KIP-932)."""

from __future__ import annotations

from collections.abc import Iterator

from fakebus.lineage.why.cause import COMMIT_MS, MOST_LISTED, Cause, ago, look_command, short
from fakebus.lineage.why.view import GroupView, InFlight
from fakebus.wording import counted


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
        f"look at the record: {look_command(*worst.place, worst.first)}; look for the error in the "
        "consumer's log, and let it reject what it can never handle",
        {
            "record": worst.record,
            "attempts": worst.deliveries,
            "limit": view.delivery_limit,
            "records": [each.record for each in again[:MOST_LISTED]],
        },
    )


def not_acknowledging(view: GroupView) -> Iterator[Cause]:
    """A member has had records for long and says nothing of them."""
    held = [each for each in view.in_flight if each.held_ms > COMMIT_MS]
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
        "acknowledge each record and call commitSync() or poll(); let a handler that needs longer "
        "renew its locks, or set share.record.lock.duration.ms of the group; or it hangs in its "
        f"own code: {look_command(*longest.place, longest.first)}",
        ({} if member is None else member.facts())
        | {
            "next_record": longest.record,
            "held_ms": longest.held_ms,
            "records": [each.record for each in held[:MOST_LISTED]],
        },
    )
