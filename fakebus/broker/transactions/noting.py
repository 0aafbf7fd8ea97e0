"""Noting of the ends of transactions, and of what they have committed."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from fakebus.broker.activity import Activities, Origin, in_transaction
from fakebus.broker.transactions.state import GroupOffsets
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition


class CommittedOffset(NamedTuple):
    """Offset that a transaction has committed for a group."""

    group: str
    member: str
    """The member whose work it comes from, if its producer has said so."""
    row: OffsetRow
    before: int | None
    """The offset that it takes the place of."""


def committed_offsets(
    offsets: GroupOffsets,
    members: Mapping[str, str],
    there: Container[TopicPartition],
    before: Callable[[str, TopicPartition], int | None],
) -> Iterator[CommittedOffset]:
    """Yield what a transaction commits; a topic may have been deleted meanwhile.

    Args:
        offsets: those of the transaction.
        members: the members that its producer has named, by group.
        there: the partitions that there are.
        before: tells what a group has committed so far.
    """
    for group, rows in offsets.items():
        for place, row in rows.items():
            if place in there:
                yield CommittedOffset(group, members.get(group, ""), row, before(group, place))


def note_end(
    activity: Activities,
    origin: Origin,
    transactional_id: str,
    reason: str,
    offsets: Iterable[CommittedOffset],
) -> None:
    """Note the end of a transaction, behind the offsets that it has committed.

    Args:
        activity: where to.
        origin: its producer.
        transactional_id: the producer's name.
        reason: why it was aborted; empty if it has committed.
        offsets: what it has committed.
    """
    detail = in_transaction(transactional_id)
    for group, member, row, old in offsets:
        place, at = TopicPartition(row.topic, row.partition), (row.offset, row.offset)
        before = -1 if old is None else old
        activity.note("committed", origin, place, at, group, detail, member, before)
    verb = "transaction aborted" if reason else "transaction committed"
    activity.note(verb, origin, detail=reason, member=transactional_id)
