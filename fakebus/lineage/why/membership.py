"""Causes in the membership of the group: nobody is there, or not everybody gets something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fakebus.lineage.why.cause import (
    EVICT,
    MOST_LISTED,
    Cause,
    ago,
    in_shell,
    reset_command,
    short,
    some,
    waiting,
)
from fakebus.lineage.why.view import GroupView
from fakebus.wording import counted

_PATIENCE_MS = 2000
"""How long a rebalance may take, and idle members may wait for the next one."""
_OFTEN = 5
_LATELY_MS = 60_000
_MOVING = ("Assigning", "Reconciling")
_REBALANCING = ("PreparingRebalance", "CompletingRebalance", *_MOVING)


def no_member(view: GroupView) -> Iterator[Cause]:
    """Records wait, and no consumer is in the group."""
    if view.members or view.state in _REBALANCING:
        return
    last = view.newest("joined", "left", "expelled")
    gone = view.newest("left", "expelled")
    # One that is closed leaves and disconnects; without poll() a client leaves by itself and stays.
    is_still_there = (
        last is not None
        and last.verb == "left"
        and last.program.is_idle
        and view.ago_ms(last.at_ms) > _PATIENCE_MS
    )
    was_lost = last is not None and last.verb == "expelled"
    lag = view.to_handle
    if not lag and not (lag is None and (was_lost or is_still_there)):
        return
    behind = "" if lag is None else f", and {waiting(lag)} for it"
    # Fixtures and resets put groups somewhere before anybody reads.
    was_read = last is not None or any(part.commits for part in view.partitions)
    text = f"no consumer {'is' if was_read else 'has been'} in group {view.name}"
    text += behind if was_read else f" yet{behind}"
    # Who is connected only fakebus tells; what a share group is the client library does not.
    look = "fakebus clients" if view.sees_fetches else f"fakebus groups {in_shell(view.name)}"
    remedies = [
        "start the consumer",
        f"if it runs, compare its group.id and bootstrap address: {look}",
    ]
    evidence: dict[str, object] = {
        "since_ms": view.since_ms,
        "members": [],
        "was_read": was_read,
    }
    if gone is not None:
        how = "left" if gone.verb == "left" else "was taken out"
        text += (
            f"; the last one, {short(gone.program.client_id or gone.member_id)}, {how} "
            f"{ago(view.ago_ms(gone.at_ms))} ago: {short(gone.detail)}"
        )
        if is_still_there:
            text += (
                "; it is still connected: it has not called poll() for longer than its "
                "max.poll.interval.ms, or has unsubscribed"
            )
        was_killed = gone.verb == "expelled" and gone.program.is_gone and "poll" not in gone.detail
        if was_killed:
            text += "; its connection is closed: it may have been killed, or have crashed"
            remedies.append("look for the error that its log ends with")
        elif gone.verb == "expelled" or is_still_there or "poll" in gone.detail:
            remedies.append(
                "if it hangs in its own code, let it call poll() more often, or give it more time: "
                "max.poll.interval.ms"
            )
        evidence |= {
            "last_member": gone.member_id,
            "left_ms": gone.at_ms,
            "how": gone.verb,
            "reason": gone.detail,
            **gone.program.facts(),
        }
    yield Cause("no_member", text, remedies, evidence)


def rebalancing(view: GroupView) -> Iterator[Cause]:
    """The members are joining again, and somebody is waited for; or they do all the time."""
    begun = [
        each
        for each in view.events
        if each.verb == "rebalancing" and view.ago_ms(each.at_ms) < _LATELY_MS
    ]
    missing = [member for member in view.members if member.is_missing]
    gone = [member for member in missing if member.program.is_gone]
    evidence: dict[str, object] = {
        "since_ms": view.since_ms,
        "rebalances_last_minute": len(begun),
        "reason": begun[-1].detail if begun else None,
        "missing": [
            member.facts() | {"silent_ms": member.silent_ms} for member in missing[:MOST_LISTED]
        ],
    }
    took_ms = None if view.since_ms is None else view.ago_ms(view.since_ms)
    if view.state in _REBALANCING:
        if took_ms is not None and took_ms < _PATIENCE_MS:
            return
        since = "" if took_ms is None else f" for {ago(took_ms)}"
        # Such a group goes on with all partitions that stay where they are (KIP-848).
        is_moving = view.state in _MOVING
        who = some(member.client_id for member in gone or missing)
        if is_moving:
            text = f"group {view.name} has been moving partitions between its members{since}: "
            text += f"those that move are not read until {who or 'every member'} "
            text += "is thrown out" if gone else "has given up its own"
            remedy = "a member that does not call poll() keeps its partitions"
        else:
            text = f"group {view.name} has been rebalancing{since}: nobody gets records until "
            text += f"{who or 'every member'} "
            text += "is thrown out" if gone else "has joined again"
            remedy = "a member that does not call poll() holds the others up"
        if gone:
            longest_ms = max(member.session_timeout_ms for member in gone)
            text += ": its connection was closed, without leaving"
            remedies: Sequence[str] = (*EVICT, f"its session lasts {ago(longest_ms)}")
        else:
            longest_ms = max((member.rebalance_timeout_ms for member in view.members), default=0)
            if longest_ms:
                remedy += f", at most {ago(longest_ms)} (its max.poll.interval.ms)"
            remedies = (f"{remedy}: look for a consumer that hangs in its own code", *EVICT)
        yield Cause("rebalancing", text, remedies, evidence)
    elif len(begun) >= _OFTEN and view.lag != 0:
        yield Cause(
            "rebalancing",
            f"group {view.name} has begun to rebalance {counted(len(begun), 'time')} in the last "
            f"minute, the last time because {short(begun[-1].detail)}",
            (
                "look for a consumer that is started again and again, or that is thrown out "
                "because it does not call poll() within max.poll.interval.ms or send heartbeats "
                "within session.timeout.ms",
            ),
            evidence,
        )


def not_subscribed(view: GroupView) -> Iterator[Cause]:
    """The group has an offset in a topic where records wait, and no member reads it any more."""
    if not view.members or not view.is_stable:
        return
    if any(member.topics is None for member in view.members):
        subscribed = {place.topic for member in view.members for place in member.partitions}
    else:
        subscribed = {topic for member in view.members for topic in member.topics or ()}
    forgotten: dict[str, int] = {}
    for part in view.partitions:
        if part.to_handle and part.place.topic not in subscribed:
            forgotten[part.place.topic] = forgotten.get(part.place.topic, 0) + part.to_handle
    if not forgotten:
        return
    topics = some(forgotten)
    first = next(iter(forgotten))
    yield Cause(
        "not_subscribed",
        f"no member of group {view.name} subscribes to {topics}, where "
        f"{waiting(sum(forgotten.values()))}; they read {some(sorted(subscribed))}",
        (
            f"subscribe the consumer to {short(first)}",
            "if two applications share the group.id, give each its own",
            "if the group is not to read it any more, pass over what waits: "
            + reset_command(view.name, first, "latest"),
        ),
        {
            "topics": list(forgotten)[:MOST_LISTED],
            "subscribed": sorted(subscribed)[:MOST_LISTED],
            "members": [member.facts() for member in view.members[:MOST_LISTED]],
        },
    )


def idle_members(view: GroupView) -> Iterator[Cause]:
    """There are more members than partitions."""
    if not view.is_stable or (
        view.since_ms is not None and view.ago_ms(view.since_ms) < _PATIENCE_MS // 2
    ):
        return
    idle = [
        member
        for member in view.members
        if not member.partitions
        and (member.topics is None or any(topic in view.topics for topic in member.topics))
    ]
    assigned = sum(len(member.partitions) for member in view.members)
    if not idle or not assigned:
        return
    topics = sorted({place.topic for member in view.members for place in member.partitions})
    yield Cause(
        "idle_members",
        f"{len(idle)} of {counted(len(view.members), 'member')} of group {view.name} have no "
        f"partition ({some(member.client_id for member in idle)}); the others have "
        f"{counted(assigned, 'partition')}",
        (
            f"a partition goes to one member only: stop {counted(len(idle), 'member')}, or create "
            f"the topic with {counted(len(view.members), 'partition')}: "
            f"fakebus topics --create {short(topics[0])} --partitions {len(view.members)}",
            "consumers that should all see every record need a group.id each",
        ),
        {
            "idle": [member.facts() for member in idle[:MOST_LISTED]],
            "partitions": assigned,
            "topics": topics[:MOST_LISTED],
        },
    )
