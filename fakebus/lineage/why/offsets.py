"""Causes in offsets: commits that are refused, positions at which nothing is to be read."""

from __future__ import annotations

from collections.abc import Iterator

from fakebus.lineage.why.cause import (
    ATTEMPTS,
    EARLIEST,
    MOST_LISTED,
    Cause,
    ago,
    in_shell,
    reset_command,
    short,
)
from fakebus.lineage.why.view import GroupView, Progress
from fakebus.wording import counted


def commit_refused(view: GroupView) -> Iterator[Cause]:
    """Commits are refused, and none was taken since."""
    refused = [each for each in view.events if each.verb == "commit refused"]
    moved_ms = max((each.moved_ms or 0 for each in view.partitions), default=0)
    since = [each for each in refused if each.at_ms > moved_ms]
    if not since or view.lag == 0:
        return
    error, times = since[-1].detail, sum(each.detail == since[-1].detail for each in since)
    if error == "REBALANCE_IN_PROGRESS" and times < ATTEMPTS:
        return  # the member commits again when it has joined again
    who = since[-1].program.client_id or since[-1].member_id or "a client that is no member"
    yield Cause(
        "commit_refused",
        f"commits of group {view.name} are refused with {error}: {counted(times, 'time')} in the "
        f"last {ago(view.ago_ms(since[0].at_ms))}, the last one of {short(who)}; what it has "
        "handled will be sent again",
        _REFUSALS.get(error, (f"look in the client's log for {error}",)),
        {
            "error": error,
            "times": times,
            "since_ms": since[0].at_ms,
            "last_ms": since[-1].at_ms,
            "member": since[-1].member_id,
        }
        | since[-1].program.facts(),
    )


_EXPELLED = (
    "it handled records for longer than max.poll.interval.ms and is no member any more: raise "
    "max.poll.interval.ms, or lower max.poll.records so that poll() is called more often",
)
_REFUSALS = {
    "ILLEGAL_GENERATION": _EXPELLED,
    "UNKNOWN_MEMBER_ID": (
        *_EXPELLED,
        "a client that commits beside the group's members needs a group.id of its own",
    ),
    "FENCED_MEMBER_EPOCH": _EXPELLED,
    "STALE_MEMBER_EPOCH": (
        "the member has got another epoch since: let the consumer call poll(), which takes it "
        "over, before it commits",
    ),
    "REBALANCE_IN_PROGRESS": (
        "let the consumer call poll(), so that it joins again, before it commits",
    ),
    "FENCED_INSTANCE_ID": ("two consumers run with the same group.instance.id: give each its own",),
    "OFFSET_METADATA_TOO_LARGE": ("commit less metadata, or raise offset.metadata.max.bytes",),
    "UNKNOWN_TOPIC_OR_PARTITION": (
        "it commits for a topic or partition that is not there: was the topic deleted, or made "
        "anew with fewer partitions?",
    ),
    "TOPIC_AUTHORIZATION_FAILED": ("let the consumer's principal read the topic",),
    "GROUP_AUTHORIZATION_FAILED": ("let the consumer's principal read the group",),
}


def offset_out_of_range(view: GroupView) -> Iterator[Cause]:
    """The committed offset does not lie in the log any more."""
    lost = [part for part in view.partitions if part.is_lost]
    if not lost:
        return
    part = lost[0]
    if (part.committed or 0) > part.end:
        why = f"the log ends at {part.end}: was the topic deleted and made anew?"
    else:
        gone = part.start - (part.committed or 0)
        why = f"the log begins at {part.start}: {counted(gone, 'record')} before were deleted"
        why += f" ({part.lost_by})" if part.lost_by else ""
    more = f" (and {counted(len(lost) - 1, 'more partition')})" if len(lost) > 1 else ""
    yield Cause(
        "offset_out_of_range",
        f"group {view.name} has committed {part.committed} for {part.name}{more}, but {why}",
        (
            "the client goes on where its auto.offset.reset says: the usual default, latest, skips "
            "what is there",
            f"put it right: {reset_command(view.name, part.place.topic)}",
            f"to keep records longer: retention.ms of {part.place.topic}",
        ),
        {
            "start": part.start,
            "partitions": [
                each.facts() | {"start": each.start, "lost_by": each.lost_by}
                for each in lost[:MOST_LISTED]
            ],
        },
    )


def waits_at_latest(view: GroupView) -> Iterator[Cause]:
    """The group began at the end of a topic, and nothing was written there since."""
    if not view.is_stable:
        return
    for topic, parts in view.by_topic().items():
        waiting = [part for part in parts if _waits_at_its_beginning(part)]
        skipped = sum(part.stream.began - part.start for part in waiting if part.stream)
        if len(waiting) < len(parts) or not skipped:
            continue
        yield Cause(
            "waits_at_latest",
            f"group {view.name} had committed nothing for {topic} and began at its end: "
            f"{counted(skipped, 'record')} before that {'is' if skipped == 1 else 'are'} not read, "
            "and nothing was written since",
            (*EARLIEST, f"or {reset_command(view.name, topic)}"),
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


def _reads_uncommitted(part: Progress) -> bool:
    """Whether a group has got beyond where an open transaction begins."""
    sent_to = -1 if part.stream is None else part.stream.sent_to
    return max(part.committed or 0, sent_to) > part.stable_end


def open_transaction(view: GroupView) -> Iterator[Cause]:
    """A transaction that is not ended holds back what was written since it began."""
    held = [
        part
        for part in view.partitions
        if part.stable_end < part.end
        and part.next_given >= part.stable_end
        and not _reads_uncommitted(part)
    ]
    if not held:
        return
    part = held[0]
    waiting = part.end - part.stable_end
    which = part.transaction
    whose, since, find = "a transaction", "", "kafka-transactions.sh find-hanging"
    if which is not None:
        whose = str(which)
        find = f"fakebus why {in_shell(which.transactional_id)}" if which.transactional_id else find
        since = f" for {ago(view.ago_ms(which.since_ms))}" if which.since_ms >= 0 else ""
    yield Cause(
        "open_transaction",
        f"{whose} that is not ended holds back {part.name} from offset {part.stable_end} "
        f"on{since}: {counted(waiting, 'record')} that the group does not see yet, because it "
        "reads committed records only",
        (
            "let its producer commit or abort it",
            "one that has died is aborted after its transaction.timeout.ms",
            f"more of it: {find}",
        ),
        {
            "partitions": [
                each.facts()
                | {"last_stable_offset": each.stable_end}
                | ({} if each.transaction is None else {"transaction": each.transaction._asdict()})
                for each in held[:MOST_LISTED]
            ]
        },
    )
