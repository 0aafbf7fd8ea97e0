"""Cause in what is delivered: the same record again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from fakebus.broker.fetch_positions import Beginning, FetchStream
from fakebus.lineage.why.cause import (
    ATTEMPTS,
    MOST_LISTED,
    Cause,
    ago,
    look_command,
    reset_command,
    some,
)
from fakebus.lineage.why.view import GroupView, Progress
from fakebus.wording import counted


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
            (
                f"look at the record: {look_command(topic, partition, offset)}",
                "look for the error in the consumer's log and catch it (a dead letter topic keeps "
                "such records)",
                f"or pass over it: {skip}",
            ),
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
        (after.at_ms for before, after in pairwise(part.commits) if after.offset < before.offset),
        default=0,
    )
    begun = [each for each in part.beginnings if each.at_ms >= back_ms]
    stable_ms = [each.at_ms for each in view.events if each.verb == "was assigned"]
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
